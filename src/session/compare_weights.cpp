// Two models' matrices, row by row as float.
#include <algorithm>
#include <map>

#include "model/model_impl.hpp"
#include "quantize/metrics.hpp"
#include "sterna/compare.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

/// Every matrix of a model by its canonical name, in file order.
std::vector<LinearSource> matrices_of(const Checkpoint& checkpoint) {
  std::vector<LinearSource> all;
  LinearSource embedding;
  embedding.name = "token_embd";
  embedding.weight = checkpoint.embedding;
  embedding.rows = checkpoint.config.vocab;
  embedding.cols = checkpoint.config.hidden;
  all.push_back(embedding);
  for (const LayerSource& layer : checkpoint.layers) {
    for_each_linear(layer, [&](const LinearSource& linear) { all.push_back(linear); });
  }
  if (checkpoint.head.weight != checkpoint.embedding) {
    all.push_back(checkpoint.head);
    all.back().name = "output";
  }
  return all;
}

/// Rows in the model's order, with all scales.
class Rows {
 public:
  Rows(const LinearSource& source, const UnpackOptions& unpack) : source_(source), row_(source.cols) {
    if (source.encoding != WeightEncoding::Dense) trits_ = read_ternary(source, unpack);
  }
  std::span<const float> operator[](std::uint64_t row) {
    const std::uint64_t cols = source_.cols;
    if (source_.encoding == WeightEncoding::Dense) {
      const StoredTensor& stored = *source_.weight;
      dequantize_row(stored.dtype,
                     stored.bytes.data() + stored_row(source_, row) * *storage_bytes(stored.dtype, 1, cols),
                     cols, row_.data());
      for (float& w : row_) w *= source_.scale;
      return row_;
    }
    const TernaryScales& scales = trits_.scales;
    const std::uint64_t blocks =
        scales.grain == ScaleGrain::Block ? (cols + scales.block - 1) / scales.block : 0;
    for (std::uint64_t k = 0; k < cols; ++k) {
      const std::uint64_t scale = scales.grain == ScaleGrain::Tensor ? 0
                                  : scales.grain == ScaleGrain::Row  ? row
                                                                     : row * blocks + k / scales.block;
      row_[k] = static_cast<float>(trits_.trits[row * cols + k]) * scales.values[scale];
    }
    return row_;
  }

 private:
  const LinearSource& source_;
  TernaryMatrix trits_;
  std::vector<float> row_;
};

}  // namespace

void compare_weights(const Model& a, const Model& b, Comparison& comparison) {
  const Checkpoint &in_a = a.impl().checkpoint, &in_b = b.impl().checkpoint;
  const std::vector<LinearSource> all_a = matrices_of(in_a), all_b = matrices_of(in_b);
  std::map<std::string, const LinearSource*> of_b;
  for (const LinearSource& source : all_b) of_b[source.name] = &source;
  for (const LinearSource& source : all_a) {
    const auto found = of_b.find(source.name);
    if (found == of_b.end() || found->second->rows != source.rows || found->second->cols != source.cols) {
      comparison.unmatched.push_back(source.name);
      if (found != of_b.end()) of_b.erase(found);
      continue;
    }
    const LinearSource& other = *found->second;
    ComparedMatrix matrix{source.name,
                          source.rows,
                          source.cols,
                          source.weight->dtype,
                          other.weight->dtype,
                          source.weight->bytes.size(),
                          other.weight->bytes.size(),
                          {}};
    Rows rows_a(source, in_a.unpack), rows_b(other, in_b.unpack);
    ErrorSums sums;
    for (std::uint64_t row = 0; row < source.rows; ++row) sums.add(rows_a[row], rows_b[row]);
    matrix.error = sums.weight_error();
    comparison.matrices.push_back(matrix);
    of_b.erase(found);
  }
  for (const LinearSource& source : all_b) {
    if (of_b.contains(source.name)) comparison.unmatched.push_back(source.name);
  }
}

}  // namespace sterna
