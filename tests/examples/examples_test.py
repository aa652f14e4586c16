import os
import subprocess
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


class Backends(unittest.TestCase):
    def test_shows_what_there_is_and_what_computes(self):
        done = run("backends")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^scalar  40  generic$")
        done = run("backends", "scalar")
        self.assertRegex(done.stdout, r"(?m)^ternary i2_s, one: scalar/generic \(asked for\)$")
        self.assertIn("softmax of (0, 1, 2): 0.0900306 0.244728 0.665241", done.stdout)

    def test_says_what_is_wrong(self):
        done = run("backends", "nonsense")
        self.assertEqual(done.returncode, 1)
        self.assertIn("simd scalar", done.stderr)


if __name__ == "__main__":
    unittest.main()
