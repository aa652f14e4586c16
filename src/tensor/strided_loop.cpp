#include "tensor/strided_loop.hpp"

#include <algorithm>
#include <cstdlib>

namespace sterna {

LoopAxes coalesce(const Shape& shape, std::span<LoopOperand> operands, LoopOrder order) {
  const std::size_t count = operands.size();
  const auto stride = [&](std::size_t axis, std::size_t k) {
    return operands[k].strides[axis] * operands[k].item_bytes;
  };
  Dims kept;  // axes that matter, outermost first
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] != 1) kept.push_back(static_cast<std::int64_t>(axis));
  }
  if (order == LoopOrder::Any) {
    // By insertion, which is stable: few axes, nearly always sorted already.
    const auto outer = [&](std::int64_t a, std::int64_t b) {
      for (std::size_t k = 0; k < count; ++k) {
        const auto sa = std::abs(stride(static_cast<std::size_t>(a), k));
        const auto sb = std::abs(stride(static_cast<std::size_t>(b), k));
        if (sa != sb) return sa > sb;
      }
      return false;
    };
    for (std::size_t i = 1; i < kept.size(); ++i) {
      for (std::size_t j = i; j > 0 && outer(kept[j], kept[j - 1]); --j) std::swap(kept[j], kept[j - 1]);
    }
  }

  LoopAxes axes;
  Dims step = Dims::filled(count, 0);
  for (const std::int64_t kept_axis : kept) {
    const auto axis = static_cast<std::size_t>(kept_axis);
    const std::int64_t length = shape[axis];
    const bool reverse = order == LoopOrder::Any && count > 0 && stride(axis, 0) < 0 && length > 0;
    bool merges = !axes.lengths.empty();
    for (std::size_t k = 0; k < count; ++k) {
      step[k] = stride(axis, k);
      if (reverse) {
        operands[k].data += step[k] * (length - 1);
        step[k] = -step[k];
      }
      merges = merges && axes.strides[axes.strides.size() - count + k] == step[k] * length;
    }
    if (merges) {
      axes.lengths.back() *= length;
      for (std::size_t k = 0; k < count; ++k) axes.strides[axes.strides.size() - count + k] = step[k];
    } else {
      axes.lengths.push_back(length);
      for (const std::int64_t bytes : step) axes.strides.push_back(bytes);
    }
  }
  if (axes.lengths.empty()) {
    axes.lengths.push_back(1);
    axes.strides = Dims::filled(count, 0);
  }
  return axes;
}

}  // namespace sterna
