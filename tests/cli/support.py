"""Runs the program and checks what every command promises: exit codes, one line for an error, JSON that parses."""

import atexit
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
MODEL = ROOT / "models" / "tales.gguf"
PROGRAM = os.environ["STERNA_PROGRAM"]

# For tests of whole measurements: a sanitizer makes them minutes, and what they call has tests of its own.
long_when_sanitized = unittest.skipIf("STERNA_SANITIZE" in os.environ, "measures for long under a sanitizer")

_folder = pathlib.Path(tempfile.mkdtemp(prefix="sterna-cli-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def environment(**changes: str) -> dict[str, str]:
    """The test's own home, so that no history or model of the user's is touched."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STERNA_")}
    return {**kept, "HOME": str(_folder), "XDG_STATE_HOME": str(_folder / "state"), **changes}


def run(*arguments: object, stdin: bytes = b"", timeout: float = 120, largest_file: int = 0,
        **changes: str) -> subprocess.CompletedProcess:
    """`largest_file` bytes may be written to a file, and then writing fails, as on a full disk."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))) if largest_file else None
    return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout,
                          env=environment(**changes), preexec_fn=limit)


def synthetic() -> pathlib.Path:
    """A random-weight model of the bundled one's shape, all of its matrices as the kernels read them."""
    path = _folder / "synthetic.gguf"
    if not path.exists():
        subprocess.run([PROGRAM, "synth", "--shape", "tales", "-o", str(path), "-q"], check=True, env=environment())
    return path


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=_folder))

    def write(self, name: str, content) -> pathlib.Path:
        path = self.folder / name
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ok(self, *arguments: object, **options) -> str:
        """Standard output of a run that must succeed."""
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def json(self, *arguments: object, **options):
        return json.loads(self.ok(*arguments, "--json", **options))

    def fails(self, *arguments: object, says: str, code: int = 1, **options) -> str:
        """The one line on standard error of a run that must fail."""
        done = run(*arguments, **options)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("sterna: "), error)
        self.assertIn(says, error)
        return error

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())
