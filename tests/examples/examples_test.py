import json
import os
import subprocess
import tempfile
import unittest


def run(program: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([os.path.join(os.environ["EXAMPLES"], program), *arguments], capture_output=True, text=True, timeout=120)


class Generate(unittest.TestCase):
    def test_continues_a_text(self):
        done = run("generate", os.environ["MODEL"], "The princess opened the door, and")
        self.assertEqual(done.returncode, 0, done.stderr)
        text, _, statistics = done.stdout.rpartition("\n[")
        self.assertTrue(text.startswith("The princess opened the door, and"), text)
        self.assertRegex(statistics, r"^\d+ tokens, stopped by (length|end_token)\]\n$")
        self.assertGreater(len(text.split()), 20, text)

    def test_says_what_is_wrong(self):
        done = run("generate", "no-such-file.gguf")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such-file.gguf", done.stderr)
        self.assertEqual(run("generate").returncode, 2)


class Embed(unittest.TestCase):
    def cosine(self, a: str, b: str) -> float:
        done = run("embed", os.environ["MODEL"], a, b)
        self.assertEqual(done.returncode, 0, done.stderr)
        return float(done.stdout)

    def test_equal_texts_point_the_same_way(self):
        self.assertAlmostEqual(self.cosine("The king had three sons.", "The king had three sons."), 1, places=5)

    def test_like_texts_are_nearer_than_unlike_ones(self):
        self.assertGreater(self.cosine("The king had three daughters.", "The queen had three sons."),
                           self.cosine("The king had three daughters.", "Boil the water, then add salt to it,") + 0.1)


class Memory(unittest.TestCase):
    def test_shows_a_pool(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace.json")
            done = run("memory", trace)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(trace) as file:
                events = json.load(file)["traceEvents"]
        self.assertIn("1 block of 33554432 bytes alive, 2 allocated", done.stdout)
        self.assertIn("refused: out of memory (pool: example, asked: 50331648 bytes", done.stdout)
        self.assertIn("\n0 bytes held after trim\n", done.stdout)
        self.assertEqual([e["name"] for e in events if e["ph"] == "X"], ["allocate", "free", "allocate", "free"])


class Pressure(unittest.TestCase):
    def test_drops_copies_before_the_pool_is_full(self):
        done = run("pressure")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^pressure (high|critical) ")
        self.assertRegex(done.stdout, r"(?m)^cleanup device: .*copies 60 MiB.*; the pools hold \d MiB instead of 6\d$")


if __name__ == "__main__":
    unittest.main()
