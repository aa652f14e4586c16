// A head in 4 bits, and how far its products can be from those of the head itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/screen_kernels.hpp"
#include "memory/aligned_buffer.hpp"
#include "model/weights.hpp"

namespace sterna {

/// What a coarse row r gives for activations x ≈ σ·p, p integers:
///   product_r = scale · σ · Σ_k m_r(k / 32) · (2 · code_rk − 15) · p_k
///   |logit_r − product_r| ≤ residual · ‖σ·p‖ + norm · (‖x − σ·p‖ + γ·‖x‖) + the smallest normal float
/// where logit_r is what the head's own kernel computes in float32. The proof is in coarse_head.cpp.
struct CoarseRow {
  float scale;
  float residual;  ///< ‖w_r − scale · m_r · (2 · code_r − 15)‖, rounded up
  float norm;      ///< ‖w_r‖, rounded up
};

struct CoarseHead {
  std::size_t rows = 0;
  std::size_t cols = 0;           ///< of the head
  std::size_t padded = 0;         ///< to whole groups of the kernel
  std::vector<CoarseRow> bounds;  ///< [rows]
  AlignedBuffer codes;            ///< and multipliers
  std::size_t stride = 0;         ///< bytes from row to row
  float largest_norm = 0;         ///< of all rows
  void (*kernel)(const ScreenArgs&) = nullptr;

  std::uint64_t bytes() const noexcept { return codes.size() + bounds.size() * sizeof(CoarseRow); }
};

/// The coarse copy of a head, or null where none can stand for it: a head with a bias, with a weight that is
/// not finite or beyond 10^18, or too wide for the coarse kernel.
std::shared_ptr<const CoarseHead> make_coarse_head(const Linear& head, const ScreenKernel& kernel,
                                                   ThreadPool& pool);

/// One token's activations as the coarse kernel takes them, and the factors of the rows' bounds.
class CoarseInput {
 public:
  explicit CoarseInput(const CoarseHead& head);

  /// From what the head's kernel takes: activations x [cols], or scale · codes where codes are given. False
  /// when nothing can be said: an activation is not finite, or so large that the head's float32 sums might
  /// overflow.
  bool set(const float* x, const std::int16_t* codes, float scale);

  /// estimate[r] ≈ logit_r ≤ upper[r] for rows [begin, end).
  void bound_rows(std::size_t begin, std::size_t end, float* estimate, float* upper) const;

 private:
  const CoarseHead& head_;
  std::vector<double> x_;                           ///< [cols]
  std::vector<std::int8_t> high_, low_;             ///< [padded]: p, as ScreenArgs has it
  std::vector<std::int16_t> high_sums_, low_sums_;  ///< of each block
  double step_ = 0;                                 ///< σ
  double for_residual_ = 0;                         ///< ‖σ·p‖
  double for_norm_ = 0;                             ///< ‖x − σ·p‖ + γ·‖x‖
};

}  // namespace sterna
