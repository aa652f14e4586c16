// BitNet b1.58 2B4T (arXiv:2504.12285): squared ReLU gate, an RMSNorm before the output and the down
// projection.
#include "model/arch/rows.hpp"

namespace sterna::arch {
namespace {

constexpr std::string_view kAliases[] = {"bitnet-25"};
constexpr std::string_view kClasses[] = {"BitNetForCausalLM"};
constexpr WeightName kNames[] = {
    STERNA_LLAMA_NAMES,
    {WeightId::AttentionSubNorm, "blk.{}.attn_sub_norm", "model.layers.{}.self_attn.attn_sub_norm"},
    {WeightId::FfnSubNorm, "blk.{}.ffn_sub_norm", "model.layers.{}.mlp.ffn_sub_norm"},
};

}  // namespace

constinit const Architecture kBitnetB158{
    .name = "bitnet-b1.58",
    .gguf_aliases = kAliases,
    .hf_classes = kClasses,
    .default_activation = Activation::Relu2,
    .sub_norms = true,
    .gguf_permutes_qk = false,
    .hf_always_quantised = false,
    .names = kNames,
};

}  // namespace sterna::arch
