// Which linear layers of a block read the same input.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace sterna {

struct LayerInput {
  std::string_view name;                    ///< of the input
  std::array<std::string_view, 3> linears;  ///< those that read it, the first ones not empty

  std::span<const std::string_view> readers() const noexcept {
    std::size_t n = 0;
    while (n < linears.size() && !linears[n].empty()) ++n;
    return {linears.data(), n};
  }
};

/// In the order of the forward pass.
inline constexpr std::array kLayerInputs{
    LayerInput{"attn_in", {"attn_q", "attn_k", "attn_v"}},
    LayerInput{"attn_out_in", {"attn_output"}},
    LayerInput{"ffn_in", {"ffn_gate", "ffn_up"}},
    LayerInput{"down_in", {"ffn_down"}},
};

}  // namespace sterna
