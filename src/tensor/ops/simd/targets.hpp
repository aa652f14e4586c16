// Which instruction sets Highway compiles the loops for; included before any of its headers.
#pragma once

// Each one costs the build its time again. Left out are those that a processor seldom has without the next
// one: a machine with SSE4 and no AVX2 takes the scalar loops, one with SVE takes NEON's.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// The fallback is plain scalar code, not vectors of 16 bytes emulated by loops.
#define HWY_BROKEN_EMU128 1
