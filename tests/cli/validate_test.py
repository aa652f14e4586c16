"""`validate`: every promise has a verdict, and figures that fit each other."""

import ctypes
import unittest

from pages import Page
from support import ProgramTest, long_when_sanitized

# Those that take long are measured by people, not by tests.
SHORT = "accelerators,elementwise,allocation,zero-copy,memory"


class Validate(ProgramTest):
    @staticmethod
    def loads(library):
        try:
            ctypes.CDLL(f"lib{library}.so.2")
        except OSError as error:
            return "TLS" in str(error)  # no room in this process; the program makes some
        return True

    @long_when_sanitized
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
        for case in report["promises"][2]["cases"]:
            for library in ("mimalloc", "jemalloc"):
                self.assertEqual(library in case["remark"], self.loads(library), case)
        self.assertRegex(report["promises"][4]["cases"][0]["remark"], r"beside it the program, \d+\.\d MB")
        elementwise = report["promises"][1]
        for case in elementwise["cases"]:
            self.assertAlmostEqual(case["value"], case["baseline"]["median"] / case["sterna"]["median"])
            self.assertEqual(case["remark"], "equal results")
        self.assertEqual(Page(page.read_text()).fetched, [])

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
