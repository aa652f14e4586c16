// A model's weights as the kernels read them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/dispatch.hpp"
#include "memory/aligned_buffer.hpp"
#include "model/checkpoint.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// A matrix [rows, cols] in a layout that kernels read. Its bytes belong to the checkpoint's files where they
/// can be used as they lie, else to `owned`.
struct Matrix {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  DType dtype = DType::F32;
  const std::byte* data = nullptr;
  std::size_t stride = 0;         ///< bytes from row to row
  bool ternary = false;           ///< else dense
  float scale = 1;                ///< of a ternary matrix
  std::vector<float> row_scales;  ///< empty, or one more factor per row
  AlignedBuffer owned;
};

/// y = W · x (+ bias); with an input norm, W · norm(x).
struct Linear {
  Matrix matrix;
  std::vector<float> bias;
  std::vector<float> input_norm;
  float input_norm_eps = 0;
};

struct Layer {
  std::vector<float> attention_norm;
  Linear query, key, value;
  std::vector<float> attention_sub_norm;  ///< empty without sub-norms
  Linear attention_output;
  std::vector<float> ffn_norm;
  Linear gate, up;
  std::vector<float> ffn_sub_norm;
  Linear down;
};

struct CoarseHead;

struct Weights {
  Matrix embedding;
  std::vector<float> output_norm;
  Linear head;
  std::shared_ptr<const CoarseHead> coarse_head;  ///< null: the head is not screened
  std::vector<Layer> layers;
};

struct WeightOptions {
  Pack pack = Pack::File;
  Progress progress{};
};

/// What became of a checkpoint's weights.
struct WeightReports {
  std::vector<WeightReport> weights;
  PackingReport packing;
};

/// Brings every weight of the checkpoint into a kernel's layout. Where a file's bytes are a kernel's layout,
/// and the one asked for, they are used where they lie, after a check that every code is a trit; `reports`
/// tells for each weight which it was and why. The checkpoint must outlive the weights.
Weights load_weights(const Checkpoint& checkpoint, const Dispatch& dispatch, ThreadPool& pool,
                     const WeightOptions& options, WeightReports& reports);

/// Trits of a Ternary, HfPacked or Master source in the model's row order, all scales folded in.
TernaryMatrix read_ternary(const LinearSource& source, const UnpackOptions& options);

/// The matrix with its rows as `file` stores them; what read_ternary undoes.
TernaryMatrix to_stored_order(const TernaryMatrix& matrix, const LinearSource& file);

}  // namespace sterna
