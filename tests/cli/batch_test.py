"""`batch`: every format in and out, failures that do not stop it, runs that are taken up again."""

import csv
import io
import json
import signal
import subprocess
import time
import unittest

import support
from support import PROGRAM, ProgramTest

PROMPTS = ["Once upon a time", 'He said, "Come, my son"', "The wolf\tand the\\ fox"]


class Batch(ProgramTest):
    def setUp(self):
        super().setUp()
        self.common = ["-m", support.MODEL, "-n", 6, "--greedy", "--ignore-end"]

    def batch(self, source, output: str, *arguments: object, **options) -> str:
        return self.ok("batch", "-i", source, "-o", self.folder / output, *self.common, *arguments, **options)

    def records(self, name: str) -> list[dict]:
        lines = (self.folder / name).read_text().splitlines()
        return sorted(map(json.loads, lines), key=lambda record: record["index"])

    def texts(self, source) -> list[str]:
        self.batch(source, "texts.jsonl", "--overwrite")
        return [record["text"] for record in self.records("texts.jsonl")]

    def continuation(self, prompt: str) -> str:
        return self.json("run", *self.common, "-p", prompt)["text"]

    def test_every_input_format_gives_the_same(self):
        expected = [self.continuation(prompt) for prompt in PROMPTS]
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerows([["id", "prompt"], *([f"p{i}", prompt] for i, prompt in enumerate(PROMPTS))])
        for name, content in [("in.txt", "\n".join(PROMPTS) + "\n"),
                              ("crlf.txt", "\r\n".join(PROMPTS) + "\r\n\r\n"),
                              ("in.json", PROMPTS),
                              ("objects.json", [{"prompt": prompt} for prompt in PROMPTS]),
                              ("in.jsonl", "".join(json.dumps({"prompt": p, "id": 1}) + "\n" for p in PROMPTS)),
                              ("in.csv", table.getvalue()),
                              ("bom.csv", "\ufeff" + table.getvalue())]:
            with self.subTest(name):
                self.assertEqual(self.texts(self.write(name, content)), expected)

    def test_every_output_format_holds_the_same(self):
        source = self.write("in.json", PROMPTS)
        expected = [self.continuation(prompt) for prompt in PROMPTS]
        for suffix in ("jsonl", "json", "csv", "txt"):
            self.batch(source, f"out.{suffix}")
        self.assertEqual([record["text"] for record in self.records("out.jsonl")], expected)
        listed = json.loads((self.folder / "out.json").read_text())
        self.assertEqual([record["text"] for record in listed], expected)
        with open(self.folder / "out.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["text"] for row in rows], expected)
        self.assertEqual([row["prompt"] for row in rows], PROMPTS)
        lines = (self.folder / "out.txt").read_text().splitlines()
        unescaped = [line.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\") for line in lines]
        self.assertEqual(unescaped, expected)
        self.assertEqual(self.files(), ["in.json", "out.csv", "out.json", "out.jsonl", "out.txt"])

    def test_line_breaks_and_quotes_survive_csv(self):
        prompt = 'One\nTwo, "three"'
        table = io.StringIO()
        csv.writer(table).writerows([["prompt"], [prompt]])
        self.batch(self.write("in.csv", table.getvalue()), "out.csv")
        with open(self.folder / "out.csv", newline="", encoding="utf-8") as file:
            self.assertEqual([row["prompt"] for row in csv.DictReader(file)], [prompt])

    def test_records_have_their_own_settings(self):
        whole = self.continuation(PROMPTS[0])
        source = self.write("in.json", [{"prompt": PROMPTS[0], "id": "short", "n": 2},
                                        {"prompt": PROMPTS[0], "stop": [whole[3:6]]},
                                        {"prompt": PROMPTS[0], "greedy": False, "temp": 1.5, "top_k": 0, "seed": 9,
                                         "logit_bias": {"5": -1.5}}])
        self.batch(source, "out.jsonl")
        short, stopped, drawn = self.records("out.jsonl")
        self.assertEqual((short["id"], short["tokens"]), ("short", 2))
        self.assertEqual(stopped["text"], whole[:whole.index(whole[3:6])])
        self.assertEqual(stopped["stop"], "stop_text")
        self.assertNotEqual(drawn["text"], whole)

    def test_a_record_may_ask_for_guesses(self):
        prompt = 3 * "The king went into the wood and said to the old man: give me the golden bird. "
        source = self.write("in.json", [{"prompt": prompt, "n": 40, "draft_ngram": asked} for asked in (0, True, 3)])
        report = json.loads(self.batch(source, "out.jsonl", "--json"))
        self.assertEqual(len({record["text"] for record in self.records("out.jsonl")}), 1)
        self.assertGreater(report["accepted_tokens"], 0)
        self.assertGreaterEqual(report["drafted_tokens"], report["accepted_tokens"])

    def test_a_failed_prompt_is_reported_and_the_rest_done(self):
        lines = ["Once", {"prompt": "Once", "nonsense": 1}, {"text": "Once"}, {"prompt": "Once", "n": -3}, 7, "Once"]
        source = self.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
        error = self.fails("batch", "-i", source, "-o", self.folder / "out.jsonl", *self.common, "-q",
                           says="5 of 7 prompts failed")
        self.assertIn("prompt 1", error)
        records = self.records("out.jsonl")
        self.assertEqual([("error" in record) for record in records], [False, True, True, True, True, False, True])
        self.assertIn("nonsense", records[1]["error"])
        self.assertEqual(records[3]["category"], "invalid_argument")
        self.assertEqual(records[0]["text"], records[5]["text"])

    def test_a_run_is_taken_up_where_it_broke_off(self):
        source = self.write("in.json", PROMPTS)
        self.batch(source, "whole.jsonl")
        lines = (self.folder / "whole.jsonl").read_text().splitlines(keepends=True)
        # One record whole, the next one cut in the middle, as a power cut leaves it.
        self.write("out.jsonl", lines[1] + lines[0][:20])
        report = json.loads(self.batch(source, "out.jsonl", "--json"))
        self.assertEqual((report["prompts"], report["resumed"], report["failed"]), (3, 1, 0))
        strip = [{key: value for key, value in record.items() if key != "seconds"} for record in self.records("out.jsonl")]
        whole = [{key: value for key, value in record.items() if key != "seconds"} for record in self.records("whole.jsonl")]
        self.assertEqual(strip, whole)
        self.assertTrue((self.folder / "out.jsonl").read_text().startswith(lines[1]), "what was done stays as it was")
        again = json.loads(self.batch(source, "out.jsonl", "--json"))
        self.assertEqual((again["resumed"], again["tokens"]), (3, 0))

    def test_formats_without_lines_are_taken_up_too(self):
        source = self.write("in.json", PROMPTS)
        self.batch(source, "whole.jsonl")
        self.write("out.csv.partial.jsonl", (self.folder / "whole.jsonl").read_text().splitlines(keepends=True)[2])
        report = json.loads(self.batch(source, "out.csv", "--json"))
        self.assertEqual(report["resumed"], 1)
        self.assertFalse((self.folder / "out.csv.partial.jsonl").exists())
        with open(self.folder / "out.csv", newline="", encoding="utf-8") as file:
            self.assertEqual([row["index"] for row in csv.DictReader(file)], ["0", "1", "2"])

    def test_failed_prompts_are_tried_again(self):
        self.write("in.json", ["Once", {"prompt": "A", "n": 5000}])
        arguments = ["batch", "-i", self.folder / "in.json", "-o", self.folder / "out.json", *self.common, "-q"]
        self.fails(*arguments, says="1 of 2 prompts failed")
        self.assertEqual(len(json.loads((self.folder / "out.json").read_text())), 2)
        self.fails(*arguments, says="1 of 2 prompts failed")
        self.assertIn("out.json.partial.jsonl", self.files())

    def test_other_results_are_not_mixed_in(self):
        source = self.write("in.json", PROMPTS)
        self.batch(source, "out.jsonl")
        before = (self.folder / "out.jsonl").read_bytes()
        arguments = ["batch", "-o", self.folder / "out.jsonl", *self.common]
        self.fails(*arguments, "-i", source, "--top-k", 3, says="--overwrite")
        self.fails(*arguments, "-i", self.write("other.json", ["Other"]), says="--overwrite")
        self.assertEqual((self.folder / "out.jsonl").read_bytes(), before)
        self.write("precious.jsonl", "my thesis\n")
        self.fails("batch", "-i", source, "-o", self.folder / "precious.jsonl", *self.common, says="--overwrite")
        self.assertEqual((self.folder / "precious.jsonl").read_text(), "my thesis\n")
        self.batch(source, "out.json")
        self.fails("batch", "-i", source, "-o", self.folder / "out.json", *self.common, says="--overwrite")
        self.batch(source, "out.json", "--overwrite")

    def test_ctrl_c_keeps_what_is_done(self):
        source = self.write("in.json", ["Once"] + [{"prompt": p, "n": 100000} for p in PROMPTS])
        output = self.folder / "out.jsonl"
        process = subprocess.Popen([PROGRAM, "batch", "-i", source, "-o", output, *map(str, self.common), "--ctx-shift"],
                                   stderr=subprocess.PIPE, env=support.environment())
        try:
            deadline = time.monotonic() + 60
            while not (output.exists() and output.stat().st_size) and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            error = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"interrupted", error)
        self.assertEqual([record["index"] for record in self.records("out.jsonl")], [0])

    def test_errors(self):
        good = self.write("in.json", ["a"])
        output = self.folder / "out.jsonl"
        for name, content in [("a.json", "{"), ("b.json", {"prompt": "a"}), ("c.csv", "text\na\n"), ("d.csv", ""),
                              ("e.csv", 'prompt\n"a\n'), ("f.csv", "prompt,nonsense\na,b\n"), ("g.tsv", "a")]:
            with self.subTest(name):
                self.fails("batch", "-i", self.write(name, content), "-o", output, *self.common, says=name)
        self.assertFalse(output.exists())
        self.fails("batch", "-i", good, "-o", self.folder / "out.xml", *self.common, says="out.xml")
        self.fails("batch", "-i", good, "-o", good, *self.common, says="in.json")
        self.fails("batch", "-i", good, "-o", self.folder / "no" / "out.jsonl", *self.common, says="out.jsonl")
        self.fails("batch", "-i", good, "-o", output, *self.common, "--temp", "x", says="temp")

    def test_a_full_disk_keeps_what_was_written(self):
        source = self.write("in.json", PROMPTS)
        self.batch(source, "whole.jsonl")
        size = len((self.folder / "whole.jsonl").read_bytes().splitlines(keepends=True)[0]) + 20
        arguments = ["batch", "-i", source, "-o", self.folder / "out.jsonl", *self.common]
        self.fails(*arguments, says="out.jsonl", largest_file=size)
        self.assertEqual(json.loads(self.ok(*arguments, "--json"))["resumed"], 1)
        self.assertEqual([record["index"] for record in self.records("out.jsonl")], [0, 1, 2])


if __name__ == "__main__":
    unittest.main()
