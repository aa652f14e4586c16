#include "model/checkpoint.hpp"

#include "model/gguf_checkpoint.hpp"
#include "model/hf_checkpoint.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

void check_tokenizer(const Checkpoint& checkpoint) {
  if (!checkpoint.tokenizer || checkpoint.tokenizer->tokens.size() <= checkpoint.config.vocab) return;
  throw Error(ErrorCategory::Mismatch, "the tokenizer has more tokens than the model has embeddings",
              {{"file", checkpoint.path.string()},
               {"found", std::to_string(checkpoint.tokenizer->tokens.size())},
               {"expected", "at most " + std::to_string(checkpoint.config.vocab)}});
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& path, const CheckpointOptions& options) {
  std::error_code ignored;
  Checkpoint checkpoint = std::filesystem::is_directory(path, ignored) ? hf::open(path, options)
                                                                       : gguf_model::open(path, options);
  check_tokenizer(checkpoint);
  return checkpoint;
}

std::uint64_t stored_row(const LinearSource& source, std::uint64_t row) noexcept {
  if (source.interleaved_heads == 0) return row;
  // Row t·d/2 + j of a head of d rows (t = 0, 1) is stored as 2j + t: the pairs of the rotation lie together.
  const std::uint64_t d = source.rows / source.interleaved_heads;
  const std::uint64_t head = row / d;
  const std::uint64_t within = row % d;
  return head * d + 2 * (within % (d / 2)) + within / (d / 2);
}

std::vector<float> read_vector(const StoredTensor& tensor) {
  std::vector<float> values(tensor.rows() * tensor.cols());
  const std::uint64_t row_bytes = *storage_bytes(tensor.dtype, 1, tensor.cols());
  for (std::uint64_t row = 0; row < tensor.rows(); ++row) {
    dequantize_row(tensor.dtype, tensor.bytes.data() + row * row_bytes, tensor.cols(),
                   values.data() + row * tensor.cols());
  }
  return values;
}

}  // namespace sterna
