#include "tensor/ops/level.hpp"

#include <atomic>
#include <vector>

namespace sterna::ops {
namespace {

std::atomic<Level> elementwise{Level::Simd};
std::atomic<Level> reduction{Level::Simd};

/// For each row its twin in the other table, or itself where there is none.
template <class Row>
std::vector<const Row*> twins(std::span<const Row> rows, std::span<const Row> others) {
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    found.push_back(&row);
    for (const Row& other : others) {
      if (other.name == row.name) found.back() = &other;
    }
  }
  return found;
}

}  // namespace

void set_elementwise_level(Level level) noexcept {
  elementwise.store(level, std::memory_order_relaxed);
}
void set_reduction_level(Level level) noexcept {
  reduction.store(level, std::memory_order_relaxed);
}
Level elementwise_level() noexcept {
  return elementwise.load(std::memory_order_relaxed);
}
Level reduction_level() noexcept {
  return reduction.load(std::memory_order_relaxed);
}

const Loops& loops_of(const OpRow& row) {
  if (elementwise_level() == Level::Simd) return row.loops;
  static const std::vector<const OpRow*> scalar = twins(op_table(), scalar_op_table());
  return scalar[static_cast<std::size_t>(&row - op_table().data())]->loops;
}

const Reducers& reducers_of(const ReduceRow& row) {
  if (reduction_level() == Level::Simd) return row.reducers;
  static const std::vector<const ReduceRow*> scalar = twins(reduce_table(), scalar_reduce_table());
  return scalar[static_cast<std::size_t>(&row - reduce_table().data())]->reducers;
}

}  // namespace sterna::ops
