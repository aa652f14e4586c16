"""`validate`: every promise has a verdict, and figures that fit each other."""

import html.parser
import unittest

import support
from support import ProgramTest

# Those that take long are measured by people, not by tests.
SHORT = "accelerators,elementwise,allocation,zero-copy,memory"


class Page(html.parser.HTMLParser):
    """Fails on anything that the page would have to fetch, and on tags left open."""

    VOID = {"meta", "br"}

    def __init__(self):
        super().__init__()
        self.open = []
        self.fetched = []

    def handle_starttag(self, tag, attributes):
        self.fetched += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


class Validate(ProgramTest):
    def test_the_report(self):
        page = self.folder / "report.html"
        report = self.json("validate", "--quick", "--only", SHORT, "--html", page)
        self.assertEqual([row["id"] for row in report["promises"]],
                         ["accelerators", "elementwise", "allocation", "zero-copy", "memory"])
        for row in report["promises"]:
            self.assertIn(row["verdict"], ("kept", "broken", "not applicable"))
            if row["verdict"] == "not applicable":
                self.assertTrue(row["reason"])
                self.assertEqual(row["cases"], [])
                continue
            good = (lambda value: value >= row["limit"]) if row["bound"] == "at least" else (lambda value: value <= row["limit"])
            self.assertEqual(row["verdict"] == "kept", good(row["value"]), row)
            self.assertEqual(row["verdict"] == "broken", bool(row["reason"]))
            counted = [case["value"] for case in row["cases"] if case["counts"]]
            self.assertAlmostEqual(row["low"], min(counted))
            self.assertAlmostEqual(row["high"], max(counted))
            for case in row["cases"]:
                for figure in (case["baseline"], case["sterna"]):
                    self.assertLessEqual(figure["first_quartile"], figure["median"])
                    self.assertLessEqual(figure["median"], figure["third_quartile"])
                    self.assertGreater(figure["median"], 0)
        elementwise = report["promises"][1]
        for case in elementwise["cases"]:
            self.assertAlmostEqual(case["value"], case["baseline"]["median"] / case["sterna"]["median"])
            self.assertEqual(case["remark"], "equal results")
        parser = Page()
        parser.feed(page.read_text())
        self.assertEqual(parser.open, [])
        self.assertEqual(parser.fetched, [])

    def test_the_text(self):
        text = self.ok("validate", "--quick", "--only", "accelerators")
        self.assertIn("not applicable, promised at least 15 ×", text)
        self.assertIn("no accelerator", text)

    def test_errors(self):
        self.fails("validate", "--only", "speed", says="speed")
        self.fails("validate", "--only", "accelerators", "--html", self.folder / "none" / "report.html", says="none")
        self.assertEqual(self.files(), [])


if __name__ == "__main__":
    unittest.main()
