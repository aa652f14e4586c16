#include "format/container.hpp"

#include <utility>

namespace sterna {

const StoredTensor* Container::find(std::string_view name) const noexcept {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &tensors_[at->second];
}

bool Container::add(StoredTensor tensor) {
  if (!index_.try_emplace(tensor.name, tensors_.size()).second) return false;
  tensors_.push_back(std::move(tensor));
  return true;
}

}  // namespace sterna
