// How a block of the KV cache is laid out; see KvBlockLayout in kernel_args.hpp.
#pragma once

#include "base/checked.hpp"
#include "kernels/kernel_args.hpp"

namespace sterna {

/// `scaled`: each key and value has a scale of its own, as int8 needs.
inline KvBlockLayout kv_block_layout(std::size_t head_dim, std::size_t element_bytes, bool scaled) {
  constexpr std::size_t kScales = kKvBlock * sizeof(float);
  KvBlockLayout layout{};
  layout.width = round_up<std::size_t>(head_dim, 16);
  layout.values = (scaled ? layout.width : head_dim) * kKvBlock * element_bytes + (scaled ? kScales : 0);
  layout.key_scales = scaled ? layout.values - kScales : 0;
  const std::size_t end = layout.values + kKvBlock * layout.width * element_bytes;
  layout.value_scales = scaled ? end : 0;
  layout.bytes = end + (scaled ? kScales : 0);
  return layout;
}

}  // namespace sterna
