// Llama (arXiv:2302.13971) with ternary or dense linears: Llama3-8B-1.58, Falcon3-1.58bit, Falcon-E.
#include "model/arch/rows.hpp"

namespace sterna::arch {
namespace {

constexpr std::string_view kClasses[] = {"LlamaForCausalLM"};
constexpr WeightName kNames[] = {STERNA_LLAMA_NAMES};

}  // namespace

constinit const Architecture kLlama{
    .name = "llama",
    .gguf_aliases = {},
    .hf_classes = kClasses,
    .default_activation = Activation::Silu,
    .sub_norms = false,
    .gguf_permutes_qk = true,
    .hf_always_quantised = false,
    .names = kNames,
};

}  // namespace sterna::arch
