// A checkpoint, whatever its format, as a GGUF file: all of its tensors, some of them perhaps in other types
// or with other values.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/checkpoint.hpp"
#include "sterna/convert.hpp"

namespace sterna {

/// Stores rows [first, first + rows) of a matrix, in the model's order, as `dtype`: `w` [rows, cols] are the
/// checkpoint's weights, `out` has the rows' bytes. Called on one thread, for rows that follow each other.
struct MatrixEncoder {
  DType dtype;
  std::function<void(std::uint64_t first, std::uint64_t rows, std::span<const float> w, MutableBytes out)>
      encode;
};

struct WriteOptions {
  DType ternary = DType::I2_S;  ///< of ternary layers
  DType head = DType::F16;      ///< of embedding and head
  /// By name, "blk.0.attn_q", "token_embd", "output": what is stored otherwise. Only of dense layers.
  std::map<std::string, MatrixEncoder> encoders{};
  /// By name, "blk.0.attn_norm", "output_norm": norms with other weights.
  std::map<std::string, std::vector<float>> norms{};
  unsigned threads = 0;
  Progress progress{};
};

/// Writes a GGUF v3 with the metadata complete, atomically. A matrix goes through memory by itself, and its
/// pages of the input, which must be mapped, are given back after it. Throws Mismatch where a matrix's
/// columns are no multiple of its type's block.
ConvertReport write_model(const Checkpoint& checkpoint, const std::filesystem::path& out,
                          const WriteOptions& options);

/// The rows of a dense layer in the model's order, [rows, cols], from `first` on. Throws Format for a weight
/// that is not finite (`tensor`, `row`, `column`).
void read_rows(const LinearSource& source, std::uint64_t first, std::uint64_t rows, float* out);

}  // namespace sterna
