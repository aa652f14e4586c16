"""`tokenize` and `detokenize`."""

import json
import unittest

import support
from support import FIXTURES, ProgramTest

TOKENIZERS = FIXTURES / "tokenizers"
TALES = TOKENIZERS / "tales" / "tokenizer.json"


class Tokenize(ProgramTest):
    def test_cases_of_their_owners_libraries(self):
        for name, source in [("tales", TALES), ("tales", TOKENIZERS / "tales"),
                             ("spm", TOKENIZERS / "spm" / "tokenizer.model")]:
            with self.subTest(source=source):
                cases = TOKENIZERS / f"{name}-cases.json"
                expected = [case["ids"] for case in json.loads(cases.read_text())]
                self.assertEqual(json.loads(self.ok("tokenize", "-m", source, "--cases", cases)), expected)

    def test_text_files_and_standard_input(self):
        ids = self.ok("tokenize", "-m", TALES, "Hello, world!")
        self.assertEqual(ids, "42 425 81 14 1010 3\n")
        self.assertEqual(self.ok("tokenize", "-m", TALES, "-f", self.write("a.txt", "Hello, world!")), ids)
        self.assertEqual(self.ok("tokenize", "-m", TALES, "-f", "-", stdin=b"Hello, world!"), ids)
        self.assertEqual(self.ok("tokenize", "-m", TALES, ""), "\n")

    def test_reports(self):
        report = self.json("tokenize", "-m", TALES, "Hello, world!")
        self.assertEqual(report["ids"], [42, 425, 81, 14, 1010, 3])
        self.assertEqual(report["count"], 6)
        self.assertEqual(len(report["pieces"]), 6)
        self.assertRegex(self.ok("tokenize", "-m", TALES, "--pieces", "Hello"), r'42 +"H"\n')

    def test_the_beginning_token_is_added_on_request(self):
        self.assertEqual(self.ok("tokenize", "-m", TALES, "--bos", "Hello").split()[1:],
                         self.ok("tokenize", "-m", TALES, "Hello").split())

    def test_a_gguf_carries_the_same_tokenizer(self):
        cases = TOKENIZERS / "tales-cases.json"
        self.assertEqual(self.ok("tokenize", "-m", support.MODEL, "--cases", cases),
                         self.ok("tokenize", "-m", TALES, "--cases", cases))

    def test_errors(self):
        self.fails("tokenize", "-m", TALES, says="one of TEXT")
        self.fails("tokenize", "-m", TALES, "a", "-f", "b", says="one of TEXT")
        self.fails("tokenize", "-m", self.folder, "a", says=str(self.folder))
        self.fails("tokenize", "-m", self.write("tokenizer.json", "{"), "a", says="tokenizer.json")
        for cases in ("nonsense", {"text": "a"}, [{"txt": "a"}], [{"text": 1}], ["a"]):
            self.fails("tokenize", "-m", TALES, "--cases", self.write("cases.json", cases), says="cases.json")


class Detokenize(ProgramTest):
    def test_round_trip_byte_for_byte(self):
        text = "The wolf said: “Grüß Gott!” 🐺\n\n  and left.\t"
        ids = self.ok("tokenize", "-m", TALES, text).encode()
        self.assertEqual(self.ok("detokenize", "-m", TALES, "-f", "-", stdin=ids), text)
        as_json = self.ok("tokenize", "-m", TALES, text, "--json").encode()
        listed = json.dumps(json.loads(as_json)["ids"])
        self.assertEqual(self.json("detokenize", "-m", TALES, "-f", self.write("ids.json", listed))["text"], text)

    def test_ids_as_arguments(self):
        self.assertEqual(self.ok("detokenize", "-m", TALES, 42, 425, 81, 14, 1010, 3), "Hello, world!")

    def test_special_tokens_are_written_on_request(self):
        self.assertEqual(self.ok("detokenize", "-m", TALES, 0, 42), "H")
        self.assertNotEqual(self.ok("detokenize", "-m", TALES, "--keep-special", 0, 42), "H")

    def test_errors(self):
        self.fails("detokenize", "-m", TALES, says="ids or -f")
        self.fails("detokenize", "-m", TALES, 99999999, says="99999999")
        self.fails("detokenize", "-m", TALES, "--", -1, says="-1")
        self.fails("detokenize", "-m", TALES, "four", says="four")


if __name__ == "__main__":
    unittest.main()
