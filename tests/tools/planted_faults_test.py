"""Each check of tools/ is run over a small tree with one fault, and must find it; and over the tree without it, and must not."""

import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"

CLEAN = {
    "include/sterna/error.hpp": "#pragma once\n#include <string>\n",
    "include/sterna/dtype.hpp": "#pragma once\n#include <span>\n",
    "src/base/bytes.hpp": "#pragma once\n",
    "src/tensor/dtype.cpp": '#include "sterna/dtype.hpp"\n\n#include "base/bytes.hpp"\n',
    "apps/cli/options.hpp": "#pragma once\n",
    "apps/cli/main.cpp": '#include "options.hpp"\n#include "sterna/error.hpp"\n',
}


class PlantedFault(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sterna-planted-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def plant(self, changes: dict[str, str]):
        for name, text in {**CLEAN, **changes}.items():
            self.write(name, text)

    def check(self, tool: str, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def assert_clean(self, tool: str, *arguments: str):
        status, output = self.check(tool, *arguments)
        self.assertEqual(status, 0, output)

    def assert_found(self, expected: str, tool: str, *arguments: str):
        status, output = self.check(tool, *arguments)
        self.assertEqual(status, 1, output)
        self.assertIn(expected, output)


class Layers(PlantedFault):
    def run_with(self, changes: dict[str, str], expected: str):
        self.plant(changes)
        self.assert_found(expected, "check_layers", "--root", str(self.root))

    def test_clean_tree_passes(self):
        self.plant({})
        self.assert_clean("check_layers", "--root", str(self.root))

    def test_empty_tree_fails(self):
        self.assert_found("no sources", "check_layers", "--root", str(self.root))

    def test_upward_include(self):
        self.run_with({"src/base/log.cpp": '#include "tensor/shape.hpp"\n', "src/tensor/shape.hpp": "#pragma once\n"},
                      "src/base/log.cpp:1: upward: base includes tensor")

    def test_upward_include_of_a_public_header(self):
        self.run_with({"src/base/log.cpp": '#include "sterna/dtype.hpp"\n'}, "upward: base includes tensor")

    def test_upward_include_in_angle_brackets(self):
        self.run_with({"src/base/log.cpp": "#include <sterna/dtype.hpp>\n"}, "upward: base includes tensor")

    def test_upward_include_between_public_headers(self):
        self.run_with({"include/sterna/error.hpp": '#pragma once\n#include "sterna/dtype.hpp"\n'},
                      "include/sterna/error.hpp:2: upward")

    def test_public_header_includes_an_internal_one(self):
        self.run_with({"include/sterna/dtype.hpp": '#pragma once\n#include "base/bytes.hpp"\n'}, "public headers only")

    def test_public_header_includes_a_third_party_one(self):
        self.run_with({"include/sterna/dtype.hpp": "#pragma once\n#include <fmt/core.h>\n"}, "not the standard library's")

    def test_circle(self):
        self.run_with({"src/base/a.hpp": '#include "base/b.hpp"\n', "src/base/b.hpp": '#include "base/a.hpp"\n'}, "circle: ")

    def test_unknown_layer(self):
        self.run_with({"src/utils/misc.cpp": "\n"}, "src/utils/misc.cpp: belongs to no layer")

    def test_unknown_public_header(self):
        self.run_with({"include/sterna/extra.hpp": "#pragma once\n"}, "include/sterna/extra.hpp: belongs to no layer")

    def test_heavy_header_that_reaches_many_files(self):
        header = {"src/base/json.hpp": "#include <nlohmann/json.hpp>\n", "src/base/outer.hpp": '#include "base/json.hpp"\n'}
        users = {f"src/tensor/{i}.cpp": '#include "base/outer.hpp"\n' for i in range(4)}
        self.plant({**header, **users})
        self.assert_clean("check_layers", "--root", str(self.root))
        self.run_with({"src/tensor/last.cpp": '#include "base/json.hpp"\n'},
                      "src/base/json.hpp:1: carries nlohmann/json.hpp into 5 .cpp files")

    def test_example_includes_an_internal_header(self):
        self.run_with({"examples/one.cpp": '#include "base/bytes.hpp"\n'}, "public headers only")

    def test_bench_includes_an_app(self):
        self.run_with({"bench/one.cpp": '#include "../apps/cli/options.hpp"\n'}, "sideways")

    def test_missing_header(self):
        self.run_with({"src/base/log.cpp": '#include "nowhere.hpp"\n'}, 'no file "nowhere.hpp"')


class Symbols(PlantedFault):
    FLAGS = ["-mavx2"] if platform.machine() in ("x86_64", "AMD64") else []

    def compile(self, text: str) -> str:
        source = self.write("kernel.cpp", text)
        target = self.root / "kernel.o"
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-fPIC", *self.FLAGS, "-c", source, "-o", target],
                       check=True, timeout=120)
        return str(target)

    def test_hermetic_kernel_passes(self):
        self.assert_clean("check_symbols", "--isa", "avx2", self.compile("""
            #include <cstddef>
            #include <cstring>
            namespace sterna::avx2 {
            namespace { float twice(float x) { return 2 * x; } }
            template <class T> T sum(const T* x, std::size_t n) { T s{}; for (std::size_t i = 0; i < n; ++i) s += x[i]; return s; }
            template float sum(const float*, std::size_t);
            struct Args { const float* x; float* out; std::size_t n; };
            extern const int kRows = 4;
            void helper(float* out);
            void run(const Args& a) {
              for (std::size_t i = 0; i < a.n; ++i) a.out[i] = twice(a.x[i]);
              std::memcpy(a.out, a.x, a.n);
              helper(a.out);
            }
            }"""))

    def test_algorithms_of_the_standard_library_leak(self):
        self.assert_found("defines (W) void std::__introsort_loop", "check_symbols", "--isa", "avx2", self.compile("""
            #include <algorithm>
            #include <cstddef>
            #include <vector>
            namespace sterna::avx2 {
            void run(std::vector<float>& x) { std::sort(x.begin(), x.end()); }
            }"""))

    def test_inline_function_of_another_namespace_leaks(self):
        self.assert_found("defines (W) sterna::half(float), outside sterna::avx2", "check_symbols", "--isa", "avx2", self.compile("""
            namespace sterna {
            __attribute__((noinline)) inline float half(float x) { return x / 2; }
            namespace avx2 { void run(float* x) { *x = half(*x); } }
            }"""))

    def test_namespace_that_only_begins_alike_leaks(self):
        self.assert_found("sterna::avx2plus::run", "check_symbols", "--isa", "avx2", self.compile(
            "namespace sterna::avx2plus { void run(float* x) { *x = 0; } } namespace sterna::avx2 { void f() {} }"))

    def test_mathematics_of_the_c_library_is_refused(self):
        self.assert_found("asks for expf", "check_symbols", "--isa", "avx2", self.compile("""
            #include <cmath>
            namespace sterna::avx2 { void run(float* x) { *x = std::exp(*x); } }"""))

    def test_object_without_symbols_fails(self):
        self.assert_found("nothing was checked", "check_symbols", "--isa", "avx2", self.compile("\n"))


class Format(PlantedFault):
    def setUp(self):
        super().setUp()
        shutil.copy(TOOLS.parent / ".clang-format", self.root)

    def test_formatted_file_passes(self):
        self.write("src/base/a.cpp", "int f(int x) {\n  return x + 1;\n}\n")
        self.assert_clean("check_format", "--root", str(self.root))

    def test_misformatted_file(self):
        self.write("src/base/a.cpp", "int f(int x){\n    return x+1;\n}\n")
        self.assert_found("src/base/a.cpp:1:", "check_format", "--root", str(self.root))

    def test_fix_formats_it(self):
        self.write("src/base/a.cpp", "int f(int x){\n    return x+1;\n}\n")
        self.assert_clean("check_format", "--root", str(self.root), "--fix")
        self.assert_clean("check_format", "--root", str(self.root))


class Text(PlantedFault):
    def run_with(self, name: str, text: str, expected: str):
        self.write(name, text)
        self.assert_found(expected, "check_text", "--root", str(self.root))

    def test_clean_text_passes(self):
        self.write("README.md", "Lies in ../shared/work/tales, see https://arxiv.org/abs/2402.17764.\n")
        self.assert_clean("check_text", "--root", str(self.root))

    def test_path_of_one_machine(self):
        self.run_with("a.md", "see " + "/" + "home/ada/models\n", "a.md:1: a path of one machine")

    def test_registry(self):
        self.run_with("a.sh", "curl " + "deb." + "debian.org\n", "a.sh:1: a package registry's host")

    def test_dead_link(self):
        self.write("notes/here.md", "\n")
        self.write("notes/b.md", "see [this](here.md#part) and [that](https://arxiv.org/abs/2402.17764)\n")
        self.assert_clean("check_text", "--root", str(self.root))
        self.run_with("notes/b.md", "see [this](there.md)\n", "notes/b.md: speaks of notes/there.md")

    def test_comment_that_names_a_missing_page(self):
        self.run_with("src/a.cpp", "// Layout: " + "docs/" + "missing.md.\n", "src/a.cpp: speaks of " + "docs/" + "missing.md")

    def test_whitespace(self):
        self.run_with("a.md", "one \n", "a.md:1: whitespace")

    def test_no_newline_at_the_end(self):
        self.run_with("a.md", "one", "no newline")

    def test_script_that_is_not_executable(self):
        self.run_with("a.sh", "#!/bin/sh\n", "not executable")

    def test_long_source_is_reported_but_passes(self):
        self.write("src/base/a.cpp", "//\n" * 600)
        status, output = self.check("check_text", "--root", str(self.root))
        self.assertEqual(status, 0)
        self.assertIn("note: src/base/a.cpp: 601 lines", output)


class Packages(PlantedFault):
    """install_packages, with stand-ins for the system's programs."""

    def run_with(self, installed: str, **programs: str) -> tuple[int, str, str]:
        bin = self.root / "bin"
        scripts = {"dpkg-query": f'case " {installed} " in *" $3 "*) printf installed ;; *) exit 1 ;; esac',
                   "apt-get": f'echo "$@" >> {self.root}/calls', **programs}
        for name, body in scripts.items():
            self.write(f"bin/{name}", "#!/bin/sh\n" + body + "\n").chmod(0o755)
        for name in ("bash", "dirname", "cat", "mktemp", "rm", "env", "tail", "sh"):
            (bin / name).symlink_to(shutil.which(name))
        packages = self.write("list.txt", "# comment\n\nalpha   # why\nbeta\n")
        done = subprocess.run([TOOLS / "install_packages", packages], capture_output=True, text=True, timeout=60,
                              env={"PATH": str(bin)}, stdin=subprocess.DEVNULL)
        calls = self.root / "calls"
        return done.returncode, done.stdout + done.stderr, calls.read_text() if calls.exists() else ""

    def test_nothing_missing_touches_nothing(self):
        self.assertEqual(self.run_with("alpha beta", id="echo 1000"), (0, "", ""))

    def test_installs_only_what_is_missing(self):
        status, output, calls = self.run_with("alpha", id="echo 0")
        self.assertEqual(status, 0, output)
        self.assertIn("1 packages: beta", output)
        self.assertIn("--no-install-recommends beta\n", calls)
        self.assertNotIn("alpha", calls)

    def test_says_what_to_do_without_root(self):
        status, output, calls = self.run_with("alpha", id="echo 1000")
        self.assertEqual((status, calls), (1, ""))
        self.assertIn("run this once as root", output)
        self.assertIn("Sterna needs: beta", output)

    def test_fails_when_the_installation_fails(self):
        status, output, _ = self.run_with("alpha", **{"id": "echo 0", "apt-get": "echo no such package; exit 100"})
        self.assertEqual(status, 1)
        self.assertIn("no such package", output)

    def cross_sysroot(self, apt_get: str) -> tuple[int, str]:
        self.write("bin/apt-get", "#!/bin/sh\n" + apt_get + "\n").chmod(0o755)
        done = subprocess.run([TOOLS / "cross_sysroot", self.root / "sysroot"], capture_output=True, text=True, timeout=60,
                              env={"PATH": f"{self.root}/bin:{os.environ['PATH']}"}, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def test_libraries_that_cannot_be_fetched_fail_and_are_tried_again(self):
        for _ in range(2):
            status, output = self.cross_sysroot("echo no such package; exit 100")
            self.assertEqual(status, 1)
            self.assertIn("no such package", output)

    def test_libraries_that_are_there_are_left(self):
        self.write("sysroot/unpacked.txt", (TOOLS / "packages-aarch64.txt").read_text())
        self.assertEqual(self.cross_sysroot("exit 100"), (0, ""))


if __name__ == "__main__":
    unittest.main()
