// Finds a model's weights in a container, and gathers everything that is wrong before it complains.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "format/container.hpp"

namespace sterna {

class WeightCollector {
 public:
  /// `container` must outlive the collector; `file` is for the message.
  WeightCollector(const Container& container, std::string file);

  /// The tensor of a name, which must exist; null and a fault otherwise.
  const StoredTensor* require(const std::string& name);
  /// The tensor of a name, or null.
  const StoredTensor* optional(const std::string& name);

  /// A required or optional tensor of one dimension with n float values.
  const StoredTensor* vector(const std::string& name, std::uint64_t n, bool required = true);
  /// Notes a fault unless the tensor has this shape.
  bool check_shape(const StoredTensor& tensor, const std::vector<std::uint64_t>& expected);
  bool check_float(const StoredTensor& tensor);
  void fault(const std::string& tensor, const std::string& found, const std::string& expected);

  /// Throws Mismatch when there were faults or when the container has tensors that nobody asked for, unless
  /// ignorable(name). The first faults are named one by one, the rest counted.
  void finish(bool (*ignorable)(const std::string& name));

 private:
  const Container& container_;
  std::string file_;
  std::unordered_set<const StoredTensor*> used_;
  std::vector<std::string> faults_;
};

std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace sterna
