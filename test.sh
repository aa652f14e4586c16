#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test; then the tests of the kernels again on an emulated
# aarch64, all of them under the address and undefined-behaviour sanitizers, and those about threads under the
# thread sanitizer.
#   ./test.sh                  all of it
#   ./test.sh --quick          the first half: neither aarch64 nor sanitizers
#   ./test.sh --fuzz SECONDS   instead, every fuzz target for so long
# The last line is `N passed, N failed, N skipped`, summed; the exit code is 0 only when nothing failed.
set -uo pipefail
cd "$(dirname "$0")"

mode=${1:-all} seconds=${2:-}
case "$mode$seconds" in
  all | --quick | --fuzz[1-9]*) ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# Tests whose subject is several threads at once; their programs, and their names.
thread_programs=(platform_test memory_test session_test)
thread_tests='^platform\..*ThreadPool|^memory\.(Pool|Levels/PoolProperty|Pressure|CleanupThread)|^session\.(Session\.|SessionPages\.AreNotTaken|Generate\.|Determinism\.(Threads|Splitting|Sessions))'
# Whole corpora, in suites named Slow…: too long under a sanitizer. So are whole models written again and again for
# the same bytes with other threads, where each of them is written once already.
slow_tests='^[a-z]+\.Slow|ForAnyNumberOfThreads/|Calibrate\.ThreadsAndBatchChangeNoBit$'

jobs=2
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
  exit
}

# build PRESET [TARGET…]: configures and builds; a failure counts as one and ends the run.
build() {
  local preset=$1 start=$SECONDS
  shift
  if cmake --preset "$preset" >"$log" 2>&1 &&
     cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} >>"$log" 2>&1; then
    echo "built $preset in $((SECONDS - start)) s"
  else
    grep -E 'error|FAILED|Error' "$log" | head -n 40
    tail -n 40 "$log"
    failed=$((failed + 1))
    finish
  fi
}

# tested PRESET [CTEST OPTION…]: runs the tests of a build and adds them up.
tested() {
  local preset=$1 report=$PWD/build/$1/tests.xml start=$SECONDS status=0 total bad skip
  shift
  rm -f "$report"
  "${prefix[@]}" ctest --test-dir "build/$preset" -j "$jobs" --timeout 900 --no-tests=error \
    --output-on-failure --output-junit "$report" "$@" >"$log" 2>&1 || status=$?
  count() { grep -o -m 1 "\b$1=\"[0-9]*\"" "$report" 2>/dev/null | head -n 1 | tr -dc 0-9; }
  total=$(count tests) bad=$(count failures) skip=$(count skipped)
  total=${total:-0} bad=${bad:-0} skip=$((${skip:-0}))
  if [ "$status" -ne 0 ]; then
    grep -vE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*(Passed|Skipped)|^ +Start +[0-9]+:' "$log"
    [ "$bad" -gt 0 ] || bad=1
  fi
  passed=$((passed + total - bad - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
  echo "tested $preset in $((SECONDS - start)) s: $((total - bad - skip)) passed, $bad failed, $skip skipped"
}

# cross: builds for aarch64, and runs the kernels and a model under qemu, as a processor with every instruction
# set and as one with none but NEON. On an aarch64 machine `dev` is that build.
cross() {
  if [ "$(uname -m)" != x86_64 ] || [ -n "${STERNA_NO_INSTALL:-}" ]; then
    skipped=$((skipped + 1))
    echo "skipped aarch64: needs Debian's cross compiler and packages"
    return
  fi
  tools/install_packages packages-cross.txt && tools/cross_sysroot build/aarch64-sysroot || { failed=$((failed + 1)); finish; }
  build aarch64 kernels_test same_bits
  # Not what other rows or the build for this machine test: inherited float operations, the generic set, how
  # attention divides its work.
  tested aarch64 --tests-regex '^(kernels|cross|tools\.check_symbols)\.' \
    --exclude-regex '/(neon_(dot|i8mm)|([a-z0-9_]+_)?generic)$|Attention\.Shares'
  prefix=(env QEMU_CPU=cortex-a57)
  tested aarch64 --tests-regex '^kernels\.(KernelTable\.|.*/[a-z0-9_]*neon$)' --exclude-regex 'Attention|RandomShapes'
  prefix=()
}

# fuzzed NAME: one target, from its seeds and what earlier runs found, for $seconds.
fuzzed() {
  local found=build/fuzz/corpus/$1
  mkdir -p "$found"
  if "build/fuzz/tests/fuzz/${1}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
       -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$1" >"$log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
  echo "fuzzed $1: $(tail -n 1 "$log")"
}

prefix=()
tools/install_packages packages.txt packages-test.txt || { failed=1; finish; }

if [ "$mode" = --fuzz ]; then
  build fuzz fuzzers
  for target in tests/fuzz/*_fuzz.cpp; do fuzzed "$(basename "$target" _fuzz.cpp)"; done
  finish
fi

build dev
tested dev
if [ "$mode" != --quick ]; then
  cross
  build asan
  tested asan --exclude-regex "$slow_tests"
  build tsan "${thread_programs[@]}"
  # The thread sanitizer's fixed memory map does not fit every kernel's address randomisation.
  setarch -R true 2>/dev/null && prefix=(setarch -R)
  tested tsan --tests-regex "$thread_tests"
fi
finish
