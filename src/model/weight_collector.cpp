#include "model/weight_collector.hpp"

#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

constexpr std::size_t kNamedFaults = 8;  // an error is one line; a wrong architecture has hundreds of faults

}  // namespace

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

WeightCollector::WeightCollector(const Container& container, std::string file)
    : container_(container), file_(std::move(file)) {}

const StoredTensor* WeightCollector::optional(const std::string& name) {
  const StoredTensor* tensor = container_.find(name);
  if (tensor) used_.insert(tensor);
  return tensor;
}

const StoredTensor* WeightCollector::require(const std::string& name) {
  const StoredTensor* tensor = optional(name);
  if (!tensor) fault(name, "nothing", "a tensor");
  return tensor;
}

const StoredTensor* WeightCollector::vector(const std::string& name, std::uint64_t n, bool required) {
  const StoredTensor* tensor = required ? require(name) : optional(name);
  if (!tensor || !check_shape(*tensor, {n}) || !check_float(*tensor)) return nullptr;
  return tensor;
}

bool WeightCollector::check_shape(const StoredTensor& tensor, const std::vector<std::uint64_t>& expected) {
  if (tensor.shape == expected) return true;
  fault(tensor.name, shape_text(tensor.shape), shape_text(expected));
  return false;
}

bool WeightCollector::check_float(const StoredTensor& tensor) {
  if (can_dequantize(tensor.dtype)) return true;
  fault(tensor.name, std::string(name(tensor.dtype)), "a float type");
  return false;
}

void WeightCollector::fault(const std::string& tensor, const std::string& found,
                            const std::string& expected) {
  faults_.push_back(tensor + ": found " + found + ", expected " + expected);
}

void WeightCollector::finish(bool (*ignorable)(const std::string& name)) {
  for (const StoredTensor& tensor : container_.tensors()) {
    if (!used_.contains(&tensor) && !ignorable(tensor.name)) {
      fault(tensor.name, "a tensor", "none (the architecture has no use for it)");
    }
  }
  if (faults_.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < faults_.size() && i < kNamedFaults; ++i) list += (i ? "; " : "") + faults_[i];
  if (faults_.size() > kNamedFaults)
    list += "; and " + std::to_string(faults_.size() - kNamedFaults) + " more";
  throw Error(ErrorCategory::Mismatch, "the weights do not fit the configuration: " + list,
              {{"file", file_}});
}

}  // namespace sterna
