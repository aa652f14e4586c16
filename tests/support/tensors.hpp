// Tensors of a safetensors file as vectors.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "format/safetensors/safetensors.hpp"
#include "sterna/tokenizer.hpp"

namespace sterna::testing {

template <class T>
std::vector<T> values_of(const Container& container, const std::string& name) {
  const StoredTensor* tensor = container.find(name);
  if (!tensor) throw std::runtime_error("no tensor " + name);
  std::vector<T> values(tensor->bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor->bytes.data(), values.size() * sizeof(T));
  return values;
}

inline std::vector<TokenId> ids_of(const Container& container, const std::string& name) {
  const auto wide = values_of<std::int64_t>(container, name);
  return {wide.begin(), wide.end()};
}

}  // namespace sterna::testing
