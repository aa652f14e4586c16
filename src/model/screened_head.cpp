#include "model/screened_head.hpp"

#include <algorithm>

namespace sterna {
namespace {

/// More than this share of the rows would have to be ordered to find the first threshold, and far more kept.
constexpr std::size_t kLargestTopShare = 8;
/// A text that is hard to screen stays so for a while: after a token that did not pay, screening pauses for
/// twice as many tokens as the last time, up to this many.
constexpr std::size_t kLongestPause = 64;

}  // namespace

HeadScreen::HeadScreen(std::shared_ptr<const CoarseHead> coarse, std::size_t head_stride)
    : coarse_(std::move(coarse)),
      head_stride_(head_stride),
      input_(*coarse_),
      estimate_(coarse_->rows),
      upper_(coarse_->rows),
      ids_(coarse_->rows + coarse_->rows / kLargestTopShare) {}

bool HeadScreen::start(const NeededLogits& needed, const float* x, const std::int16_t* codes, float scale) {
  ++statistics_.tokens;
  if (skip_ > 0) {
    --skip_;
    return false;
  }
  needed_ = needed;
  any_rank_ = needed.top == 0;
  if (any_rank_) needed_.top = 1;  // the largest tells what is near it
  if (needed_.top + needed_.always.size() > coarse_->rows / kLargestTopShare) return false;
  return input_.set(x, codes, scale);
}

bool HeadScreen::asked_for(std::int32_t id) const {
  return std::ranges::find(needed_.always, id) != needed_.always.end();
}

std::span<const std::int32_t> HeadScreen::best() {
  // A heap of the `top` largest estimates, the least of them first. Few rows get past it.
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    return estimate_[static_cast<std::size_t>(a)] > estimate_[static_cast<std::size_t>(b)];
  };
  const auto first = ids_.begin();
  const auto last = first + static_cast<std::ptrdiff_t>(needed_.top);
  auto end = first;
  for (std::size_t r = 0; r < estimate_.size(); ++r) {
    const auto id = static_cast<std::int32_t>(r);
    if (end == last && !larger(id, *first)) continue;
    if (asked_for(id)) continue;
    if (end == last) {
      std::pop_heap(first, end, larger);
      *(end - 1) = id;
    } else {
      *end++ = id;
    }
    std::push_heap(first, end, larger);
  }
  return {ids_.data(), needed_.top};
}

std::span<const std::int32_t> HeadScreen::rest(const float* logits) {
  float least = std::numeric_limits<float>::infinity();
  float largest = -least;
  for (std::size_t i = 0; i < needed_.top; ++i) {
    const float logit = logits[ids_[i]];
    least = std::min(least, logit);
    largest = std::max(largest, logit);
  }
  double threshold = static_cast<double>(largest) - needed_.below_best;
  if (!any_rank_) threshold = std::max(threshold, static_cast<double>(least));
  std::size_t count = 0;
  for (const std::int32_t id : needed_.always) ids_[count++] = id;
  for (std::size_t r = 0; r < upper_.size(); ++r) {
    // Those of best() have their logits already; an id of `always` may come twice, which costs a row.
    if (static_cast<double>(upper_[r]) < threshold || logits[r] > -std::numeric_limits<float>::infinity())
      continue;
    ids_[count++] = static_cast<std::int32_t>(r);
  }
  learn(needed_.top + count);
  return {ids_.data(), count};
}

void HeadScreen::learn(std::size_t kept) {
  ++statistics_.screened;
  statistics_.rows += kept;
  // Rows here and there are read at less than half the speed of all in a stream: on two cores of a Sapphire
  // Rapids 41 % of a 2B4T's at 13 GB/s where the whole head has 30.
  constexpr std::size_t kApart = 9, kTogether = 4;
  const std::size_t coarse = coarse_->rows * (coarse_->stride + sizeof(CoarseRow));
  const bool paid = coarse + kept * head_stride_ * kApart / kTogether < coarse_->rows * head_stride_;
  if (paid) {
    pause_ = 0;
    return;
  }
  pause_ = std::clamp<std::size_t>(2 * pause_, 1, kLongestPause);
  skip_ = pause_;
}

}  // namespace sterna
