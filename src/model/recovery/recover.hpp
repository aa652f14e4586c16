// Winning back a part of what quantisation lost: norms and scales trained, block after block, to give what
// the float model's blocks give.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "model/recovery/block.hpp"
#include "model/weights.hpp"
#include "quantize/grid.hpp"
#include "sterna/log.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// By BlockLinear, rows in the model's order (model/checkpoint.hpp); one without codes stays as the model has
/// it.
using QuantizedBlock = std::array<GridMatrix, kBlockLinears>;

struct RecoveryOptions {
  std::uint32_t steps = 60;     ///< of each block
  double learning_rate = 1e-2;  ///< of the first step; it falls linearly to 0
  std::uint32_t batch = 2;      ///< windows a step
  Progress progress{};
};

struct RecoveredBlock {
  std::vector<float> attention_norm, attention_sub_norm, ffn_norm, ffn_sub_norm;
  std::array<std::vector<float>, kBlockLinears> scales;  ///< values of f16; empty where there are no codes
  /// Mean over tokens of Σ (student − teacher)² of what the block hands on, over all windows; before with
  /// scales and norms as given, after with those above.
  double loss_before = 0;
  double loss_after = 0;
};

/// The weights of a block whose linear layers are float, as float32.
BlockWeights<float> float_block(const Layer& layer);

/// For each block in order: the teacher is the model's block after the model's blocks, the student the block
/// with these weights after the students before it, already trained. Norms and scales move by Adam (Kingma &
/// Ba 2015, arXiv:1412.6980), scales by a factor each, against the mean of `batch` windows' squared
/// distances, taken in turn. Codes stay. Activations are not rounded. What does not lessen the loss over all
/// windows is dropped: then the result is what was given, its scales rounded to f16.
///
/// `windows` are token ids, all equally many, each from position 0. Memory is that of two blocks in float32
/// with their activations for a step, and 2 · tokens · hidden floats. Throws Unsupported for a model whose
/// linear layers are not float or have norms of their own, InvalidArgument for windows or shapes that do not
/// fit. With OpenBLAS behind it, last bits depend on the processor and its threads.
std::vector<RecoveredBlock> recover(const Model& model, std::span<const QuantizedBlock> blocks,
                                    std::span<const std::vector<TokenId>> windows,
                                    const RecoveryOptions& options);

}  // namespace sterna
