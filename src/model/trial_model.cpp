#include "model/trial_model.hpp"

#include <cstring>
#include <utility>

#include "kernels/kernel_table.hpp"
#include "model/model_impl.hpp"
#include "packing/registry.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {

Matrix matrix_of(DType dtype, std::uint64_t rows, std::uint64_t cols, Bytes bytes) {
  Matrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  const std::size_t stored = *storage_bytes(dtype, 1, cols);
  const bool direct = dense_slot(dtype) != nullptr;
  matrix.dtype = direct ? dtype : DType::F32;
  matrix.stride = direct ? stored : cols * sizeof(float);
  matrix.owned = AlignedBuffer(rows * matrix.stride, MemoryTag::Weights);
  matrix.data = matrix.owned.data();
  if (direct) {
    std::memcpy(matrix.owned.data(), bytes.data(), rows * stored);
    return matrix;
  }
  const Packing* packing = find_packing(dtype);
  for (std::uint64_t row = 0; row < rows; ++row) {
    auto* out = reinterpret_cast<float*>(matrix.owned.data() + row * matrix.stride);
    const std::byte* in = bytes.data() + row * stored;
    packing ? packing->dequantize_row(in, cols, out) : dequantize_row(dtype, in, cols, out);
  }
  return matrix;
}

TrialModel::TrialModel(const std::filesystem::path& path, const LoadOptions& options)
    : model_(Model::load_mutable(path, options)), weights_(model_->impl_->weights) {
  const Checkpoint& checkpoint = model_->impl_->checkpoint;
  tied_ = checkpoint.config.tied_embeddings;
  places_["token_embd"] = &weights_.embedding;
  if (!tied_) places_["output"] = &weights_.head.matrix;
  norms_["output_norm"] = &weights_.output_norm;
  for (std::size_t n = 0; n < checkpoint.layers.size(); ++n) {
    const LayerSource& source = checkpoint.layers[n];
    Layer& layer = weights_.layers[n];
    const std::pair<const LinearSource*, Linear*> linears[] = {
        {&source.query, &layer.query}, {&source.key, &layer.key},
        {&source.value, &layer.value}, {&source.attention_output, &layer.attention_output},
        {&source.gate, &layer.gate},   {&source.up, &layer.up},
        {&source.down, &layer.down}};
    for (const auto& [from, to] : linears) places_[from->name] = &to->matrix;
    const auto norm = [&](WeightId id, std::vector<float>& weights) {
      if (!weights.empty())
        norms_[gguf_name(*checkpoint.architecture, id, static_cast<std::uint32_t>(n))] = &weights;
    };
    norm(WeightId::AttentionNorm, layer.attention_norm);
    norm(WeightId::AttentionSubNorm, layer.attention_sub_norm);
    norm(WeightId::FfnNorm, layer.ffn_norm);
    norm(WeightId::FfnSubNorm, layer.ffn_sub_norm);
  }
}

Matrix& TrialModel::place(const std::string& name) {
  const auto at = places_.find(name);
  if (at == places_.end()) {
    throw Error(ErrorCategory::InvalidArgument, "the model has no such matrix", {{"found", name}});
  }
  return *at->second;
}

std::vector<float>& TrialModel::norm_place(const std::string& name) {
  const auto at = norms_.find(name);
  if (at == norms_.end()) {
    throw Error(ErrorCategory::InvalidArgument, "the model has no such norm", {{"found", name}});
  }
  return *at->second;
}

/// A tied head views the embedding's bytes.
void TrialModel::tie() {
  if (!tied_) return;
  Matrix& head = weights_.head.matrix;
  head.dtype = weights_.embedding.dtype;
  head.data = weights_.embedding.data;
  head.stride = weights_.embedding.stride;
}

void TrialModel::replace(const std::string& name, Matrix matrix) {
  Matrix& at = place(name);
  if (at.rows != matrix.rows || at.cols != matrix.cols) {
    throw Error(ErrorCategory::InvalidArgument, "the matrix has another shape than what it replaces",
                {{"matrix", name},
                 {"found", std::to_string(matrix.rows) + " x " + std::to_string(matrix.cols)},
                 {"expected", std::to_string(at.rows) + " x " + std::to_string(at.cols)}});
  }
  std::swap(at, matrix);
  originals_.try_emplace(name, std::move(matrix));  // the first is the original
  tie();
}

void TrialModel::replace_norm(const std::string& name, std::vector<float> weights) {
  std::vector<float>& at = norm_place(name);
  if (at.size() != weights.size()) {
    throw Error(
        ErrorCategory::InvalidArgument, "the norm has another length than what it replaces",
        {{"norm", name}, {"found", std::to_string(weights.size())}, {"expected", std::to_string(at.size())}});
  }
  std::swap(at, weights);
  original_norms_.try_emplace(name, std::move(weights));
}

void TrialModel::restore(const std::string& name) {
  if (const auto at = originals_.find(name); at != originals_.end()) {
    place(name) = std::move(at->second);
    originals_.erase(at);
    tie();
  }
  if (const auto at = original_norms_.find(name); at != original_norms_.end()) {
    norm_place(name) = std::move(at->second);
    original_norms_.erase(at);
  }
}

void TrialModel::restore() {
  while (!originals_.empty()) restore(std::string(originals_.begin()->first));
  while (!original_norms_.empty()) restore(std::string(original_norms_.begin()->first));
}

}  // namespace sterna
