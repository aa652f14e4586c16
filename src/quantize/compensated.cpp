#include "quantize/compensated.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include "kernels/kernel_table.hpp"
#include "sterna/error.hpp"
#include "sterna/linalg.hpp"
#include "sterna/tensor.hpp"

namespace sterna {
namespace {

// Rows that share a pass over U: a row of U is read once for all of them, and they stay in the L1 cache.
constexpr std::size_t kRowsTogether = 4;

GridMatrix empty_matrix(const Grid& grid, std::uint64_t rows, std::uint64_t cols) {
  if (cols % grid.group != 0) {
    throw Error(ErrorCategory::Mismatch, "a row does not divide into groups",
                {{"found", std::to_string(cols) + " columns"},
                 {"expected", "a multiple of " + std::to_string(grid.group)}});
  }
  return {rows, cols, grid.group, std::vector<std::int8_t>(rows * cols),
          std::vector<float>(rows * (cols / grid.group))};
}

/// Calls work(begin, end) for shares of [0, rows) and rethrows the failure of the first share.
template <class Work>
void for_rows(ThreadPool& pool, std::uint64_t rows, Work&& work) {
  std::vector<std::exception_ptr> failures(pool.size());
  pool.parallel_for(rows, kRowsTogether, [&](std::size_t begin, std::size_t end, unsigned thread) {
    try {
      work(begin, end);
    } catch (...) {
      failures[thread] = std::current_exception();
    }
  });
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

/// One column of several rows, and what its errors do to the columns after it.
void round_column(const Grid& grid, const float* upper, std::uint64_t cols, std::uint64_t j, float* rows,
                  std::size_t count, const GroupFit* fits, std::int8_t* codes) {
  for (std::size_t r = 0; r < count; ++r) {
    float* row = rows + r * cols;
    const int code = code_of(grid, row[j], fits[r]);
    codes[r * cols + j] = static_cast<std::int8_t>(code);
    const float error = row[j] - static_cast<float>(code) * fits[r].scale;
    if (error == 0) continue;
    for (std::uint64_t k = j + 1; k < cols; ++k) row[k] -= error * upper[k];
  }
}

}  // namespace

Compensation::Compensation(std::span<const float> gram, std::uint64_t cols, double damping)
    : cols_(cols), upper_(cols * cols) {
  if (gram.size() != cols * cols) {
    throw Error(ErrorCategory::InvalidArgument, "the second moments do not fit the matrix",
                {{"found", std::to_string(gram.size()) + " numbers"},
                 {"expected", std::to_string(cols) + " squared"}});
  }
  std::vector<double> damped(gram.begin(), gram.end());
  double mean = 0;
  for (std::uint64_t i = 0; i < cols; ++i) mean += damped[i * cols + i] / static_cast<double>(cols);
  for (std::uint64_t i = 0; i < cols; ++i) {
    double& diagonal = damped[i * cols + i];
    if (diagonal == 0) diagonal = mean > 0 ? mean : 1;
    diagonal += damping * mean;
  }
  // The lower factor of A⁻¹ is Uᵀ.
  const auto n = static_cast<std::int64_t>(cols);
  const Tensor a = Tensor::from(std::span<const double>(damped), Shape{n, n});
  const Tensor lower = cholesky(inv(a));
  const auto* l = lower.data<double>();
  for (std::uint64_t j = 0; j < cols; ++j) {
    const double diagonal = l[j * cols + j];
    for (std::uint64_t k = j; k < cols; ++k)
      upper_[j * cols + k] = static_cast<float>(l[k * cols + j] / diagonal);
  }
}

GridMatrix round_nearest(const Grid& grid, const GroupRules& rules, std::span<const float> weights,
                         std::uint64_t rows, std::uint64_t cols, std::span<const float> importance,
                         ThreadPool& pool) {
  GridMatrix matrix = empty_matrix(grid, rows, cols);
  for_rows(pool, rows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      for (std::uint64_t at = 0; at < cols; at += grid.group) {
        const auto w = weights.subspan(row * cols + at, grid.group);
        const auto a = importance.empty() ? importance : importance.subspan(at, grid.group);
        const GroupFit fit = fit_group(grid, rules, w, a);
        matrix.scales[(row * cols + at) / grid.group] = fit.scale;
        codes_of(grid, w, fit, matrix.codes.data() + row * cols + at);
      }
    }
  });
  return matrix;
}

GridMatrix round_compensated(const Grid& grid, const GroupRules& rules, const Compensation& compensation,
                             std::span<const float> weights, std::uint64_t rows,
                             std::span<const float> importance, ThreadPool& pool) {
  const std::uint64_t cols = compensation.cols();
  GridMatrix matrix = empty_matrix(grid, rows, cols);
  for_rows(pool, rows, [&](std::size_t begin, std::size_t end) {
    std::vector<float> work(kRowsTogether * cols);
    for (std::size_t first = begin; first < end; first += kRowsTogether) {
      const std::size_t count = std::min(kRowsTogether, end - first);
      std::copy_n(weights.data() + first * cols, count * cols, work.data());
      GroupFit fits[kRowsTogether];
      for (std::uint64_t j = 0; j < cols; ++j) {
        if (j % grid.group == 0) {
          const auto a = importance.empty() ? importance : importance.subspan(j, grid.group);
          for (std::size_t r = 0; r < count; ++r) {
            fits[r] = fit_group(grid, rules, {work.data() + r * cols + j, grid.group}, a);
            matrix.scales[((first + r) * cols + j) / grid.group] = fits[r].scale;
          }
        }
        round_column(grid, compensation.row(j), cols, j, work.data(), count, fits,
                     matrix.codes.data() + first * cols);
      }
    }
  });
  return matrix;
}

OutputError output_error(std::span<const float> weights, std::span<const float> quantised, std::uint64_t rows,
                         std::uint64_t cols, std::span<const float> gram, ThreadPool& pool) {
  // Rows that share a pass over G, in the place of tokens: it is read once for all of them.
  constexpr std::size_t kTogether = 32;
  static const FloatKernels kKernels = select_float_kernels();
  std::vector<double> errors(rows);
  std::vector<double> whole(rows);
  for_rows(pool, rows, [&](std::size_t begin, std::size_t end) {
    std::vector<float> difference(kTogether * cols);
    std::vector<float> products(kTogether * cols);
    // sums[r] = w[r]·G·w[r], of rows w [count, cols]
    const auto quadratic = [&](const float* w, std::size_t count, double* sums) {
      kKernels.dense_f32({.weights = reinterpret_cast<const std::byte*>(gram.data()),
                          .weight_stride = cols * sizeof(float),
                          .cols = cols,
                          .x = w,
                          .x_stride = cols,
                          .tokens = count,
                          .row_begin = 0,
                          .row_end = cols,
                          .out = products.data(),
                          .out_stride = cols});
      for (std::size_t r = 0; r < count; ++r) {
        double sum = 0;
        for (std::size_t k = r * cols; k < (r + 1) * cols; ++k) {
          sum += static_cast<double>(w[k]) * static_cast<double>(products[k]);
        }
        sums[r] = std::max(sum, 0.0);
      }
    };
    for (std::size_t first = begin; first < end; first += kTogether) {
      const std::size_t count = std::min(kTogether, end - first);
      const float* w = weights.data() + first * cols;
      for (std::size_t k = 0; k < count * cols; ++k) difference[k] = quantised[first * cols + k] - w[k];
      quadratic(difference.data(), count, errors.data() + first);
      quadratic(w, count, whole.data() + first);
    }
  });
  OutputError sum;
  for (std::uint64_t row = 0; row < rows; ++row) sum.error += errors[row], sum.whole += whole[row];
  return sum;
}

}  // namespace sterna
