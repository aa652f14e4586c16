// Sums of x·xᵀ over rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/thread_pool.hpp"

namespace sterna {

/// Rows that wait until there are enough to be worth a pass over the sum, in panels of 16 channels: a tile of
/// the sum takes two panels, which lie in the first-level cache.
class GramRows {
 public:
  explicit GramRows(std::size_t channels);

  void push(const float* row);
  bool full() const noexcept { return rows_ == kRows; }
  /// sum[i, j] += Σ x_i·x_j over the rows one after another, from 0, for all tiles on and above the diagonal;
  /// then there is no row. Product and sum are rounded separately, so that every instruction set gives the
  /// same bits.
  void add_to(float* sum, ThreadPool& pool);

 private:
  static constexpr std::size_t kRows = 64;  // 4 KB a panel
  std::size_t channels_;
  std::size_t rows_ = 0;
  std::vector<float> panels_;  ///< [⌈channels / 16⌉, kRows, 16]
};

/// Sums to means, and the rest of the matrix from what is above the diagonal.
void finish_gram(float* sum, std::size_t channels, std::uint64_t rows);

}  // namespace sterna
