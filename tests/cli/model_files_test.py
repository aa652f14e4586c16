"""`inspect`, `convert` and `synth`: what goes into model files and comes out of them."""

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

import support
from support import FIXTURES, PROGRAM, ProgramTest

CHECKPOINT = FIXTURES / "llama3-rope-scaling"


class Inspect(ProgramTest):
    def test_a_gguf(self):
        report = self.json("inspect", support.synthetic())
        self.assertEqual(report["format"], "GGUF v3")
        self.assertEqual(report["model"]["architecture"], "bitnet-b1.58")
        self.assertEqual((report["model"]["layers"], report["model"]["hidden"]), (6, 512))
        self.assertEqual(report["tokenizer"]["kind"], "byte-level BPE")
        self.assertEqual(sum(tensor["bytes"] for tensor in report["tensors"]), report["tensor_bytes"])
        self.assertLessEqual(report["tensor_bytes"], report["file_bytes"])
        self.assertEqual(report["file_bytes"], support.synthetic().stat().st_size)
        types = {tensor["type"] for tensor in report["tensors"]}
        self.assertEqual(types, {"i2_s", "f16", "f32"})
        matrices = {tensor["name"] for tensor in report["tensors"] if len(tensor["shape"]) == 2}
        self.assertEqual({weight["name"] for weight in report["weights"]}, matrices)
        self.assertEqual(report["owned_bytes"], 0, "used where it lies")

    def test_a_folder_and_a_bare_file(self):
        folder = self.json("inspect", CHECKPOINT)
        self.assertEqual(folder["model"]["architecture"], "llama")
        self.assertIsNone(folder["tokenizer"])
        bare = self.json("inspect", CHECKPOINT / "model.safetensors")
        self.assertEqual(bare["tensors"], folder["tensors"])
        self.assertIn("configuration", bare["cannot_load"])

    def test_the_text_names_every_tensor(self):
        report = self.json("inspect", support.synthetic())
        text = self.ok("inspect", support.synthetic())
        for tensor in report["tensors"]:
            self.assertIn(tensor["name"], text)
        self.assertRegex(text, r"(?m)^total ")
        self.assertIn("bitnet-b1.58", text)

    def test_metadata_on_request(self):
        report = self.json("inspect", support.synthetic(), "--metadata", "--no-load")
        self.assertEqual(report["metadata"]["general.architecture"], "bitnet-b1.58")
        self.assertNotIn("model", report)
        self.assertLess(len(report["metadata"]["tokenizer.ggml.tokens"]), 20)
        self.assertIn("general.architecture", self.ok("inspect", support.synthetic(), "--metadata"))

    def test_a_packing_can_be_asked_for(self):
        def types(*options):
            report = self.json("inspect", support.synthetic(), *options)
            ternary = {w["used"] for w in report["weights"]} & {"i2_s", "tq1_0", "tq2_0"}
            return ternary, report["model"].get("packing", {}).get("name")

        self.assertEqual(types(), ({"i2_s"}, None))
        self.assertEqual(types("--pack", "file"), ({"i2_s"}, None))
        self.assertEqual(types("--pack", "2bit"), ({"i2_s"}, "2bit"))
        self.assertEqual(types("--pack", "1.6bit"), ({"tq1_0"}, "1.6bit"))
        self.assertIn(types("--pack", "auto")[1], ("2bit", "1.6bit"))
        self.assertIn("as asked", self.ok("inspect", support.synthetic(), "--pack", "1.6bit"))
        self.fails("inspect", support.synthetic(), "--pack", "3bit", says="3bit")

    def test_codecs_of_the_ternary_matrices(self):
        def codecs(*options):
            return self.json("inspect", support.MODEL, "--no-load", "--codecs", *options)["codecs"]

        report = codecs("--codec-rate", 0)
        names = [row["codec"] for row in report["sum"]]
        self.assertEqual(names, ["int8", "2bit", "base3", "aligned", "runs", "sparse", "hybrid"])
        self.assertEqual((len(report["matrices"]), report["weights"]), (42, 15728640))
        self.assertEqual(sum(row["auto"] for row in report["sum"]), 42)
        for at, row in enumerate(report["sum"]):
            self.assertEqual(row["bytes"], sum(matrix["codecs"][at]["bytes"] for matrix in report["matrices"]))
            self.assertGreater(row["decode_gb_per_s"], 0)
        for matrix in report["matrices"]:  # at rate 0 only bytes count
            least = min(codec["bytes"] for codec in matrix["codecs"])
            chosen = next(codec for codec in matrix["codecs"] if codec["codec"] == matrix["auto"])
            self.assertEqual(chosen["bytes"], least)
        self.assertRegex(self.ok("inspect", support.MODEL, "--no-load", "--codecs"), r"(?m)^base3 +\d+ +1\.6\d+ ")

    def test_the_rate_is_checked(self):
        self.fails("inspect", support.synthetic(), "--codec-rate", 5, says="--codecs")
        self.fails("inspect", support.synthetic(), "--codecs", "--codec-rate", -1, says="--codec-rate")

    def test_damage_is_an_error(self):
        whole = support.synthetic().read_bytes()
        for name, content in [("empty.gguf", b""), ("short.gguf", whole[:1000]), ("cut.gguf", whole[:-100]),
                              ("nonsense.bin", b"nonsense"), ("bad.safetensors", b"\xff" * 64)]:
            with self.subTest(name):
                self.fails("inspect", self.write(name, content), says=name)
        self.fails("inspect", self.folder / "none.gguf", says="none.gguf")
        self.fails("inspect", self.folder, says=str(self.folder))


class Convert(ProgramTest):
    def test_every_type_is_read_back(self):
        for ternary in ("i2_s", "tq2_0", "tq1_0"):
            for head in ("f16", "q8_0"):
                with self.subTest(ternary=ternary, head=head):
                    out = self.folder / f"{ternary}-{head}.gguf"
                    report = self.json("convert", support.synthetic(), out, "--type", ternary, "--head", head)
                    self.assertEqual(report["bytes"], out.stat().st_size)
                    types = {tensor["type"] for tensor in self.json("inspect", out, "--no-load")["tensors"]}
                    self.assertLessEqual({ternary, head}, types)
                    self.ok("run", "-m", out, "-p", "Once", "-n", 2)

    def test_the_same_bytes_whatever_the_threads(self):
        for threads in (1, 3):
            self.ok("convert", support.synthetic(), self.folder / f"{threads}.gguf", "--type", "tq2_0", "-t", threads)
        self.assertEqual((self.folder / "1.gguf").read_bytes(), (self.folder / "3.gguf").read_bytes())

    def test_a_folder_becomes_a_gguf(self):
        out = self.folder / "out.gguf"
        self.ok("convert", CHECKPOINT, out, "--head", "bf16")
        self.assertEqual(self.json("inspect", out)["model"]["architecture"], "llama")

    def test_nothing_is_left_of_a_conversion_that_fails(self):
        self.fails("convert", self.write("bad.gguf", b"GGUF" + bytes(100)), self.folder / "out.gguf", says="bad.gguf")
        self.fails("convert", self.folder / "none", self.folder / "out.gguf", says="none")
        self.fails("convert", support.synthetic(), self.folder / "no" / "out.gguf", says="out.gguf")
        self.fails("convert", support.synthetic(), self.folder / "out.gguf", "--type", "q4_0", says="--type")
        self.assertEqual(self.files(), ["bad.gguf"])

    def test_a_full_disk_is_an_error(self):
        self.fails("convert", support.synthetic(), self.folder / "out.gguf", "--type", "tq2_0", says="out.gguf",
                   largest_file=1 << 20)
        self.fails("synth", "--shape", "tales", "-o", self.folder / "out.gguf", says="out.gguf", largest_file=1 << 20)
        self.assertEqual(self.files(), [])


class Synth(ProgramTest):
    def test_a_seed_repeats_the_file(self):
        files = []
        for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
            report = self.json("synth", "--shape", "tales", "-o", self.folder / name, "--seed", seed)
            self.assertEqual(report["bytes"], (self.folder / name).stat().st_size)
            files.append((self.folder / name).read_bytes())
        self.assertEqual(files[0], files[1])
        self.assertNotEqual(files[0], files[2])

    def test_errors(self):
        self.fails("synth", "--shape", "huge", "-o", self.folder / "a", says="huge")
        self.fails("synth", "--shape", "tales", "-o", self.folder, says=str(self.folder))
        self.assertEqual(self.files(), [])

    def has_opened_a_file(self, process):
        descriptors = Path(f"/proc/{process.pid}/fd")
        return any(os.readlink(each).startswith(str(self.folder)) for each in descriptors.iterdir())

    def test_ctrl_c_leaves_nothing(self):
        process = subprocess.Popen([PROGRAM, "synth", "--shape", "8b", "-o", self.folder / "8b.gguf"],
                                   stderr=subprocess.PIPE, env=support.environment())
        try:
            deadline = time.monotonic() + 60
            while not self.has_opened_a_file(process) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertTrue(self.has_opened_a_file(process), "the temporary file, which may have no name")
            process.send_signal(signal.SIGINT)
            error = process.communicate(timeout=60)[1]
        finally:
            process.kill()
        self.assertEqual(process.returncode, 130)
        self.assertEqual(error, b"sterna: interrupted\n")
        self.assertEqual(self.files(), [])


def steady(devices: dict) -> dict:
    """What does not change from one run to the next: all but how full the memory is."""
    return {key: value for key, value in devices.items() if key != "memory_pressure"}


class Devices(ProgramTest):
    def test_the_report(self):
        report = self.json("devices")
        self.assertGreaterEqual(report["physical_cores"], 1)
        self.assertGreater(report["memory_bytes"], 1e8)
        packings = {packing["packing"]: packing for packing in report["packings"]}
        self.assertEqual(set(packings), {"i2_s", "tq1_0", "tq2_0", "iq1_bn", "iq2_bn"})
        for packing in report["packings"]:
            chosen = [kernel["name"] for kernel in packing["kernels"] if kernel["chosen"]]
            self.assertEqual(chosen, [packing["kernel"]] if packing["kernel"] else [])
        self.assertTrue(packings["i2_s"]["kernel"])
        self.assertEqual(sum(kernel["chosen"] for kernel in report["float_kernels"]), 1)

    def test_a_kernel_can_be_asked_for(self):
        report = self.json("devices", "--kernel", "generic")
        self.assertEqual({p["kernel"] for p in report["packings"] if p["packing"] == "i2_s"}, {"i2_s-generic"})
        self.assertEqual(steady(report), steady(self.json("devices", STERNA_KERNEL="generic")))
        self.fails("devices", "--kernel", "nonsense", says="nonsense")

    def test_the_backends(self):
        report = self.json("devices")
        backends = {backend["name"]: backend for backend in report["backends"]}
        self.assertEqual((backends["simd"]["priority"], backends["scalar"]["priority"]), (60, 40))
        self.assertTrue(backends["scalar"]["available"])
        best = max((b for b in backends.values() if b["available"]), key=lambda b: b["priority"])
        self.assertEqual({(c["backend"], c["variant"]) for c in report["choices"]}, {(best["name"], best["variants"][0])})
        self.assertEqual({c["operation"] for c in report["choices"]},
                         {"ternary", "dense", "attention", "elementwise", "reduction", "quantize"})
        text = self.ok("devices")
        self.assertRegex(text, r"(?m)^scalar +40 +generic .*available$")
        self.assertRegex(text, rf"(?m)^attention +any +{best['name']}/{best['variants'][0]} +priority {best['priority']}$")

    def test_a_backend_can_be_asked_for(self):
        report = self.json("devices", "--backend", "scalar")
        self.assertEqual({(c["backend"], c["why"]) for c in report["choices"]}, {("scalar", "asked for")})
        self.assertEqual(steady(report), steady(self.json("devices", STERNA_BACKEND="scalar")))
        self.assertEqual({p["kernel"] for p in report["packings"] if p["packing"] == "i2_s"}, {"i2_s-generic"})
        self.fails("devices", "--backend", "nonsense", says="simd scalar highest-priority")
        self.fails("run", "-p", "a", "--backend", "nonsense", says="simd scalar highest-priority")
        self.fails("run", "-p", "a", says="nonsense", STERNA_BACKEND="nonsense")
        if self.json("devices")["backends"][0]["available"]:
            self.fails("devices", "--backend", "simd", "--kernel", "generic", says="another backend's")

    def test_strategies_measure_once_and_remember(self):
        cache = {"XDG_CACHE_HOME": str(self.folder)}
        first = self.json("devices", "--backend", "best-performance", **cache)["choices"]
        again = self.json("devices", "--backend", "best-performance", **cache)["choices"]
        if all(choice["why"] == "the only candidate" for choice in first):
            self.skipTest("one set of kernels runs here")
        self.assertEqual({choice["why"].split(":")[0] for choice in first}, {"measured"})
        self.assertEqual({choice["why"].split(":")[0] for choice in again}, {"remembered"})
        self.assertEqual([c["variant"] for c in first], [c["variant"] for c in again])
        (self.folder / "sterna" / "backends").write_bytes(b"sterna choices 1\n\xff\x00\t\n")
        damaged = self.json("devices", "--backend", "low-latency", **cache)["choices"]
        self.assertTrue(damaged[0]["why"].startswith("measured"), "one token is asked for every batch, so others remember")

    def test_capabilities_are_measured_on_request(self):
        cache = {"XDG_CACHE_HOME": str(self.folder)}
        keys = ("read_bytes_per_second", "integer_ops_per_second", "float_ops_per_second")
        self.assertFalse(any(key in b for b in self.json("devices", **cache)["backends"] for key in keys))
        self.assertIn("--measure", self.ok("devices", **cache))
        measured = self.json("devices", "--measure", **cache)["backends"]
        for backend in measured:
            self.assertTrue(not backend["available"] or all(backend[key] > 1e6 for key in keys), backend)
        self.assertEqual(self.json("devices", **cache)["backends"], measured)
        self.assertRegex(self.ok("devices", **cache), r"(?m)^scalar +40 +generic +[\d.]+ GB/s +[\d.]+ Gop/s +[\d.]+ Gop/s +available$")

    def test_a_damaged_memory_of_packings_is_none(self):
        (self.folder / "sterna").mkdir()
        (self.folder / "sterna" / "packings").write_bytes(b"sterna choices 1\n\xff\x00\t\n2bit")
        self.assertEqual(self.json("devices", XDG_CACHE_HOME=str(self.folder))["remembered"], [])

    def test_the_text(self):
        text = self.ok("devices")
        for word in ("processor", "scalar", "cores", "memory", "i2_s", "chosen"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
