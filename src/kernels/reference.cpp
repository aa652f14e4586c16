#include "kernels/reference.hpp"

#include "base/bytes.hpp"
#include "base/half.hpp"
#include "sterna/error.hpp"

namespace sterna::reference {

namespace {

struct Block {
  std::size_t elements;
  std::size_t bytes;
  float scale;
  std::int32_t codes[256];
};

Block decode_block(DType dtype, const std::byte* at) {
  const auto u8 = [&](std::size_t i) { return std::to_integer<std::int32_t>(at[i]); };
  const auto i8 = [&](std::size_t i) { return static_cast<std::int32_t>(static_cast<std::int8_t>(at[i])); };
  const auto half = [&](std::size_t i) { return f16_to_f32(load_unaligned<std::uint16_t>(at + i)); };
  Block block{};
  switch (dtype) {
    case DType::Q8_0:
      block = {32, 34, half(0), {}};
      for (std::size_t k = 0; k < 32; ++k) block.codes[k] = i8(2 + k);
      return block;
    case DType::Q4_0:
      block = {32, 18, half(0), {}};
      for (std::size_t k = 0; k < 32; ++k) block.codes[k] = (u8(2 + k % 16) >> (k / 16 * 4) & 15) - 8;
      return block;
    case DType::Q6_K:
      block = {256, 210, half(208), {}};
      for (std::size_t k = 0; k < 256; ++k) {
        const std::size_t h = k / 128, q = k % 128 / 32, i = k % 32;
        const std::int32_t low = u8(64 * h + q % 2 * 32 + i) >> (q / 2 * 4) & 15;
        const std::int32_t high = u8(128 + 32 * h + i) >> (2 * q) & 3;
        block.codes[k] = (low + 16 * high - 32) * i8(192 + k / 16);
      }
      return block;
    default:
      throw Error(ErrorCategory::Internal, "not a block type", {{"found", std::string(name(dtype))}});
  }
}

}  // namespace

void ternary_matmul(const std::int8_t* trits, std::size_t rows, std::size_t cols, const std::int8_t* x,
                    std::size_t tokens, std::int32_t* out) {
  for (std::size_t m = 0; m < tokens; ++m) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < cols; ++k) sum += trits[r * cols + k] * x[m * cols + k];
      out[m * rows + r] = sum;
    }
  }
}

float dot(const float* a, const float* b, std::size_t n) {
  float partials[32] = {};
  for (std::size_t k = 0; k < n; ++k) partials[k % 32] += a[k] * b[k];
  for (int half = 16; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partials[i] += partials[i + half];
  }
  return partials[0];
}

float block_dot(DType dtype, const std::byte* row, const std::int16_t* x, std::size_t n) {
  float partials[16] = {};
  for (std::size_t done = 0; done < n;) {
    const Block block = decode_block(dtype, row);
    std::int32_t sums[16] = {};
    // Blocks of 32 elements add to half of the partials, even blocks to the first 8 and odd ones to the last.
    const bool small = block.elements == 32;
    const std::size_t first = small && done % 64 != 0 ? 8 : 0;
    for (std::size_t k = 0; k < block.elements; ++k) {
      sums[small ? first + k / 2 % 8 : k / 2 % 16] += block.codes[k] * x[done + k];
    }
    for (std::size_t i = first; i < (small ? first + 8 : 16); ++i) {
      partials[i] += static_cast<float>(sums[i]) * block.scale;
    }
    done += block.elements;
    row += block.bytes;
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) partials[i] += partials[i + half];
  }
  return partials[0];
}

}  // namespace sterna::reference
