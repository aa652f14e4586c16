// The tales model as its files carry it: what tests of several layers compare with.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/half.hpp"
#include "format/safetensors/safetensors.hpp"
#include "packing/hf_u8.hpp"

namespace sterna::testing {

/// A linear layer's names in a Hugging Face checkpoint and in a GGUF file.
struct LinearName {
  std::string hf;    ///< without ".weight"
  std::string gguf;  ///< without ".weight"
};

inline std::vector<LinearName> tales_linears() {
  static constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"},  {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  std::vector<LinearName> names;
  for (int layer = 0; layer < 6; ++layer) {
    const std::string number = std::to_string(layer);
    for (const auto& [hf, gguf] : kParts) {
      names.push_back(
          {"model.layers." + number + "." + std::string(hf), "blk." + number + "." + std::string(gguf)});
    }
  }
  return names;
}

inline const StoredTensor& tensor_of(const Container& container, const std::string& name) {
  const StoredTensor* tensor = container.find(name);
  if (!tensor) throw std::runtime_error("no tensor " + name);
  return *tensor;
}

/// A linear of models/tales/packed: its scale is stored as one bf16, to multiply by.
inline TernaryMatrix packed_linear(const Container& packed, const LinearName& name) {
  const StoredTensor& weight = tensor_of(packed, name.hf + ".weight");
  const StoredTensor& scale = tensor_of(packed, name.hf + ".weight_scale");
  return unpack_hf_u8(weight.bytes, 4 * weight.rows(), weight.cols(),
                      bf16_to_f32(load_unaligned<std::uint16_t>(scale.bytes.data())));
}

}  // namespace sterna::testing
