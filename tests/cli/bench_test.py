"""`bench`: what it reports, and that it reports it for right output only."""

import unittest

import support
from support import ProgramTest


class Bench(ProgramTest):
    def test_the_report(self):
        report = self.json("bench", "-m", support.MODEL, "-p", "16,8", "-n", 4, "-t", "1,2", "-r", 2)
        tests = [(row["test"], row["tokens"], row["threads"]) for row in report["results"]]
        self.assertEqual(tests, [("prompt", 8, 1), ("prompt", 8, 2), ("prompt", 16, 1), ("prompt", 16, 2),
                                 ("generate", 4, 1), ("generate", 4, 2)])
        for row in report["results"]:
            self.assertEqual(len(row["runs"]), 2)
            self.assertLessEqual(row["min"], row["tokens_per_second"])
            self.assertLessEqual(row["tokens_per_second"], row["max"])
            self.assertGreater(row["limit_tokens_per_second"], 0)
        self.assertEqual([row["threads"] for row in report["read_bandwidth"]], [1, 2])
        one = report["read_bandwidth"][0]["bytes_per_second"]
        self.assertGreater(one, 1e8)
        generate = report["results"][4]
        self.assertAlmostEqual(generate["limit_tokens_per_second"], one / report["bytes_per_token"],
                               delta=one / report["bytes_per_token"] * 1e-6)
        self.assertTrue(report["verified"])

    def test_the_text(self):
        text = self.ok("bench", "-m", support.MODEL, "-p", 0, "-n", 2, "-t", 1, "-r", 1)
        for word in ("model", "kernels", "generate 2", "memory limit", "read bandwidth, 1 thread", "GB/s"):
            self.assertIn(word, text)
        self.assertNotIn("prompt 1", text)

    def test_errors(self):
        self.fails("bench", "-m", support.MODEL, "-p", 0, "-n", 0, says="nothing to measure")
        self.fails("bench", "-m", self.folder / "none.gguf", says="none.gguf")


if __name__ == "__main__":
    unittest.main()
