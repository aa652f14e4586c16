// The logits that a sampler needs, without computing all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "model/coarse_head.hpp"

namespace sterna {

/// Which logits must be exact: those of `always`, and of the other ids those that are both among the `top`
/// largest (0: of any rank; of equal ones all) and at least the largest − `below_best`.
struct NeededLogits {
  std::size_t top = 1;
  double below_best = std::numeric_limits<double>::infinity();
  std::span<const std::int32_t> always{};
};

struct HeadStatistics {
  std::uint64_t tokens = 0;
  std::uint64_t screened = 0;  ///< of these, those whose logits were screened
  std::uint64_t rows = 0;      ///< of the head, computed exactly for these
};

/// Chooses the rows of the head whose logits are needed. For each token:
///   start, then bound() for all rows, in any order by any threads;
///   best(), whose logits the caller computes into `logits`;
///   rest(), likewise. Then every logit that is needed is there.
/// The logits of any k rows tell that the k-th largest of all is at least the smallest of theirs. A row whose
/// upper bound is below that is not needed. Nothing is allocated after construction.
class HeadScreen {
 public:
  explicit HeadScreen(std::shared_ptr<const CoarseHead> coarse, std::size_t head_stride);

  /// False when all logits are to be computed instead: too many are asked for, nothing can be said of these
  /// activations, or the last tokens kept so many rows that screening cost more than the head does.
  bool start(const NeededLogits& needed, const float* x, const std::int16_t* codes, float scale);
  void bound(std::size_t begin, std::size_t end) {
    input_.bound_rows(begin, end, estimate_.data(), upper_.data());
  }
  std::span<const std::int32_t> best();
  /// `logits` [rows]: those of best() are exact, the others −infinity.
  std::span<const std::int32_t> rest(const float* logits);

  const HeadStatistics& statistics() const noexcept { return statistics_; }
  std::span<const float> upper_bounds() const noexcept { return upper_; }  ///< of the last token's logits

 private:
  bool asked_for(std::int32_t id) const;
  void learn(std::size_t kept);

  std::shared_ptr<const CoarseHead> coarse_;
  std::size_t head_stride_;
  CoarseInput input_;
  NeededLogits needed_;
  bool any_rank_ = false;
  std::vector<float> estimate_, upper_;  ///< [rows]
  std::vector<std::int32_t> ids_;        ///< best, or the rest: no more than all rows and `always`
  std::size_t skip_ = 0;                 ///< tokens to come without screening
  std::size_t pause_ = 0;                ///< after the next token that does not pay
  HeadStatistics statistics_;
};

}  // namespace sterna
