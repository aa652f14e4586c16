// Error-compensated rounding: each weight is rounded with the errors of those before it made good for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "platform/thread_pool.hpp"
#include "quantize/grid.hpp"

namespace sterna {

/// What the inputs of a matrix let one rounding error make good for another: the upper triangular U with
/// (G + λI)⁻¹ = UᵀU, G = mean x·xᵀ of the inputs. One for all matrices that share an input.
class Compensation {
 public:
  /// `gram` [cols, cols], symmetric. λ = `damping` · the mean of its diagonal; an input that is always zero
  /// counts as one of the mean size. Throws InvalidArgument for a gram that is not finite or, damped, not
  /// positive definite. Computed by LAPACK in double (sterna/linalg.hpp): the last bits depend on the
  /// processor.
  Compensation(std::span<const float> gram, std::uint64_t cols, double damping = 0.01);

  std::uint64_t cols() const noexcept { return cols_; }
  /// U[j][j …], scaled so that the first is 1; and what it was.
  const float* row(std::uint64_t j) const noexcept { return upper_.data() + j * cols_; }

 private:
  std::uint64_t cols_;
  std::vector<float> upper_;  ///< [cols, cols]
};

/// Every group's scale fitted, every weight rounded to the nearest code, or to a trit by its rule's
/// threshold.
GridMatrix round_nearest(const Grid& grid, const GroupRules& rules, std::span<const float> weights,
                         std::uint64_t rows, std::uint64_t cols, std::span<const float> importance,
                         ThreadPool& pool);

/// GPTQ (Frantar et al. 2022, arXiv:2210.17323), columns in order: a group's scales are fitted when its first
/// column is reached, to the weights as compensated until then; after column j is rounded,
///
///   w[j + 1 …] −= (w[j] − ŵ[j]) · U[j][j + 1 …] / U[j][j]
///
/// which minimises Σ |(ŵ − w)·x|² over the columns that are left. `importance` as in fit_scale, the diagonal
/// of G usually. Rows are independent: the result does not depend on threads.
GridMatrix round_compensated(const Grid& grid, const GroupRules& rules, const Compensation& compensation,
                             std::span<const float> weights, std::uint64_t rows,
                             std::span<const float> importance, ThreadPool& pool);

struct OutputError {
  double error = 0;  ///< Σ over rows of mean ((ŵ − w)·x)²
  double whole = 0;  ///< Σ over rows of mean (w·x)²
  double relative() const noexcept { return whole > 0 ? error / whole : 0; }
};
/// Over inputs x with mean x·xᵀ = gram [cols, cols].
OutputError output_error(std::span<const float> weights, std::span<const float> quantised, std::uint64_t rows,
                         std::uint64_t cols, std::span<const float> gram, ThreadPool& pool);

}  // namespace sterna
