"""`bench`: what it reports, and that it reports it for right output only."""

import math
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

    @support.long_when_sanitized
    def test_depths(self):
        report = self.json("bench", "-m", support.MODEL, "-p", 5, "-n", 3, "-d", "70,0", "-t", "1,2", "-r", 2, "--batch", 32,
                           "--kv", "int8", "--roofline")
        rows = {(row["test"], row["depth"], row["threads"]): row for row in report["results"]}
        self.assertEqual(len(rows), len(report["results"]))
        self.assertEqual(set(rows), {(test, depth, threads) for test in ("prompt", "generate") for depth in (0, 70) for threads in (1, 2)})
        for (test, depth, _), row in rows.items():
            self.assertEqual(len(row["runs"]), 2)
            attention = row["floor"]["terms"][1]
            # Positions seen: 1 + … + 5, or 2 + 3 + 4; and those before, by every token. 6 layers, 8 query heads of 64.
            seen = 15 + 5 * depth if test == "prompt" else 9 + 3 * depth
            self.assertEqual(attention["operations"], 4 * 6 * 8 * 64 * seen)
        text = self.ok("bench", "-m", support.MODEL, "-p", 0, "-n", 2, "-d", 8, "-t", 1, "-r", 1)
        self.assertIn("generate 2 after 8", text)

    @support.long_when_sanitized
    def test_a_filled_cache_is_read(self):
        shallow, deep = self.json("bench", "-m", support.MODEL, "-p", 0, "-n", 4, "-d", "0,3000", "-t", 1, "-r", 3)["results"]
        self.assertEqual((shallow["depth"], deep["depth"]), (0, 3000))
        # A token reads 18 MB of keys and values then, three times the weights: noise does not hide that.
        self.assertLess(deep["max"], shallow["max"])

    def check_peaks(self, report, threads):
        """Every peak of every instruction set that runs here, on these numbers of threads."""
        self.assertIn("C int8", {row["name"] for row in report["peaks"]})
        for row in report["peaks"]:
            self.assertIn(row["threads"], threads)
            self.assertLessEqual(row["min"], row["operations_per_second"])
            self.assertLessEqual(row["operations_per_second"], row["max"])
            self.assertGreater(row["min"], 0)

    @support.long_when_sanitized
    def test_the_roofline(self):
        report = self.json("bench", "-m", support.MODEL, "-p", 16, "-n", 4, "-t", "1,2", "-r", 2, "--batch", 6, "--roofline")
        self.check_peaks(report, (1, 2))
        peaks = {(row["name"], row["threads"]): row["operations_per_second"] for row in report["peaks"]}
        bandwidth = {row["threads"]: row["bytes_per_second"] for row in report["read_bandwidth"]}
        layers = 6 * 2 * (512 * (512 + 128 + 128) + 512 * 512 + 3 * 512 * 1280)
        self.assertEqual(len(report["results"]), 4)
        for row in report["results"]:
            floor = row["floor"]
            self.assertTrue(math.isfinite(floor["share"]) and floor["share"] > 0, floor)
            self.assertAlmostEqual(floor["share"], row["tokens_per_second"] / floor["tokens_per_second"])
            self.assertAlmostEqual(floor["tokens_per_second"], row["tokens"] / floor["seconds"])
            self.assertAlmostEqual(floor["seconds"], sum(term["seconds"] for term in floor["terms"]))
            self.assertEqual([term["name"] for term in floor["terms"]], ["products", "attention", "head"])
            for term in floor["terms"]:
                of_arithmetic = term["operations"] / peaks[term["instructions"], row["threads"]]
                self.assertAlmostEqual(term["arithmetic_seconds"], of_arithmetic)
                self.assertAlmostEqual(term["memory_seconds"], term["bytes"] / bandwidth[row["threads"]])
                self.assertEqual(term["seconds"], max(term["memory_seconds"], term["arithmetic_seconds"]))
                self.assertIn(term["bound"], ("memory", term["instructions"]))
            products = floor["terms"][0]
            self.assertEqual(products["operations"], layers * row["tokens"])
            # Positions seen: 1 + … + 16, or 2 + … + 5; 8 query heads of 64.
            seen = 136 if row["test"] == "prompt" else 14
            self.assertEqual(floor["terms"][1]["operations"], 4 * 6 * 8 * 64 * seen)
        text = self.ok("bench", "-m", support.MODEL, "-p", 0, "-n", 2, "-t", 1, "-r", 1, "--roofline", "--kernel", "generic")
        for word in ("C int8", "of the floor", "attention", "are not in it"):
            self.assertIn(word, text)

    def test_the_kernels(self):
        report = self.json("bench", "--kernels", "--quick", "--kernel", "i2_s-generic", "-t", 1, "-r", 1)
        self.check_peaks(report, (1,))
        self.assertEqual([(row["kernel"], row["shape"], row["tokens"]) for row in report["kernels"]],
                         [("i2_s-generic", "6912x2560", 1), ("i2_s-generic", "6912x2560", 64)])
        for row in report["kernels"]:
            self.assertEqual((row["family"], row["threads"], row["repetitions"]), ("ternary products", 1, 1))
            self.assertEqual(row["compared"], 73 * row["tokens"])  # rows 0, 97 … 6887 and the last
            self.assertEqual(row["peak"], "C int8")
            self.assertGreater(row["seconds"], 0)
            self.assertAlmostEqual(row["operations_per_second"] * row["seconds"], 2 * 6912 * 2560 * row["tokens"], delta=1e3)
            for share in ("share_of_bandwidth", "share_of_peak"):
                self.assertTrue(math.isfinite(row[share]) and 0 < row[share], row)
        self.assertTrue(report["verified"] and report["quick"])

    def test_the_text_of_kernels(self):
        text = self.ok("bench", "--kernels", "--quick", "--kernel", "relu2_mul-generic", "-t", 1, "-r", 1)
        self.assertIn("relu2_mul-generic", text)
        self.assertNotIn("i2_s", text)

    @support.long_when_sanitized
    def test_the_loops_of_quantisers(self):
        report = self.json("bench", "--kernels", "--quick", "--kernel", "ternarize", "-t", 1, "-r", 2)
        self.assertEqual([row["kernel"] for row in report["kernels"]], ["memcpy", "ternarize-scalar", "ternarize-simd"])
        copy, scalar, simd = report["kernels"]
        weights = 16 * 2560
        self.assertAlmostEqual(copy["cached_bytes_per_second"] * copy["seconds"], 16 * 8 * weights, delta=1)
        self.assertIsNone(copy["share_of_copy"])
        for row in (scalar, simd):
            self.assertEqual((row["family"], row["shape"], row["compared"]), ("quantisers", "16x16x2560", weights))
            self.assertAlmostEqual(row["cached_bytes_per_second"] * row["seconds"], 16 * 5 * weights, delta=1)
            self.assertAlmostEqual(row["share_of_copy"], row["cached_bytes_per_second"] / copy["cached_bytes_per_second"])
            self.assertIsNone(row["bytes_per_second"])
        self.assertIsNone(scalar["times_scalar"])
        self.assertAlmostEqual(simd["times_scalar"], scalar["seconds"] / simd["seconds"])
        self.assertGreater(simd["times_scalar"], 1)

    def test_errors(self):
        self.fails("bench", "--kernels", "--kernel", "vax", says="no kernel of that name")
        self.fails("bench", "--kernels", "-p", 4, says="excludes --kernels")
        self.fails("bench", "--kernels", "-d", 4, says="excludes --kernels")
        self.fails("bench", "--quick", says="requires")
        self.fails("bench", "-m", support.MODEL, "-p", 0, "-n", 0, says="nothing to measure")
        self.fails("bench", "-m", self.folder / "none.gguf", says="none.gguf")


if __name__ == "__main__":
    unittest.main()
