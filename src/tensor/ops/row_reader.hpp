// Reads the rows that a reduction turns into one element each: portions of them, side by side and converted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sterna/ops.hpp"
#include "tensor/ops/convert.hpp"

namespace sterna::ops {

struct RowAxis {
  std::int64_t length;
  std::ptrdiff_t step;  ///< bytes
};

/// A tensor's axes taken apart: a row is one index of the kept axes and all of the reduced ones, in C order.
struct Split {
  Shape shape;  ///< of the result
  std::vector<RowAxis> kept;
  std::vector<RowAxis> reduced;  ///< merged where they are one run
  std::int64_t length;           ///< of a row
};
Split split_axes(std::string_view operation, const Tensor& x, const ReducedAxes& axes, bool keepdims);

class RowReader {
 public:
  /// Portions are multiples of `portion` elements that fit its buffers, or what lies side by side in memory.
  /// Up to `together` rows, neighbours along the last kept axis, are read side by side where that follows
  /// memory better.
  RowReader(const Tensor& x, const Split& split, DType computed, std::size_t portion, std::size_t together);

  /// Goes on to the next rows in C order of the kept axes; how many, 0 after the last.
  std::size_t next_rows();
  /// Goes on to their next elements; how many of each, 0 at the end. All but a row's last portion are
  /// multiples of 16.
  std::size_t next_portion();
  /// To the beginning of the same rows.
  void rewind();
  /// Those of row r of next_rows().
  const void* row(std::size_t r) const { return rows_[r]; }

 private:
  void gather_rows(std::size_t n);
  void advance(std::size_t n);

  const Split& split_;
  Convert convert_;
  std::size_t size_;  // of a stored element
  std::size_t computed_size_;
  std::size_t portion_;
  std::size_t together_;
  const std::byte* next_base_;  // of the rows after these
  std::vector<std::int64_t> next_at_;
  bool done_ = false;

  std::size_t count_ = 0;  // of rows now
  const std::byte* base_ = nullptr;
  std::ptrdiff_t row_step_ = 0;
  const std::byte* at_ = nullptr;  // in the first of them
  std::vector<std::int64_t> position_;
  std::int64_t left_ = 0;  // elements of the row
  std::vector<const void*> rows_;
  std::vector<std::uint64_t> stored_;    // portions as they are stored, row after row
  std::vector<std::uint64_t> computed_;  // and converted
};

}  // namespace sterna::ops
