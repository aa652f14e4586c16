// Half floats to and from F32, many at once.
#pragma once

#include <cstddef>

namespace sterna::ops {

/// As base/half.hpp converts, with the widest instructions this processor has.
void f16_to_f32_loop(const void* in, void* out, std::size_t n);
void f32_to_f16_loop(const void* in, void* out, std::size_t n);
void bf16_to_f32_loop(const void* in, void* out, std::size_t n);
void f32_to_bf16_loop(const void* in, void* out, std::size_t n);

}  // namespace sterna::ops
