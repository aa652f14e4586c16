// Model files to model files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "sterna/dtype.hpp"
#include "sterna/log.hpp"

namespace sterna {

struct ConvertOptions {
  DType ternary = DType::I2_S;  ///< I2_S, TQ2_0 or TQ1_0: of the linear layers
  DType head = DType::F16;      ///< F16, BF16, Q8_0 or Q6_K: of the embedding and an untied head
  std::uint32_t i2s_group = 0;  ///< of the input, as in LoadOptions
  unsigned threads = 0;
  Progress progress{};
};

struct ConvertReport {
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rounded_scales = 0;  ///< ternary tensors whose scale the type holds only rounded (f16)
};

/// Reads a Hugging Face folder or a GGUF and writes a GGUF v3, atomically, with the metadata complete. The
/// bytes depend on the input and the types alone. Throws Mismatch when a matrix's columns are no multiple of
/// the type's block.
ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out,
                      const ConvertOptions& options = {});

struct SynthOptions {
  std::string shape = "2b4t";  ///< 2b4t, 0.7b, 3b, 8b, tales
  DType ternary =
      DType::I2_S;  ///< of the linear layers: as ConvertOptions has it, or F16 or BF16 (float layers)
  DType head = DType::F16;
  std::uint64_t seed = 0;
  Progress progress{};
};

/// Writes a model of a published shape with random weights, tensor by tensor, and a byte-level tokenizer: for
/// benchmarks.
ConvertReport synthesize(const std::filesystem::path& out, const SynthOptions& options);

}  // namespace sterna
