#include "tensor/dequantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/half.hpp"
#include "sterna/error.hpp"
#include "tensor/q6_k.hpp"

namespace sterna {
namespace {

float load_f16(const std::byte* at) {
  return f16_to_f32(load_unaligned<std::uint16_t>(at));
}

unsigned load_u8(const std::byte* at) {
  return static_cast<unsigned>(*at);
}

template <class T>
void store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

[[noreturn]] void out_of_range(DType dtype, float value) {
  throw Error(ErrorCategory::Mismatch, fmt::format("a value is outside the range of {}", name(dtype)),
              {{"found", fmt::format("{}", value)}});
}

/// Stores a block's scale and answers whether it is worth having: one that f16 rounds to zero makes the whole
/// block zero.
bool store_scale(std::byte* at, float d, DType dtype) {
  const std::uint16_t half = f32_to_f16(d);
  if ((half & 0x7fff) == 0x7c00) out_of_range(dtype, d);
  store(at, half);
  return (half & 0x7fff) != 0;
}

// Reading, one block (or element) at a time. Layouts: docs/packings.md.

void read_f64(const std::byte* in, float* out) {
  *out = static_cast<float>(load_unaligned<double>(in));
}

void read_f32(const std::byte* in, float* out) {
  *out = load_unaligned<float>(in);
}

void read_f16(const std::byte* in, float* out) {
  *out = load_f16(in);
}

void read_bf16(const std::byte* in, float* out) {
  *out = bf16_to_f32(load_unaligned<std::uint16_t>(in));
}

void read_q4_0(const std::byte* in, float* out) {
  const float d = load_f16(in);
  for (std::size_t j = 0; j < 16; ++j) {
    const unsigned byte = load_u8(in + 2 + j);
    out[j] = d * static_cast<float>(static_cast<int>(byte & 15) - 8);
    out[j + 16] = d * static_cast<float>(static_cast<int>(byte >> 4) - 8);
  }
}

void read_q8_0(const std::byte* in, float* out) {
  const float d = load_f16(in);
  for (std::size_t j = 0; j < 32; ++j) {
    out[j] = d * static_cast<float>(static_cast<std::int8_t>(in[2 + j]));
  }
}

void read_q1_0(const std::byte* in, float* out) {
  const float d = load_f16(in);
  for (std::size_t j = 0; j < 128; ++j) out[j] = load_u8(in + 2 + j / 8) >> j % 8 & 1 ? d : -d;
}

void read_q2_0(const std::byte* in, float* out) {
  const float d = load_f16(in);
  for (std::size_t j = 0; j < 64; ++j) {
    const unsigned code = load_u8(in + 2 + j / 4) >> (j % 4 * 2) & 3;
    out[j] = d * static_cast<float>(static_cast<int>(code) - 1);
  }
}

// Writing. Values are finite.

void write_f32(const float* x, std::byte* out) {
  store(out, *x);
}

void write_f16(const float* x, std::byte* out) {
  const std::uint16_t half = f32_to_f16(*x);
  if ((half & 0x7fff) == 0x7c00) out_of_range(DType::F16, *x);
  store(out, half);
}

void write_bf16(const float* x, std::byte* out) {
  const std::uint16_t half = f32_to_bf16(*x);
  if ((half & 0x7fff) == 0x7f80) out_of_range(DType::BF16, *x);
  store(out, half);
}

/// Half away from zero, as C's roundf; exact because a double has room for the sum.
int round_away(float v) {
  return static_cast<int>(static_cast<double>(v) + (v < 0 ? -0.5 : 0.5));
}

void write_q8_0(const float* x, std::byte* out) {
  float amax = 0;
  for (std::size_t j = 0; j < 32; ++j) amax = std::max(amax, std::abs(x[j]));
  const float d = amax / 127;
  const float inverse = store_scale(out, d, DType::Q8_0) ? 1.0f / d : 0.0f;
  for (std::size_t j = 0; j < 32; ++j) out[2 + j] = static_cast<std::byte>(round_away(x[j] * inverse));
}

void write_q4_0(const float* x, std::byte* out) {
  float extreme = 0;  // becomes the code 0, which stands for -8
  for (std::size_t j = 0; j < 32; ++j) {
    if (std::abs(x[j]) > std::abs(extreme)) extreme = x[j];
  }
  const float d = extreme / -8;
  const float inverse = store_scale(out, d, DType::Q4_0) ? 1.0f / d : 0.0f;
  const auto code = [&](float v) { return static_cast<unsigned>(std::min(v * inverse + 8.5f, 15.0f)); };
  for (std::size_t j = 0; j < 16; ++j) out[2 + j] = static_cast<std::byte>(code(x[j]) | code(x[j + 16]) << 4);
}

/// The same for a run of blocks.
template <auto Read>
void read_run(const std::byte* in, std::uint64_t blocks, const DTypeInfo& block, float* out) {
  for (; blocks > 0; --blocks, in += block.block_bytes, out += block.block_elements) Read(in, out);
}
template <auto Write>
void write_run(const float* x, std::uint64_t blocks, const DTypeInfo& block, std::byte* out) {
  for (; blocks > 0; --blocks, x += block.block_elements, out += block.block_bytes) Write(x, out);
}

struct Codec {
  DType dtype;
  void (*read)(const std::byte* in, std::uint64_t blocks, const DTypeInfo& block, float* out);
  void (*write)(const float* x, std::uint64_t blocks, const DTypeInfo& block,
                std::byte* out);  ///< null: not written
};

constexpr std::array kCodecs{
    Codec{DType::F64, read_run<read_f64>, nullptr},
    Codec{DType::F32, read_run<read_f32>, write_run<write_f32>},
    Codec{DType::F16, read_run<read_f16>, write_run<write_f16>},
    Codec{DType::BF16, read_run<read_bf16>, write_run<write_bf16>},
    Codec{DType::Q4_0, read_run<read_q4_0>, write_run<write_q4_0>},
    Codec{DType::Q8_0, read_run<read_q8_0>, write_run<write_q8_0>},
    Codec{DType::Q6_K, read_run<dequantize_q6_k>, write_run<quantize_q6_k>},
    Codec{DType::Q1_0, read_run<read_q1_0>, nullptr},
    Codec{DType::Q2_0, read_run<read_q2_0>, nullptr},
};

const Codec* find_codec(DType dtype) noexcept {
  const auto at =
      std::find_if(kCodecs.begin(), kCodecs.end(), [&](const Codec& c) { return c.dtype == dtype; });
  return at == kCodecs.end() ? nullptr : &*at;
}

[[noreturn]] void unsupported(DType dtype, std::string_view what) {
  throw Error(ErrorCategory::Unsupported, fmt::format("values cannot be {} this type", what),
              {{"type", std::string(name(dtype))}});
}

/// Blocks in a row.
std::uint64_t blocks_of(DType dtype, std::uint64_t cols) {
  const std::uint64_t elements = info(dtype).block_elements;
  if (cols % elements != 0) {
    throw Error(ErrorCategory::InvalidArgument, "a row is no whole number of blocks",
                {{"type", std::string(name(dtype))},
                 {"found", std::to_string(cols)},
                 {"expected", fmt::format("a multiple of {}", elements)}});
  }
  return cols / elements;
}

}  // namespace

bool can_dequantize(DType dtype) noexcept {
  return find_codec(dtype) != nullptr;
}

void dequantize_row(DType dtype, const std::byte* row, std::uint64_t cols, float* out) {
  const Codec* codec = find_codec(dtype);
  if (!codec) unsupported(dtype, "read from");
  codec->read(row, blocks_of(dtype, cols), info(dtype), out);
}

bool can_quantize(DType dtype) noexcept {
  const Codec* codec = find_codec(dtype);
  return codec && codec->write;
}

void quantize_row(DType dtype, const float* row, std::uint64_t cols, std::byte* out) {
  const Codec* codec = find_codec(dtype);
  if (!codec || !codec->write) unsupported(dtype, "written as");
  const std::uint64_t blocks = blocks_of(dtype, cols);
  const float* bad = std::find_if(row, row + cols, [](float v) { return !std::isfinite(v); });
  if (bad != row + cols) {
    throw Error(ErrorCategory::InvalidArgument, "a value to be stored is not finite",
                {{"column", std::to_string(bad - row)}, {"found", fmt::format("{}", *bad)}});
  }
  codec->write(row, blocks, info(dtype), out);
}

}  // namespace sterna
