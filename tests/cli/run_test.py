"""`run`: text to standard output, statistics to standard error."""

import signal
import subprocess
import time
import unittest

import support
from support import FIXTURES, PROGRAM, ProgramTest

PROMPT = "Once upon a time there lived a king who had"


class Run(ProgramTest):
    def setUp(self):
        super().setUp()
        self.common = ["-m", support.MODEL]

    def greedy(self, *arguments: object, n: int = 24) -> str:
        return self.ok("run", *self.common, "-p", PROMPT, "-n", n, "--greedy", *arguments)

    def test_the_prompt_is_echoed_before_its_continuation(self):
        text = self.greedy()
        self.assertTrue(text.startswith(PROMPT))
        self.assertGreater(len(text), len(PROMPT) + 10)
        self.assertEqual(PROMPT + self.greedy("--no-echo"), text)

    def test_the_bundled_model_tells_its_tale(self):
        self.assertIn(" three sons, who were so beautiful", self.greedy())

    def test_output_does_not_depend_on_threads_batch_or_kernel(self):
        expected = self.greedy("-t", 1)
        self.assertEqual(self.greedy("-t", 2), expected)
        self.assertEqual(self.greedy("-t", 3, "--batch", 3), expected)
        self.assertEqual(self.greedy("--kernel", "generic", n=8), self.greedy(n=8))
        self.assertEqual(self.greedy("--no-mmap"), expected)

    def test_a_seed_repeats_the_text(self):
        text = [self.ok("run", *self.common, "-p", PROMPT, "-n", 24, "--seed", seed) for seed in (1, 1, 2)]
        self.assertEqual(text[0], text[1])
        self.assertNotEqual(text[0], text[2])

    def test_json_is_one_object(self):
        report = self.json("run", *self.common, "-p", PROMPT, "-n", 7, "--greedy", "--ignore-end")
        self.assertEqual(report["prompt"], PROMPT)
        self.assertEqual(PROMPT + report["text"] + "\n", self.greedy("--ignore-end", n=7))
        self.assertEqual(report["generated_tokens"], 7)
        self.assertEqual(len(report["tokens"]), 7)
        self.assertEqual(report["stop"], "length")
        self.assertGreater(report["tokens_per_second"], 0)
        self.assertGreater(report["memory_bytes"], 1e6)

    def test_statistics_go_to_standard_error(self):
        done = support.run("run", *self.common, "-p", PROMPT, "-n", 3)
        self.assertIn(b"tokens/s", done.stderr)
        self.assertIn(b"seed", done.stderr)
        self.assertNotIn(b"tokens/s", done.stdout)
        self.assertEqual(support.run("run", *self.common, "-p", PROMPT, "-n", 3, "-q").stderr, b"")

    def test_prompts_come_from_files_and_standard_input(self):
        expected = self.greedy(n=4)
        file = self.write("prompt.txt", PROMPT + "\n")
        arguments = ["run", *self.common, "-n", 4, "--greedy", "-f"]
        self.assertEqual(self.ok(*arguments, file), expected)
        self.assertEqual(self.ok(*arguments, "-", stdin=PROMPT.encode()), expected)
        self.fails(*arguments, self.folder / "none.txt", says="none.txt")
        self.fails(*arguments, self.folder, says="directory")

    def test_without_a_prompt_the_model_begins_one(self):
        self.assertGreater(len(self.ok("run", *self.common, "-n", 8, "--seed", 1, "--ignore-end")), 1)

    def test_a_stop_text_ends_before_it(self):
        whole = self.greedy("--no-echo").rstrip("\n")
        cut = whole[len(whole) // 2:][:3]
        stopped = self.greedy("--no-echo", "--stop", "no such text", "--stop", cut).rstrip("\n")
        self.assertEqual(stopped, whole[:whole.index(cut)])

    def test_a_bias_forbids_a_token(self):
        first = self.json("run", *self.common, "-p", PROMPT, "-n", 1, "--greedy", "--ignore-end")["tokens"][0]
        other = self.json("run", *self.common, "-p", PROMPT, "-n", 1, "--greedy", "--ignore-end", "--logit-bias",
                          f"{first}=-inf")["tokens"][0]
        self.assertNotEqual(first, other)

    def test_guessing_changes_nothing_but_the_speed(self):
        prompt = 3 * "The king went into the wood and said to the old man: give me the golden bird. "
        common = ["run", *self.common, "-p", prompt, "-n", 40, "--ignore-end"]
        for drawing in (["--greedy"], ["--seed", 5, "--temp", 0.5]):
            with self.subTest(drawing=drawing):
                expected = self.ok(*common, *drawing)
                for guessing in (["--draft-ngram"], ["--draft-ngram", 3], ["--draft-ngram", 0]):
                    self.assertEqual(self.ok(*common, *drawing, *guessing), expected)
        report = self.json(*common, "--greedy", "--draft-ngram")
        self.assertGreater(report["accepted_tokens"], 0)
        self.assertGreaterEqual(report["drafted_tokens"], report["accepted_tokens"])
        self.assertEqual(self.json(*common, "--greedy")["drafted_tokens"], 0)
        self.assertIn(b"guesses right", support.run(*common, "--greedy", "--draft-ngram").stderr)
        self.assertNotIn(b"guesses", support.run(*common, "--greedy").stderr)

    def test_wrong_values_name_the_option(self):
        for option, value in [("--temp", "warm"), ("--top-p", "0"), ("--top-p", "nan"), ("--seed", "-1"), ("-n", "1.5"),
                              ("--logit-bias", "5"), ("--top-k", "99999999999"), ("--draft-ngram", "many"),
                              ("--draft-ngram", "65")]:
            with self.subTest(option=option, value=value):
                error = self.fails("run", *self.common, "-p", "a", option, value, says="")
                self.assertIn(option.strip("-").replace("temp", "temp"), error.replace("_", "-"))

    def test_a_full_context_is_an_error_and_says_what_to_do(self):
        self.fails("run", *self.common, "-p", PROMPT, "-n", 30, "-c", 32, says="--ctx-shift")
        self.fails("run", *self.common, "-p", PROMPT, "-c", 8, says="context: 8")
        report = self.json("run", *self.common, "-p", PROMPT, "-n", 0, "-c", 32, "--ignore-end", "--seed", 1)
        self.assertEqual(report["prompt_tokens"] + report["generated_tokens"], 32)
        shifted = self.json("run", *self.common, "-p", PROMPT, "-n", 60, "-c", 32, "--ctx-shift", "--ignore-end",
                            "--seed", 1)
        self.assertEqual(shifted["generated_tokens"], 60)

    def test_a_chat_template_wraps_the_prompt(self):
        plain = self.json("run", *self.common, "-p", "Hello", "-n", 2, "--greedy")
        asked = self.json("run", *self.common, "-p", "Hello", "-n", 2, "--greedy", "--chat-template", "bitnet")
        self.assertGreater(asked["prompt_tokens"], plain["prompt_tokens"])
        self.fails("run", *self.common, "-p", "Hello", "--chat-template", "nonsense", says="nonsense")

    def test_an_unknown_kernel_is_an_error(self):
        self.fails("run", *self.common, "-p", "a", "--kernel", "nonsense", says="nonsense")

    def test_a_model_without_a_tokenizer_says_so(self):
        self.fails("run", "-m", FIXTURES / "llama3-rope-scaling", "-p", "a", says="tokenizer")

    def test_ctrl_c_ends_the_text_and_shows_the_statistics(self):
        process = subprocess.Popen(
            [PROGRAM, "run", *map(str, self.common), "-p", PROMPT, "-n", "0", "--ctx-shift", "--ignore-end"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=support.environment())
        try:
            received = b""
            while len(received) < len(PROMPT) + 20:  # it is generating
                received += process.stdout.read1(4096)
            process.send_signal(signal.SIGINT)
            rest, error = process.communicate(timeout=30)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"ended by cancelled", error)
        self.assertTrue((received + rest).startswith(PROMPT.encode()))

    def test_a_reader_that_leaves_ends_the_generation(self):
        process = subprocess.Popen(
            [PROGRAM, "run", *map(str, self.common), "-p", PROMPT, "-n", "0", "--ctx-shift", "--ignore-end"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=support.environment())
        process.stdout.read1(16)
        process.stdout.close()
        started = time.monotonic()
        self.assertEqual(process.wait(timeout=30), -signal.SIGPIPE)
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
