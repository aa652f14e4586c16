#include "tensor/ops/row_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "tensor/ops/apply.hpp"
#include "tensor/ops/reduce_row.hpp"

namespace sterna::ops {
namespace {

/// to[r·pitch + i] = the element of row r at i: an element of every row before the next, as they lie in
/// memory.
template <class T>
void gather_transposed(const std::byte* from, std::ptrdiff_t step, std::ptrdiff_t row_step, std::size_t rows,
                       T* to, std::size_t pitch, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::byte* element = from + static_cast<std::ptrdiff_t>(i) * step;
    for (std::size_t r = 0; r < rows; ++r, element += row_step)
      std::memcpy(to + r * pitch + i, element, sizeof(T));
  }
}

}  // namespace

Split split_axes(std::string_view operation, const Tensor& x, const ReducedAxes& axes, bool keepdims) {
  std::vector<bool> reduced(x.rank(), !axes.list());
  if (axes.list()) {
    for (const std::int64_t axis : *axes.list()) {
      const std::size_t at = normal_axis(operation, x, axis);
      if (reduced[at]) {
        throw Error(ErrorCategory::InvalidArgument, "an axis is given twice",
                    {{"operation", std::string(operation)},
                     {"axes", to_string(*axes.list())},
                     {"shape", to_string(x.shape())}});
      }
      reduced[at] = true;
    }
  }
  Split split{{}, {}, {}, 1};
  for (std::size_t i = 0; i < x.rank(); ++i) {
    const std::int64_t length = x.shape()[i];
    const RowAxis axis{length, x.strides()[i] * static_cast<std::ptrdiff_t>(info(x.dtype()).block_bytes)};
    if (!reduced[i]) {
      split.shape.push_back(length);
      split.kept.push_back(axis);
      continue;
    }
    if (keepdims) split.shape.push_back(1);
    split.length *= length;
    if (length == 1) continue;
    if (!split.reduced.empty() && split.reduced.back().step == axis.step * length) {
      split.reduced.back() = {split.reduced.back().length * length, axis.step};
    } else {
      split.reduced.push_back(axis);
    }
  }
  if (split.reduced.empty()) {  // rows of one element
    split.reduced.push_back({1, static_cast<std::ptrdiff_t>(info(x.dtype()).block_bytes)});
  }
  if (split.length == 0) {  // nothing is read, and there may be no address to walk from
    for (RowAxis& axis : split.kept) axis.step = 0;
  }
  return split;
}

RowReader::RowReader(const Tensor& x, const Split& split, DType computed, std::size_t portion,
                     std::size_t together)
    : split_(split),
      convert_(x.dtype() == computed ? nullptr : converter(x.dtype(), computed)),
      size_(info(x.dtype()).block_bytes),
      computed_size_(info(computed).block_bytes),
      portion_(portion),
      together_(1),
      next_base_(x.raw()),
      next_at_(split.kept.size(), 0),
      position_(split.reduced.size(), 0) {
  if (!split.kept.empty() && std::abs(split.kept.back().step) < std::abs(split.reduced.back().step)) {
    together_ = together;
  }
  rows_.resize(together_);
  stored_.resize(together_ * portion);
  if (convert_ != nullptr) computed_.resize(together_ * portion);
}

std::size_t RowReader::next_rows() {
  if (done_) return 0;
  base_ = next_base_;
  if (split_.kept.empty()) {
    count_ = 1;
    done_ = true;
  } else {
    const RowAxis& last = split_.kept.back();
    row_step_ = last.step;
    count_ = static_cast<std::size_t>(
        std::min(static_cast<std::int64_t>(together_), last.length - next_at_.back()));
    next_at_.back() += static_cast<std::int64_t>(count_);
    next_base_ += static_cast<std::ptrdiff_t>(count_) * row_step_;
    for (std::size_t axis = split_.kept.size(); axis-- > 0;) {
      if (next_at_[axis] < split_.kept[axis].length) break;
      next_base_ -= split_.kept[axis].length * split_.kept[axis].step;
      next_at_[axis] = 0;
      if (axis == 0) {
        done_ = true;
      } else {
        ++next_at_[axis - 1];
        next_base_ += split_.kept[axis - 1].step;
      }
    }
  }
  rewind();
  return count_;
}

void RowReader::rewind() {
  at_ = base_;
  left_ = split_.length;
  std::fill(position_.begin(), position_.end(), 0);
}

/// Past `n` elements, which the innermost axis has left.
void RowReader::advance(std::size_t n) {
  const std::size_t inner = split_.reduced.size() - 1;
  position_[inner] += static_cast<std::int64_t>(n);
  at_ += static_cast<std::ptrdiff_t>(n) * split_.reduced[inner].step;
  for (std::size_t axis = inner; position_[axis] == split_.reduced[axis].length && axis > 0; --axis) {
    at_ -= split_.reduced[axis].length * split_.reduced[axis].step;
    position_[axis] = 0;
    ++position_[axis - 1];
    at_ += split_.reduced[axis - 1].step;
  }
}

std::size_t RowReader::next_portion() {
  if (left_ == 0) return 0;
  const RowAxis& inner = split_.reduced.back();
  const bool side_by_side = convert_ == nullptr && inner.step == static_cast<std::ptrdiff_t>(size_);
  std::size_t n = static_cast<std::size_t>(inner.length - position_.back());
  if (static_cast<std::int64_t>(n) != left_) n -= n % kReduceLanes;
  if (side_by_side && n > 0) {
    for (std::size_t r = 0; r < count_; ++r) rows_[r] = at_ + static_cast<std::ptrdiff_t>(r) * row_step_;
    advance(n);
  } else {
    n = static_cast<std::size_t>(std::min(static_cast<std::int64_t>(portion_), left_));
    gather_rows(n);
  }
  left_ -= static_cast<std::int64_t>(n);
  return n;
}

void RowReader::gather_rows(std::size_t n) {
  auto* const stored = reinterpret_cast<std::byte*>(stored_.data());
  const std::size_t pitch = portion_;
  const RowAxis& inner = split_.reduced.back();
  for (std::size_t done = 0; done < n;) {
    const std::size_t piece = std::min(n - done, static_cast<std::size_t>(inner.length - position_.back()));
    std::byte* const to = stored + done * size_;
    if (count_ == 1) {
      gather(at_, inner.step, size_, to, piece);
    } else if (size_ == 1) {
      gather_transposed(at_, inner.step, row_step_, count_, reinterpret_cast<std::uint8_t*>(to), pitch,
                        piece);
    } else if (size_ == 2) {
      gather_transposed(at_, inner.step, row_step_, count_, reinterpret_cast<std::uint16_t*>(to), pitch,
                        piece);
    } else if (size_ == 4) {
      gather_transposed(at_, inner.step, row_step_, count_, reinterpret_cast<std::uint32_t*>(to), pitch,
                        piece);
    } else {
      gather_transposed(at_, inner.step, row_step_, count_, reinterpret_cast<std::uint64_t*>(to), pitch,
                        piece);
    }
    advance(piece);
    done += piece;
  }
  for (std::size_t r = 0; r < count_; ++r) {
    rows_[r] = stored + r * pitch * size_;
    if (convert_ == nullptr) continue;
    std::byte* const to = reinterpret_cast<std::byte*>(computed_.data()) + r * pitch * computed_size_;
    convert_(rows_[r], to, n);
    rows_[r] = to;
  }
}

}  // namespace sterna::ops
