// The statistics of a model's inputs, of as many blocks at a time as memory is granted for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "session/residual_stream.hpp"
#include "sterna/calibration.hpp"

namespace sterna {

/// Bytes of the Gram matrices of a block's inputs.
std::uint64_t block_gram_bytes(const Model& model);

/// What `calibrate` gives, bit for bit. Where the Gram matrices of all blocks are within the limit it is
/// called once. Where they are not, the text goes through the model a group of blocks at a time, and the
/// hidden states after the last group are kept (tokens × hidden floats, at most 1 GB): asked for in the order
/// of the blocks, all groups together run the model once.
class BlockCalibration {
 public:
  /// `resume` is not for it. Throws Limit where one block's matrices are beyond `most_gram_bytes`, or the
  /// tokens too many to be kept; and as calibrate does. The pool must outlive it.
  BlockCalibration(std::shared_ptr<const Model> model, std::string_view text,
                   const CalibrationOptions& options, std::uint64_t most_gram_bytes, ThreadPool& pool);

  /// Of what a linear layer ("blk.0.attn_q") reads, null for one outside the blocks. Valid until the next
  /// call. May run the model: its weights must be what they were at first.
  const InputStatistics* of(std::string_view linear);
  std::uint64_t tokens() const noexcept { return calibration_.tokens; }

 private:
  void gather(std::size_t first);

  std::shared_ptr<const Model> model_;
  CalibrationOptions options_;
  ThreadPool& pool_;
  Calibration calibration_;               ///< of the blocks at hand
  std::optional<ResidualStream> stream_;  ///< none: all blocks are
  std::size_t group_ = 0;                 ///< blocks at a time
  std::size_t first_ = 0, last_ = 0;      ///< blocks at hand
};

}  // namespace sterna
