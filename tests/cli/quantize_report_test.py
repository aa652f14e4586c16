"""The report of a quantisation: made-up ones, whole and with parts missing."""

import json
import os
import subprocess
import unittest

from pages import Page

SAMPLE = os.environ["STERNA_REPORT_SAMPLE"]


def output(*arguments: str) -> str:
    return subprocess.run([SAMPLE, *arguments], check=True, capture_output=True, timeout=60).stdout.decode()


class QuantizeReport(unittest.TestCase):
    def test_the_page_shows_everything_that_was_measured(self):
        report = json.loads(output("full", "json"))
        page = Page(output("full", "html"))
        self.assertEqual(page.fetched, [])
        for heading in ("Size and quality", "What each matrix costs", "Key and value cache", "Matrices", "Weights"):
            self.assertIn(heading, page.text)
        self.assertEqual(len(report["matrices"]), 43)
        for matrix in report["matrices"]:
            # The table, the histogram, and a dot for each precision.
            self.assertGreaterEqual(page.text.count(matrix["name"]), 2 + len(matrix["sensitivity"]))
        self.assertEqual(page.counts["tr"], 43 + 1 + 3 + 1)
        for axis in ("nats a token (log scale)", "size of the matrices, MB", "perplexity", "bytes a token"):
            self.assertIn(axis, page.text)

    def test_the_readings_are_those_of_the_data(self):
        report = json.loads(output("full", "json"))
        text = Page(output("full", "html")).text
        for precision in ("ternary", "int2", "int4", "int8", "f16"):
            loss = {matrix["name"]: s["kl"] for matrix in report["matrices"] for s in matrix["sensitivity"]
                    if s["precision"] == precision}
            least, most = min(loss, key=loss.get), max(loss, key=loss.get)
            if loss[most] <= 1e-5:
                self.assertIn(f"{precision} costs nothing that can be measured", text)
            else:
                self.assertIn(f"{precision} costs least in {least} ({loss[least]:.3g} nats a token) and most in {most}", text)
        chosen = next(point for point in report["frontier"] if point["chosen"])
        self.assertIn(f"from {report['float_perplexity']:.2f} to {chosen['perplexity']:.2f}", text)

    def test_what_is_missing_or_no_number(self):
        text = output("odd", "html")
        page = Page(text)
        self.assertIn("a<b>&\"c\"", page.text)
        self.assertNotIn("<script", text)
        self.assertNotIn("nan", text)
        self.assertNotIn("inf", text)
        json.loads(output("odd", "json"), parse_constant=self.fail)
        empty = Page(output("empty", "html"))
        self.assertNotIn("svg", empty.counts)
        self.assertNotIn("table", empty.counts)
        self.assertEqual(json.loads(output("empty", "json"))["matrices"], [])


if __name__ == "__main__":
    unittest.main()
