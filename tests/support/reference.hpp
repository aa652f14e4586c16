// Comparing logits with those of a reference implementation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace sterna::testing {

struct Agreement {
  double relative_l2 = 0;  ///< ‖a − b‖ / ‖b‖
  double top1 = 0;         ///< share of rows with the same largest logit
};

inline Agreement agreement(std::span<const float> a, std::span<const float> b, std::size_t vocab) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  std::size_t same = 0;
  const std::size_t rows = b.size() / vocab;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto best = [&](std::span<const float> x) {
      const auto r = x.subspan(row * vocab, vocab);
      return std::max_element(r.begin(), r.end()) - r.begin();
    };
    same += best(a) == best(b);
  }
  return {std::sqrt(difference / norm), static_cast<double>(same) / static_cast<double>(rows)};
}

}  // namespace sterna::testing
