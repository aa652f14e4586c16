// A ternary product to time, and what it must give.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/kernels/kernel_case.hpp"
#include "kernels/kernel_table.hpp"
#include "memory/aligned_buffer.hpp"

namespace sterna::cli {

/// Random weights [rows, cols] in a packing, random activations of `tokens` tokens, and the reference's
/// integers for some of the rows.
class TernaryProblem {
 public:
  TernaryProblem(DType packing, std::size_t rows, std::size_t cols, std::size_t tokens);

  /// The first `tokens` tokens, rows in equal shares for the pool's threads; `weights` are stored().
  void run(const TernaryKernel& kernel, const std::byte* weights, std::size_t tokens, ThreadPool& pool);
  /// Runs the kernel and compares all tokens of the rows that the reference computed, and returns how many
  /// integers these are. Throws Internal at the first that differs.
  std::size_t check(const TernaryKernel& kernel, std::size_t tokens, ThreadPool& pool);

  Bytes stored() const noexcept { return stored_; }
  std::size_t row_bytes() const noexcept { return stride_; }

 private:
  std::size_t rows_;
  std::size_t cols_;
  std::size_t tokens_;
  std::size_t stride_;
  std::size_t x_stride_;
  std::vector<std::byte> stored_;
  AlignedBuffer x_;
  std::vector<std::int32_t> x_sums_;
  std::vector<std::int32_t> out_;
  std::vector<std::size_t> checked_rows_;
  std::vector<std::int32_t> expected_;  ///< [checked row][token]
};

}  // namespace sterna::cli
