// 1bitLLM's reproduction of BitNet b1.58 (arXiv:2402.17764): SiLU gate with the same sub-norms under other
// names. Its checkpoints hold float master weights and say nothing of quantisation.
#include "model/arch/rows.hpp"

namespace sterna::arch {
namespace {

constexpr std::string_view kClasses[] = {"BitnetForCausalLM"};
constexpr WeightName kNames[] = {
    STERNA_LLAMA_NAMES,
    {WeightId::AttentionSubNorm, "blk.{}.attn_sub_norm", "model.layers.{}.self_attn.inner_attn_ln"},
    {WeightId::FfnSubNorm, "blk.{}.ffn_sub_norm", "model.layers.{}.mlp.ffn_layernorm"},
};

}  // namespace

constinit const Architecture kBitnet{
    .name = "bitnet",
    .gguf_aliases = {},
    .hf_classes = kClasses,
    .default_activation = Activation::Silu,
    .sub_norms = true,
    .gguf_permutes_qk = false,
    .hf_always_quantised = true,
    .names = kNames,
};

}  // namespace sterna::arch
