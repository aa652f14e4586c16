"""The files that the checks look at."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def files(root: pathlib.Path) -> list[pathlib.Path]:
    """Every file below root that git tracks or would track, relative to root, sorted.

    A tree that is no git work tree (an unpacked archive) is walked instead, without build/ and hidden folders.
    """
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True)
    if listing.returncode == 0:
        names = [pathlib.Path(name) for name in listing.stdout.split("\0") if name]
    else:
        names = [path.relative_to(root) for path in root.rglob("*")]
        names = [name for name in names if name.parts[0] != "build" and not name.parts[0].startswith(".")]
    return sorted(name for name in names if (root / name).is_file())


def sources(root: pathlib.Path) -> list[pathlib.Path]:
    """The C++ files among them."""
    return [name for name in files(root) if name.suffix in (".cpp", ".hpp", ".h")]
