#include "model/identity.hpp"

#include <algorithm>

#include "base/fnv1a.hpp"
#include "model/model_impl.hpp"

namespace sterna {
namespace {

// Where a tensor is looked at, and how much of it there: enough that other weights give other bytes.
constexpr std::size_t kPlaces = 16;
constexpr std::size_t kBytes = 64;

void add_samples(Fnv1a& hash, Bytes bytes) {
  const std::size_t length = std::min(kBytes, bytes.size());
  for (std::size_t i = 0; i < kPlaces; ++i)
    hash.add(bytes.subspan((bytes.size() - length) / (kPlaces - 1) * i, length));
}

}  // namespace

std::string model_identity(const Model& model) {
  const ModelConfig& config = model.config();
  Fnv1a hash;
  hash.add(std::string_view(config.architecture));
  for (const std::uint32_t n : {config.vocab, config.hidden, config.layers, config.heads, config.kv_heads,
                                config.head_dim, config.ffn, config.rope.dimensions})
    hash.add(n);
  hash.add(config.norm_eps).add(config.activation).add(config.sub_norms);
  hash.add(config.rope.theta).add(config.rope.linear_factor);
  for (const float factor : config.rope.frequency_factors) hash.add(factor);
  for (const StoredTensor& tensor : model.impl().checkpoint.container.tensors()) {
    hash.add(std::string_view(tensor.name)).add(tensor.dtype);
    for (const std::uint64_t n : tensor.shape) hash.add(n);
    add_samples(hash, tensor.bytes);
  }
  return hash.hex();
}

}  // namespace sterna
