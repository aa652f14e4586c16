import os
import subprocess
import tempfile
import unittest

import numpy


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


class Exchange(unittest.TestCase):
    def test_narrows_the_arrays_of_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.path.join(folder, "in.npz"), os.path.join(folder, "out.npz")
            weights = numpy.linspace(-3, 3, 60).reshape(3, 20)
            numpy.savez(source, weights=weights, mask=weights > 0)
            done = run("exchange", source, target, "f16")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("weights: f64 (3, 20) to f16, standard", done.stdout)
            found = numpy.load(target)
            numpy.testing.assert_array_equal(found["weights"], weights.astype(numpy.float16))
            numpy.testing.assert_array_equal(found["mask"], (weights > 0).astype(numpy.float16))

    def test_says_what_is_wrong(self):
        self.assertEqual(run("exchange").returncode, 2)
        done = run("exchange", "no-such-file.npz", "out.npz", "f16")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such-file.npz", done.stderr)


if __name__ == "__main__":
    unittest.main()
