#pragma once

#include "format/gguf/gguf.hpp"
#include "model/checkpoint.hpp"

namespace sterna::gguf_model {

/// Metadata keys that are Sterna's own: what the format has no standard key for.
inline constexpr std::string_view kI2sGroupKey = "sterna.i2s_group";
inline constexpr std::string_view kActivationKey = "sterna.activation";
inline constexpr std::string_view kKvTypeKey = "sterna.kv_type";
inline constexpr std::string_view kLinearNormEpsilonKey = "sterna.linear_norm_epsilon";

/// A GGUF file, whole or split; see open_checkpoint.
Checkpoint open(const std::filesystem::path& path, const CheckpointOptions& options);

/// The configuration in the metadata, without tensors. Throws Format and Unsupported.
ModelConfig read_config(const gguf::Metadata& metadata, const Architecture& architecture,
                        const std::string& file);
/// The metadata that read_config reads back, `general.architecture` included.
void write_config(const ModelConfig& config, const Architecture& architecture, gguf::Metadata& metadata);

/// Nothing when the file holds no tokenizer. Throws Format and Unsupported.
std::optional<TokenizerSpec> read_tokenizer(const gguf::Metadata& metadata, const std::string& file);
/// `vocab` ≥ tokens: the rows of the embedding; missing tokens are written as unused ones, as other programs
/// expect.
void write_tokenizer(const TokenizerSpec& spec, std::uint32_t vocab, gguf::Metadata& metadata);

std::string_view to_string(Activation activation) noexcept;

}  // namespace sterna::gguf_model
