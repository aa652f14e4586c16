"""The command line itself: help, version, usage errors, an output that goes away."""

import os
import pty
import re
import signal
import subprocess
import unittest

import support
from support import PROGRAM, ProgramTest

COMMANDS = ["run", "chat", "batch", "perplexity", "logits", "tokenize", "detokenize", "inspect", "devices", "convert",
            "synth", "bench", "help", "version"]


class Help(ProgramTest):
    def test_the_list_names_every_command(self):
        for arguments in ([], ["help"], ["--help"]):
            text = self.ok(*arguments)
            for command in COMMANDS:
                self.assertRegex(text, rf"(?m)^  {command} ")

    def test_every_command_has_its_own(self):
        for command in COMMANDS:
            with self.subTest(command):
                text = self.ok("help", command)
                self.assertEqual(text, self.ok(command, "--help"))
                self.assertIn(f"Usage: sterna {command}", text)
                self.assertGreaterEqual(text.count(f"sterna {command}"), 3, "usage and two examples")
                self.assertLessEqual(max(map(len, text.splitlines())), 140)

    def test_every_option_is_explained(self):
        for command in COMMANDS:
            for line in self.ok("help", command).splitlines():
                if re.match(r"  -", line):
                    self.assertRegex(line, r"\S {2,}\S|^  .{30,}$", f"{command}: {line}")

    def test_an_unknown_command_is_an_error(self):
        self.fails("help", "nonsense", says="nonsense")

    def test_version(self):
        self.assertRegex(self.ok("version"), r"^sterna \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("--version"), self.ok("version"))
        self.assertEqual(self.json("version")["name"], "sterna")


class Usage(ProgramTest):
    def test_errors_are_one_line_that_names_the_help(self):
        self.fails("nonsense", says="nonsense")
        self.fails("run", "--nonsense", says="sterna help run")
        self.fails("run", "-t", "many", says="--threads")
        self.fails("run", "--kv", "f8", says="--kv")
        self.fails("run", "-p", "a", "-f", "b", says="sterna help run")
        self.fails("perplexity", says="--file is required")
        self.fails("convert", "only-one", says="OUT is required")
        self.fails("bench", "-r", "0", says="--repetitions")

    def test_a_command_name_may_be_a_value(self):
        self.assertEqual(self.ok("tokenize", "-m", support.MODEL, "run").split(),
                         self.ok("tokenize", "-m", support.MODEL, "--", "run").split())


class NoModel(ProgramTest):
    def test_a_missing_model_names_the_file(self):
        self.fails("run", "-m", self.folder / "none.gguf", "-p", "a", says="none.gguf")

    def test_the_environment_names_the_bundled_model(self):
        self.fails("run", "-p", "a", says="elsewhere.gguf", STERNA_MODEL=str(self.folder / "elsewhere.gguf"))
        text = self.ok("run", "-p", "Once", "-n", "2", "--no-mmap", STERNA_MODEL=str(support.MODEL))
        self.assertTrue(text.startswith("Once"))

    def test_the_build_finds_the_model_of_its_tree(self):
        self.assertTrue(self.ok("run", "-p", "Once", "-n", "2").startswith("Once"))


class Output(ProgramTest):
    def test_a_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE, env=support.environment())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), r"^sterna: cannot write .*\n$")

    def test_a_reader_that_leaves_ends_the_program_quietly(self):
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run([PROGRAM, "help"], stdout=write, stderr=subprocess.PIPE, env=support.environment())
        finally:
            os.close(write)
        self.assertEqual(done.returncode, -signal.SIGPIPE)
        self.assertEqual(done.stderr, b"")

    def test_progress_is_for_terminals(self):
        arguments = ["convert", support.MODEL, self.folder / "out.gguf", "--type", "tq1_0"]
        self.assertNotIn(b"\r", support.run(*arguments).stderr)
        source = self.write("in.json", ["Once"] * 3)
        arguments = ["batch", "-i", source, "-o", self.folder / "out.json", "-m", support.MODEL, "-n", 4, "--overwrite"]
        shown = self.on_a_terminal(*arguments)
        self.assertRegex(shown, r"generating +\[\.+\] +0 %")
        self.assertRegex(shown, r"\r\x1b\[K[^\r]*out\.json: 3 prompts", "the bar is wiped before the summary")
        self.assertEqual(self.on_a_terminal(*arguments, "-q"), "")

    def on_a_terminal(self, *arguments: object) -> str:
        master, slave = pty.openpty()
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=slave, stderr=slave, env=support.environment())
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the program has closed its end
            pass
        os.close(master)
        self.assertEqual(process.wait(timeout=60), 0)
        return shown.decode()


if __name__ == "__main__":
    unittest.main()
