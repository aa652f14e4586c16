// What the layouts share: the checks around unpacking and packing, and the two ways of carrying scales beside
// trits. A layout says how its trits lie in a block (`decode`, `encode`); the rest is here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/half.hpp"
#include "packing/registry.hpp"

namespace sterna::packing {

// The rows of the table, one per file.
Packing i2_s() noexcept;
Packing tq1_0() noexcept;
Packing tq2_0() noexcept;
Packing iq1_bn() noexcept;
Packing iq2_bn() noexcept;

/// A matrix with room for its trits, after checking that the bytes are exactly those of the shape: what is
/// allocated is at most five times the bytes given.
TernaryMatrix start_unpack(DType dtype, Bytes bytes, std::uint64_t rows, std::uint64_t cols);
/// Layouts with 2-bit codes decode the code 3 as 2; this finds it. Throws Format.
void check_codes(std::span<const std::int8_t> trits, std::uint64_t cols);
/// Throws Format for a scale that is not finite; `index` is its number in the tensor.
void check_scale(float scale, std::uint64_t index);
/// Gives the matrix its scales, one per `block` consecutive elements, reduced to the coarsest grain.
void set_scales(TernaryMatrix& matrix, std::vector<float> scales, std::uint64_t block);

/// Throws InvalidArgument for a matrix that contradicts itself, or holds what is no trit or no finite scale.
void check_matrix(const TernaryMatrix& matrix);
/// Everything `pack` promises to refuse; `elements` is what the layout stores together and `grain` the finest
/// it can hold.
void check_pack(DType dtype, const TernaryMatrix& matrix, ScaleGrain grain, MutableBytes out);
/// The scale of the elements of row `row` from column `col` on.
float scale_at(const TernaryMatrix& matrix, std::uint64_t row, std::uint64_t col);
/// Throws Mismatch when the scale is outside f16's range: infinite, or zero without being it.
std::uint16_t scale_to_f16(float scale);
bool all_zero(std::span<const std::int8_t> trits);

inline std::uint8_t* as_u8(std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
inline const std::uint8_t* as_u8(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}
inline std::int8_t trit_of(unsigned code) {
  return static_cast<std::int8_t>(static_cast<int>(code) - 1);
}
inline unsigned code_of(std::int8_t trit) {
  return static_cast<unsigned>(trit + 1);
}

/// Blocks of trits, each with its own f16 scale after them. `Layout` has kDType, kElements, kTritBytes,
/// decode(in, trits) and encode(trits, out).
template <class Layout>
struct BlockScaled {
  static constexpr std::size_t kBytes = Layout::kTritBytes + sizeof(std::uint16_t);

  static TernaryMatrix unpack(Bytes bytes, std::uint64_t rows, std::uint64_t cols, const UnpackOptions&) {
    TernaryMatrix matrix = start_unpack(Layout::kDType, bytes, rows, cols);
    std::vector<float> scales(bytes.size() / kBytes);
    for (std::size_t i = 0; i < scales.size(); ++i) {
      const std::byte* block = bytes.data() + i * kBytes;
      Layout::decode(as_u8(block), matrix.trits.data() + i * Layout::kElements);
      scales[i] = f16_to_f32(load_unaligned<std::uint16_t>(block + Layout::kTritBytes));
      check_scale(scales[i], i);
    }
    check_codes(matrix.trits, cols);
    set_scales(matrix, std::move(scales), Layout::kElements);
    return matrix;
  }

  static void pack(const TernaryMatrix& matrix, const UnpackOptions&, MutableBytes out) {
    check_pack(Layout::kDType, matrix, ScaleGrain::Block, out);
    const std::size_t per_row = matrix.cols / Layout::kElements;
    for (std::size_t i = 0; i < out.size() / kBytes; ++i) {
      std::byte* block = out.data() + i * kBytes;
      const std::span trits(matrix.trits.data() + i * Layout::kElements, Layout::kElements);
      Layout::encode(trits.data(), as_u8(block));
      // A block's scale is its largest magnitude to the programs that own these layouts: zero for all zeros.
      const float scale = all_zero(trits) ? 0.0f : scale_at(matrix, i / per_row, i % per_row * trits.size());
      const std::uint16_t half = scale_to_f16(scale);
      std::memcpy(block + Layout::kTritBytes, &half, sizeof half);
    }
  }

  static void dequantize_row(const std::byte* row, std::uint64_t cols, float* out) {
    std::int8_t trits[Layout::kElements];
    for (std::uint64_t i = 0; i < cols / Layout::kElements; ++i) {
      const std::byte* block = row + i * kBytes;
      Layout::decode(as_u8(block), trits);
      check_codes(trits, Layout::kElements);
      const float scale = f16_to_f32(load_unaligned<std::uint16_t>(block + Layout::kTritBytes));
      for (const std::int8_t trit : trits) *out++ = static_cast<float>(trit) * scale;
    }
  }
};

/// Rows that begin with one scale, stored as `Scale` (float, or the bits of an f16), then blocks of trits.
template <class Layout, class Scale>
struct RowScaled {
  static float load_scale(const std::byte* row) {
    const auto stored = load_unaligned<Scale>(row);
    if constexpr (sizeof(Scale) == sizeof(std::uint16_t)) {
      return f16_to_f32(stored);
    } else {
      return stored;
    }
  }
  static Scale to_stored(float scale) {
    if constexpr (sizeof(Scale) == sizeof(std::uint16_t)) {
      return scale_to_f16(scale);
    } else {
      return scale;
    }
  }
  static std::size_t row_bytes(std::uint64_t cols) {
    return sizeof(Scale) + cols / Layout::kElements * Layout::kTritBytes;
  }
  static void decode_row(const std::byte* row, std::uint64_t cols, std::int8_t* trits) {
    const std::uint8_t* block = as_u8(row) + sizeof(Scale);
    for (std::uint64_t c = 0; c < cols; c += Layout::kElements, block += Layout::kTritBytes) {
      Layout::decode(block, trits + c);
    }
  }

  static TernaryMatrix unpack(Bytes bytes, std::uint64_t rows, std::uint64_t cols, const UnpackOptions&) {
    TernaryMatrix matrix = start_unpack(Layout::kDType, bytes, rows, cols);
    std::vector<float> scales(rows);
    for (std::uint64_t r = 0; r < rows; ++r) {
      const std::byte* row = bytes.data() + r * row_bytes(cols);
      scales[r] = load_scale(row);
      check_scale(scales[r], r);
      decode_row(row, cols, matrix.trits.data() + r * cols);
    }
    check_codes(matrix.trits, cols);
    set_scales(matrix, std::move(scales), cols);
    return matrix;
  }

  static void pack(const TernaryMatrix& matrix, const UnpackOptions&, MutableBytes out) {
    check_pack(Layout::kDType, matrix, ScaleGrain::Row, out);
    for (std::uint64_t r = 0; r < matrix.rows; ++r) {
      std::byte* row = out.data() + r * row_bytes(matrix.cols);
      const Scale scale = to_stored(scale_at(matrix, r, 0));
      std::memcpy(row, &scale, sizeof scale);
      const std::int8_t* trits = matrix.trits.data() + r * matrix.cols;
      std::uint8_t* block = as_u8(row) + sizeof(Scale);
      for (std::uint64_t c = 0; c < matrix.cols; c += Layout::kElements, block += Layout::kTritBytes) {
        Layout::encode(trits + c, block);
      }
    }
  }

  static void dequantize_row(const std::byte* row, std::uint64_t cols, float* out) {
    const float scale = load_scale(row);
    std::int8_t trits[Layout::kElements];
    const std::uint8_t* block = as_u8(row) + sizeof(Scale);
    for (std::uint64_t c = 0; c < cols; c += Layout::kElements, block += Layout::kTritBytes) {
      Layout::decode(block, trits);
      check_codes(trits, Layout::kElements);
      for (const std::int8_t trit : trits) *out++ = static_cast<float>(trit) * scale;
    }
  }
};

}  // namespace sterna::packing
