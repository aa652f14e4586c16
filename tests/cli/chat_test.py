"""`chat`, from a pipe and on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

import support
from support import FIXTURES, PROGRAM, ProgramTest


class Pipe(ProgramTest):
    def setUp(self):
        super().setUp()
        self.common = ["chat", "-m", support.MODEL, "--greedy", "--ignore-end", "-n", 5, "--chat-template", "bitnet"]

    def chat(self, *lines: str) -> str:
        return self.ok(*self.common, stdin="".join(line + "\n" for line in lines).encode())

    def test_each_line_is_answered(self):
        first = self.chat("Hello")
        self.assertTrue(first.strip())
        both = self.chat("Hello", "And you?")
        self.assertTrue(both.startswith(first))
        self.assertGreater(len(both), len(first))

    def test_a_turn_over_the_cache_equals_one_from_scratch(self):
        both = self.chat("Hello", "And you?")
        first = self.chat("Hello")
        saved = self.folder / "conversation.json"
        self.chat("Hello", f"/save {saved}")
        self.assertEqual([message["role"] for message in json.loads(saved.read_text())], ["user", "assistant"])
        self.assertEqual(first + self.chat(f"/load {saved}", "And you?"), both)

    def test_commands(self):
        text = self.chat("/help", "/system Be brief.", "Hello", "/history", "/stats")
        for command in ("/clear", "/history", "/save", "/load", "/system", "/stats", "/exit"):
            self.assertIn(command, text)
        self.assertIn("system: Be brief.\nuser: Hello\nassistant:", text)
        self.assertRegex(text, r"context +\d+ of \d+ tokens")
        self.assertEqual(self.chat("Hello", "/clear", "/history"), self.chat("Hello"))
        self.assertEqual(self.chat("Hello", "/clear", "Hello"), self.chat("Hello") * 2)
        self.assertEqual(self.chat("/exit", "Hello"), "")
        self.assertEqual(self.chat("", "  ", "/system A", "/system", "/history"), "")

    def test_errors_do_not_end_it(self):
        broken = self.write("broken.json", [{"role": "wizard", "content": "a"}])
        done = support.run(*self.common, stdin=f"/nonsense\n/load {broken}\n/load nowhere\n/save\nHello\n".encode())
        self.assertEqual(done.returncode, 0)
        errors = done.stderr.decode().splitlines()
        self.assertEqual(len(errors), 4, errors)
        for error, says in zip(errors, ["/nonsense", "wizard", "nowhere", "/save"]):
            self.assertRegex(error, f"^sterna: .*{says}")
        self.assertEqual(done.stdout.decode(), self.chat("Hello"))

    def test_a_full_context_is_an_error_that_leaves_the_conversation_as_it_was(self):
        common = [*self.common, "-c", 24]
        done = support.run(*common, stdin=("Hello\n" + "again and " * 20 + "\n/history\n").encode())
        self.assertIn(b"context", done.stderr)
        self.assertEqual(done.stdout.decode().count("user:"), 1)
        shifted = self.ok(*common, "--ctx-shift", stdin=b"One\nTwo\nThree\nFour\nFive\n/history\n")
        self.assertEqual(shifted.count("user:"), 5)

    def test_a_model_without_a_tokenizer_says_so(self):
        self.fails("chat", "-m", FIXTURES / "llama3-rope-scaling", says="tokenizer")


class Terminal(ProgramTest):
    """Drives the program over a pseudo-terminal, as a person does."""

    def start(self, *arguments: object):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [PROGRAM, "chat", "-m", str(support.MODEL), "--chat-template", "bitnet", *map(str, arguments)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=self.take_terminal,
            env=support.environment(TERM="xterm", LANG="C.UTF-8", XDG_STATE_HOME=str(self.folder)))
        os.close(slave)
        self.addCleanup(os.close, self.master)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    @staticmethod
    def take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C typed into it becomes a signal

    def expect(self, pattern: str, timeout: float = 60) -> str:
        """What comes until the pattern matches what was received since the last match."""
        received = ""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, received):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            self.assertTrue(ready, f"no {pattern!r} in {received!r}")
            try:
                received += os.read(self.master, 4096).decode(errors="replace")
            except OSError:  # the program has closed its end
                self.fail(f"ended without {pattern!r}: {received!r}")
        return received

    def type(self, text: str):
        """Types at the prompt. libedit shows it before it takes the terminal's line editing over; a Ctrl-D in between
        would be the terminal's own."""
        deadline = time.monotonic() + 30
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            self.assertLess(time.monotonic(), deadline, "no prompt")
            time.sleep(0.005)
        self.press(text)

    def press(self, text: str):
        os.write(self.master, text.encode())

    def leave(self):
        self.type("\x04")
        self.drain()
        self.assertEqual(self.process.wait(timeout=30), 0)

    def drain(self, timeout: float = 30):
        """Reads until the program has closed its end."""
        deadline = time.monotonic() + timeout
        while select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                os.read(self.master, 4096)
            except OSError:
                return
        self.fail("the program does not end")

    def test_a_conversation(self):
        self.start("-n", 5, "--greedy", "--ignore-end")
        self.expect(r"/help lists the commands[\s\S]*> ")
        self.type("Hello\r")
        self.expect(r"Hello\r\n[\s\S]+\n[^\n]*> ")
        self.type("/stats\r")
        self.expect(r"tokens/s[\s\S]*> ")
        self.leave()

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        self.start("-n", 0, "--ctx-shift", "--ignore-end", "--seed", 1)
        self.expect("> ")
        self.type("Hello\r")
        self.expect(r"Hello\r\n[\s\S]{40}")
        self.press("\x03")
        self.expect(r"\n[^\n]*> ")
        self.type("/stats\r")
        self.expect(r"ended by cancelled[\s\S]*> ")
        self.type("/history\r")
        self.expect(r"user: Hello\r\nassistant: [\s\S]*> ")
        self.leave()

    def test_ctrl_c_at_the_prompt_drops_the_line(self):
        self.start("-n", 3)
        self.expect("> ")
        self.type("half a thought")
        self.expect("thought")
        self.type("\x03")
        self.expect(r"leaves\)[\s\S]*> ")
        self.type("/history\r")
        self.assertNotIn("user:", self.expect(r"/history\r\n[\s\S]*> "))
        self.leave()

    def test_lines_are_edited_and_recalled(self):
        self.start("-n", 1)
        self.expect("> ")
        self.type("/systemX\x7f Größe\r")  # a backspace, and characters of two bytes
        self.expect(r"\n[^\n]*> ")
        self.type("/history\r")
        self.expect(r"system: Größe[\s\S]*> ")
        self.leave()
        self.assertTrue((self.folder / "sterna" / "history").exists())
        self.start("-n", 1)
        self.expect("> ")
        self.type("\x1b[A\x1b[A")  # up, twice
        self.expect(r"/system Größe")
        self.type("\r")
        self.expect(r"\n[^\n]*> ")
        self.leave()

    def test_a_hang_up_ends_it(self):
        self.start("-n", 1)
        self.expect("> ")
        self.process.send_signal(signal.SIGHUP)
        self.drain()
        self.assertEqual(self.process.wait(timeout=30), 128 + signal.SIGHUP)


if __name__ == "__main__":
    unittest.main()
