"""`compare`: a model with itself, with a coarser head, and with what it cannot be compared with."""

import math
import unittest

import support
from support import MODEL, ProgramTest

TEXT = ("Once upon a time there was a king who had three daughters, and the youngest was so beautiful that the sun "
        "itself wondered whenever it shone on her face.\n" * 4)


class Compare(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT)

    def compare(self, a, b, *more):
        return self.json("compare", a, b, "-f", self.text, "--window", 24, *more)

    def converted(self, head: str):
        path = self.folder / f"{head}.gguf"
        self.ok("convert", MODEL, path, "--head", head, "-q")
        return path

    def test_a_model_with_itself(self):
        report = self.compare(MODEL, MODEL)
        self.assertEqual(report["kl"], 0)
        self.assertEqual(report["top1"], 1)
        self.assertEqual(report["perplexity_percent"], 0)
        self.assertEqual(report["unmatched"], [])
        self.assertTrue(all(matrix["equal"] for matrix in report["matrices"]))
        alone = self.json("perplexity", "-m", MODEL, "-f", self.text, "--window", 24)
        self.assertEqual(report["tokens"], alone["tokens"])
        self.assertAlmostEqual(report["a"]["perplexity"], alone["perplexity"], delta=1e-5 * alone["perplexity"])

    def test_a_coarser_head(self):
        coarse = self.converted("q8_0" if self.head() != "q8_0" else "q6_k")
        report = self.compare(MODEL, coarse, "--positions", 3)
        self.assertGreater(report["kl"], 0)
        self.assertLess(report["kl"], 0.05)
        self.assertGreater(report["top1"], 0.8)
        ratio = report["b"]["perplexity"] / report["a"]["perplexity"]
        self.assertAlmostEqual(report["perplexity_percent"], 100 * (ratio - 1), places=6)
        changed = [matrix["name"] for matrix in report["matrices"] if not matrix["equal"]]
        self.assertEqual(changed, ["token_embd"])
        head = report["matrices"][0]
        self.assertGreater(head["sqnr_db"], 25)
        self.assertGreater(head["cosine"], 0.998)
        self.assertEqual(len(report["positions"]), 3)
        kls = [position["kl"] for position in report["positions"]]
        self.assertEqual(kls, sorted(kls, reverse=True))
        self.assertGreaterEqual(kls[0], report["kl"])
        for position in report["positions"]:
            self.assertIn(position["token"].strip(), TEXT)
            self.assertIn(position["before"].strip(), TEXT + "\n\n" + TEXT)
            self.assertTrue(math.isfinite(position["b_nll"]))
        # The result does not depend on how it is computed.
        self.assertEqual(self.compare(MODEL, coarse, "--batch", 5, "-t", 1, "--positions", 3), report)
        text = self.ok("compare", MODEL, coarse, "-f", self.text, "--window", 24)
        self.assertIn(f"{report['kl']:.6f} nats a token", text)
        self.assertIn("token_embd", text)

    def head(self) -> str:
        tensors = self.json("inspect", MODEL, "--no-load")["tensors"]
        return next(tensor["type"] for tensor in tensors if tensor["name"] == "token_embd.weight")

    def test_errors(self):
        self.fails("compare", MODEL, support.synthetic(), "-f", self.text, says="vocabular")
        self.fails("compare", MODEL, MODEL, "-f", self.write("short.txt", "Once"), says="shorter than one window")
        self.fails("compare", MODEL, self.folder / "none.gguf", "-f", self.text, says="none.gguf")


if __name__ == "__main__":
    unittest.main()
