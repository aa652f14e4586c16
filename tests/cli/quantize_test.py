"""`quantize`: a float model to a small one, and its report."""

import json
import os
import signal
import subprocess
import time
import unittest

import support
from support import MODEL, PROGRAM, ProgramTest


def float_model():
    """A random-weight model of the bundled one's shape with float layers."""
    path = support._folder / "float.gguf"
    if not path.exists():
        subprocess.run([PROGRAM, "synth", "--shape", "tales", "--type", "bf16", "-o", str(path), "-q"], check=True,
                       env=support.environment())
    return path


def rules_file():
    """Two matrices of the last block are left to be chosen: evaluating each takes its time."""
    path = support._folder / "rules.json"
    patterns = ["token_embd", *(f"blk.{n}.*" for n in range(5)), "blk.5.attn_*", "blk.5.ffn_gate"]
    path.write_text(json.dumps({"rules": [{"match": pattern, "precision": "f16"} for pattern in patterns]}))
    return path


def text_file():
    path = support._folder / "calibration.txt"
    path.write_text(" ".join(f"word {n * 7919 % 1000}," for n in range(120)))
    return path


class Quantize(ProgramTest):
    def test_one_precision_for_all(self):
        out = support._folder / "int4.gguf"
        report = self.json("quantize", float_model(), out, "--type", "int4", "--embedding", "int8")
        self.assertEqual(report["bytes"], out.stat().st_size)
        self.assertEqual({m["type"] for m in report["matrices"]}, {"q4_0", "q8_0"})
        types = {t["name"]: t["type"] for t in self.json("inspect", out)["tensors"]}
        for matrix in report["matrices"]:
            self.assertEqual(types[matrix["name"] + ".weight"], matrix["type"])

    def test_a_rule_for_ternary_groups(self):
        out, same, page = (support._folder / name for name in ("rule.gguf", "plain.gguf", "rule.html"))
        plain = self.json("quantize", float_model(), same, "--type", "ternary")
        self.assertIsNone(plain["ternary_rule"])
        report = self.json("quantize", float_model(), out, "--type", "ternary", "--ternary-rule", "absmedian",
                           "--report", page)
        self.assertEqual(report["ternary_rule"], "absmedian")
        self.assertIn("ternary by absmedian", page.read_text())
        self.assertGreater(report["matrices"][1]["weights"]["mse"], plain["matrices"][1]["weights"]["mse"])
        self.fails("quantize", float_model(), out, "--type", "ternary", "--ternary-rule", "mode", says="absmedian")
        self.fails("quantize", float_model(), out, "--type", "ternary", "--ternary-rule", "weighted-least-squares",
                   says="a calibration text")
        self.fails("quantize", MODEL, out, "--ternary-rule", "absmean", says="ternary already")

    @support.long_when_sanitized
    def test_a_budget_with_its_report(self):
        out, page = support._folder / "budget.gguf", support._folder / "budget.html"
        report = self.json("quantize", float_model(), out, "--budget", "34.5MB", "--rules", rules_file(),
                           "--calibrate", text_file(), "--calibration-tokens", "512", "--sensitivity-tokens", "511",
                           "--frontier", "2", "--report", page, "-t", "2")
        self.assertLessEqual(report["matrix_bytes"], 34_500_000)
        self.assertTrue(page.read_text().startswith("<!doctype html>"))
        self.assertEqual(json.loads(page.with_suffix(".json").read_text())["matrix_bytes"], report["matrix_bytes"])

    def test_the_cache_that_the_file_asks_for_is_the_default(self):
        out = support._folder / "int8_cache.gguf"
        report = self.json("quantize", MODEL, out, "--kv", "int8")
        self.assertEqual(report["kv_type"], "int8")
        self.assertEqual(self.json("inspect", out)["model"]["kv_type"], "int8")

        def cache_bytes(*options):
            return self.json("run", "-m", out, "-p", "The wolf", "-n", "1", "-c", "64", *options)["cache_bytes"]

        self.assertEqual(cache_bytes(), cache_bytes("--kv", "int8"))
        self.assertLess(cache_bytes(), cache_bytes("--kv", "f16"))

    def test_trained_ternary_layers_stay_what_they_are(self):
        out = support._folder / "same.gguf"
        report = self.json("quantize", MODEL, out, "--embedding", "int8")
        self.assertEqual(report["rounding"], "exact")
        a, b = self.json("inspect", MODEL), self.json("inspect", out)
        self.assertEqual({t["name"]: t["shape"] for t in a["tensors"]}, {t["name"]: t["shape"] for t in b["tensors"]})

    def test_what_it_lacks_is_named(self):
        out = support._folder / "none.gguf"
        self.fails("quantize", float_model(), out, says="a precision, a budget, a target perplexity or a policy")
        self.fails("quantize", float_model(), out, "--budget", "8MB", says="a calibration text")
        self.fails("quantize", float_model(), out, "--budget", "8 apples", says="apples")
        self.assertFalse(out.exists())

    @staticmethod
    def has_nameless_files(folder):
        try:
            os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
        except OSError:
            return False
        return True

    def test_killed_it_leaves_no_file(self):
        folder = support._folder / "killed"
        folder.mkdir()
        out = folder / "out.gguf"
        for delay in (0.02, 0.3, 1):
            process = subprocess.Popen([PROGRAM, "quantize", str(float_model()), str(out), "--type", "int4", "-q"],
                                       env=support.environment())
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            if process.wait() == 0:
                out.unlink()  # it was done before
            self.assertFalse(out.exists())
            if self.has_nameless_files(folder):
                self.assertEqual(list(folder.iterdir()), [])
        subprocess.run([PROGRAM, "quantize", str(float_model()), str(out), "--type", "int4", "-q"], check=True,
                       env=support.environment())
        whole = support._folder / "whole.gguf"
        subprocess.run([PROGRAM, "quantize", str(float_model()), str(whole), "--type", "int4", "-q"], check=True,
                       env=support.environment())
        self.assertEqual(out.read_bytes(), whole.read_bytes())


if __name__ == "__main__":
    unittest.main()
