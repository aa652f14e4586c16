// What is said of several measurements of one thing.
#pragma once

#include <algorithm>
#include <vector>

namespace sterna::cli {

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

inline double lowest(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

inline double highest(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

/// (greatest − least) / median
inline double spread(const std::vector<double>& values) {
  return (highest(values) - lowest(values)) / median(values);
}

}  // namespace sterna::cli
