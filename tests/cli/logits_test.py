"""`logits` and `perplexity`, checked against each other and a reference."""

import json
import struct
import unittest

import numpy

import support
from support import FIXTURES, ProgramTest

CHECKPOINT = FIXTURES / "llama3-rope-scaling"


def read_safetensors(path) -> dict[str, numpy.ndarray]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    types = {"F32": "<f4", "I64": "<i8", "I32": "<i4"}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = numpy.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class Logits(ProgramTest):
    def logits(self, lists, *arguments: object) -> numpy.ndarray:
        out = self.folder / "out.npy"
        self.ok("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", lists), "-o", out, *arguments)
        return numpy.load(out)

    def test_the_shape_and_type(self):
        self.assertEqual(self.logits([0, 5, 6]).shape, (1, 3, 4096))
        both = self.logits([[0, 5, 6], [0, 9, 6]])
        self.assertEqual(both.shape, (2, 3, 4096))
        self.assertEqual(both.dtype, numpy.float32)
        self.assertTrue(both.flags.c_contiguous)
        self.assertTrue(numpy.isfinite(both).all())
        numpy.testing.assert_array_equal(both[0], self.logits([0, 5, 6])[0])
        numpy.testing.assert_array_equal(both[0, 0], both[1, 0])
        self.assertFalse((both[0, 1] == both[1, 1]).all())

    def test_threads_and_batches_change_nothing(self):
        ids = [0, *range(100, 140)]
        expected = self.logits(ids, "-t", 1)
        numpy.testing.assert_array_equal(self.logits(ids, "-t", 2, "--batch", 7), expected)
        numpy.testing.assert_array_equal(self.logits(ids, "--kernel", "generic"), expected)

    def test_greedy_text_takes_the_largest_logit(self):
        ids = json.loads(self.ok("tokenize", "-m", support.MODEL, "--bos", "--json", "Once upon a time"))["ids"]
        report = self.json("run", "-m", support.MODEL, "-p", "Once upon a time", "-n", 1, "--greedy", "--ignore-end")
        self.assertEqual(int(self.logits(ids)[0, -1].argmax()), report["tokens"][0])

    def test_the_reference_of_a_checkpoint(self):
        oracle = read_safetensors(CHECKPOINT / "oracle.safetensors")
        names = sorted(name for name in oracle if name.startswith("ids"))
        self.assertTrue(names)
        for name in names:
            ids, expected = oracle[name], oracle[name.replace("ids", "logits")]
            out = self.folder / "out.npy"
            self.ok("logits", "-m", CHECKPOINT, "--tokens", self.write("ids.json", numpy.atleast_2d(ids).tolist()), "-o", out)
            found = numpy.load(out).reshape(expected.shape)
            self.assertLess(numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected), 0.02)

    def test_the_report(self):
        out = self.folder / "out.npy"
        report = self.json("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", [[0, 1]]), "-o", out)
        self.assertEqual(report["shape"], [1, 2, 4096])
        self.assertEqual(report["bytes"], out.stat().st_size)

    def test_a_full_disk_leaves_no_file(self):
        self.fails("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", [0] * 40), "-o",
                   self.folder / "out.npy", says="out.npy", largest_file=100000)
        self.assertEqual(self.files(), ["ids.json"])

    def test_errors_leave_no_file(self):
        for ids in ("nonsense", [], [[]], [[1, 2], [3]], [1, [2]], [[1], 2], [4096], [-1], [1.5], ["a"], {"a": 1},
                    [[[1]]], [True], [2**70], [0] * 2000):
            with self.subTest(ids=ids):
                self.fails("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", ids), "-o",
                           self.folder / "out.npy", says="")
        self.assertEqual(self.files(), ["ids.json"])
        self.fails("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", [1]), "-o",
                   self.folder / "no" / "out.npy", says="out.npy")


class Perplexity(ProgramTest):
    TEXT = "\n\n\n".join(f"The king had {n} sons, and the youngest of them went out into the wide world." for n in
                         ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"))

    def test_it_is_that_of_the_logits(self):
        window = 32
        file = self.write("text.txt", self.TEXT)
        report = self.json("perplexity", "-m", support.MODEL, "-f", file, "--window", window)
        # The definition again, in NumPy.
        ids = []
        for piece in self.TEXT.split("\n\n\n"):
            ids += json.loads(self.ok("tokenize", "-m", support.MODEL, "--json", piece.strip() + "\n\n"))["ids"]
        bos = json.loads(self.ok("tokenize", "-m", support.MODEL, "--bos", "--json", ""))["ids"]
        step = window - 1
        windows = [bos + ids[at:at + step] for at in range(0, len(ids) - step + 1, step)]
        out = self.folder / "out.npy"
        self.ok("logits", "-m", support.MODEL, "--tokens", self.write("ids.json", windows), "-o", out)
        logits = numpy.load(out).astype(numpy.float64)[:, :-1]
        targets = numpy.array(windows)[:, 1:, None]
        chosen = numpy.take_along_axis(logits, targets, 2)[..., 0]
        largest = logits.max(2)
        nll = numpy.log(numpy.exp(logits - largest[..., None]).sum(2)) - (chosen - largest)
        self.assertEqual((report["windows"], report["tokens"]), (len(windows), nll.size))
        self.assertAlmostEqual(report["mean_nll"], nll.mean(), places=5)
        self.assertAlmostEqual(report["perplexity"] / numpy.exp(nll.mean()), 1, places=5)

    def test_threads_change_nothing(self):
        file = self.write("text.txt", self.TEXT)
        text = [self.ok("perplexity", "-m", support.MODEL, "-f", file, "--window", 64, "-t", t) for t in (1, 2)]
        self.assertEqual(*text)
        self.assertRegex(text[0], r"^perplexity \d+\.\d+\n$")
        self.assertEqual(self.ok("perplexity", "-m", support.MODEL, "-f", "-", "--window", 64, stdin=self.TEXT.encode()),
                         text[0])

    def test_errors(self):
        self.fails("perplexity", "-m", support.MODEL, "-f", self.folder / "none.txt", says="none.txt")
        self.fails("perplexity", "-m", support.MODEL, "-f", self.write("a.txt", "short"), says="window")
        self.fails("perplexity", "-m", support.MODEL, "-f", self.write("a.txt", ""), says="window")


if __name__ == "__main__":
    unittest.main()
