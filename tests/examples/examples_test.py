import json
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


class Tensors(unittest.TestCase):
    def test_finds_the_plane(self):
        done = run("tensors")
        self.assertEqual(done.returncode, 0, done.stderr)
        values = dict(line.split(": ") for line in done.stdout.splitlines() if ": " in line)
        for found, true in zip(map(float, values["plane"].split()), (2, -3, 5)):
            self.assertAlmostEqual(found, true, delta=0.01)
        self.assertAlmostEqual(float(values["residual"]), 1000 * 0.01 ** 2, delta=0.02)
        across = [abs(float(x)) for x in values["normal of the plane"].split()]
        for found, true in zip(across, (2, 3, 1)):  # (2, −3, −1) of length √14, of either sign
            self.assertAlmostEqual(found, true / 14 ** 0.5, delta=0.01)


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


class BitLinear(unittest.TestCase):
    def test_finer_scales_keep_more_and_equal_weights_are_shared(self):
        done = run("bitlinear")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        error = {grain: float(text.rpartition(" ")[2]) for grain, text in lines.items() if "error" in text}
        self.assertEqual(error["one scale"], error["one scale again"])
        self.assertGreater(error["one scale"], error["one a row"])
        self.assertGreater(error["one a row"], error["one for 128 of a row"])
        self.assertGreater(0.6, error["one for 128 of a row"])
        # Three layers of 2 bits a weight, with 1, 512 and 4096 scales.
        self.assertEqual(lines["cache"], f"3 entries of {3 * 512 * 1024 // 4 + 4 * (1 + 512 + 4096)} bytes, 1 hit")


if __name__ == "__main__":
    unittest.main()
