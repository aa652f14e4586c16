// What `convert` and `synth` have in common: the parts of a GGUF file that depend on the chosen types alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/gguf/gguf.hpp"
#include "sterna/dtype.hpp"

namespace sterna::gguf_model {

/// Throws InvalidArgument unless the types are among those that `convert` writes (ternary: I2_S, TQ2_0,
/// TQ1_0; head: F16, BF16, Q8_0, Q6_K).
void check_types(DType ternary, DType head);

/// The same for `synth`, whose linear layers may be F16 or BF16 too.
void check_synth_types(DType linear, DType head);

/// Throws Mismatch (tensor, found columns, expected multiple) when rows of `cols` cannot be stored as the
/// type.
void check_fits(const std::string& tensor, DType dtype, std::uint64_t rows, std::uint64_t cols);

/// The keys that describe a file most of whose linear layers are of this type.
void write_layout_keys(DType type, gguf::Metadata& metadata);

/// A tensor of one float32 vector.
gguf::OutTensor vector_tensor(std::string name, std::vector<float> values);

}  // namespace sterna::gguf_model
