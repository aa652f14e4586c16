"""`calibrate`: its report, its files, and work that is taken up again."""

import json
import signal
import subprocess
import time
import unittest

import support
from support import ProgramTest

TEXT = "\n\n\n".join(f"The king had {n} sons, and the youngest of them went out into the wide world." for n in
                     ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"))


class Calibrate(ProgramTest):
    def calibrate(self, *arguments: object, out: str = "out.json", text: str = TEXT):
        return self.json("calibrate", "-m", support.MODEL, "-f", self.write("text.txt", text), "-o", self.folder / out,
                         "--window", 40, *arguments)

    def pair(self, name: str) -> tuple[dict, bytes]:
        about = json.loads((self.folder / f"{name}.json").read_bytes())
        del about["tensors"], about["checksum"]  # the name of the one in the other
        return about, (self.folder / f"{name}.safetensors").read_bytes()

    def test_the_report(self):
        report = self.calibrate("--outliers", 3)
        self.assertEqual(report["tokens"], 40 * report["windows"])
        self.assertEqual([entry["name"] for entry in report["inputs"][:4]],
                         ["blk.0.attn_in", "blk.0.attn_out_in", "blk.0.ffn_in", "blk.0.down_in"])
        for entry in report["inputs"]:
            largest = max(-entry["least"], entry["most"])
            percentiles = list(entry["percentiles"].values())
            self.assertEqual(percentiles, sorted(percentiles))
            self.assertAlmostEqual(entry["ranges"]["minmax"], largest, places=4)
            self.assertLessEqual(percentiles[-1], largest * 1.0001)
            for clip in entry["ranges"].values():
                self.assertTrue(0 < clip <= largest * 1.0001)
            self.assertTrue(entry["least"] <= entry["ema_least"] <= entry["ema_most"] <= entry["most"])
            for outlier in entry["outliers"]:
                self.assertGreater(outlier["ratio"], 3)
                self.assertLess(outlier["channel"], entry["channels"])
        self.assertEqual(self.files(), ["out.json", "out.safetensors", "text.txt"])

    def test_the_table(self):
        text = self.ok("calibrate", "-m", support.MODEL, "-f", self.write("text.txt", TEXT), "-o",
                       self.folder / "out.json", "--window", 40)
        self.assertIn("blk.5.down_in", text)
        self.assertEqual(len({len(line) for line in text.splitlines()}), 1)

    def test_threads_and_batches_change_nothing(self):
        self.calibrate("-t", 1, "--gram", out="a.json")
        self.calibrate("-t", 2, "--batch", 7, "--gram", out="b.json")
        self.assertEqual(self.pair("a"), self.pair("b"))

    def test_windows_are_chosen(self):
        for windows in ("systematic", "random", "stratified", "importance"):
            report = self.calibrate("--windows", windows, "--tokens", 70, "--seed", 3)
            self.assertEqual((report["chosen"], report["tokens"]), (windows, 80))

    def test_killed_work_is_taken_up(self):
        text = "\n\n\n".join([TEXT] * 12)
        expected = self.calibrate("-t", 1, out="whole.json", text=text)
        arguments = [support.PROGRAM, "calibrate", "-m", str(support.MODEL), "-f", str(self.folder / "text.txt"), "-o",
                     str(self.folder / "out.json"), "--window", "40", "--resume", "-t", "1"]
        child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=support.environment())
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)  # early or late: what there is then is whole
        child.wait()
        self.assertNotIn("out.safetensors" if child.returncode else "out.json.unfinished", self.files())
        report = self.calibrate("--resume", text=text)
        self.assertEqual(report["tokens"], expected["tokens"])
        self.assertEqual(self.pair("out"), self.pair("whole"))
        self.assertNotIn("out.json.unfinished", self.files())

    def test_errors_leave_no_file(self):
        file = self.write("text.txt", "short")
        out = self.folder / "out.json"
        self.fails("calibrate", "-m", support.MODEL, "-f", file, "-o", out, says="window")
        self.fails("calibrate", "-m", support.MODEL, "-f", self.folder / "none.txt", "-o", out, says="none.txt")
        file = self.write("text.txt", TEXT)
        self.fails("calibrate", "-m", support.MODEL, "-f", file, "-o", self.folder / "out.safetensors", "--window", 40,
                   says=".safetensors")
        self.fails("calibrate", "-m", support.MODEL, "-f", file, "-o", out, "--window", 40, says="out",
                   largest_file=10000)
        self.assertEqual(self.files(), ["text.txt"])
        (self.folder / "out.json.unfinished").write_bytes(b"nonsense")
        self.fails("calibrate", "-m", support.MODEL, "-f", file, "-o", out, "--window", 40, "--resume",
                   says="out.json.unfinished")


if __name__ == "__main__":
    unittest.main()
