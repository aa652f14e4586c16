// What a model makes of a text up to one of its blocks, kept so that only the blocks from there on are run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/forward.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// The residual stream [tokens, hidden] of windows of a text before one block. A block at a time goes over
/// all windows, so that there is one stream and no more: memory is that of tokens × hidden floats, whatever
/// the number of blocks. Every window is a sequence of its own.
class ResidualStream {
 public:
  /// Before block 0. Windows of one length, ids in the model's vocabulary; at most `batch` tokens are run at
  /// a time. Throws Limit when the stream takes more than 1 GB. The model and the pool must outlive it.
  ResidualStream(const Model& model, std::vector<std::vector<std::int32_t>> windows, std::uint32_t batch,
                 ThreadPool& pool);

  /// Runs blocks until the stream is the one before `block`: at most as many as the model has. Back to an
  /// earlier block it starts with the tokens. Weights are the model's at the time of the call. The observer
  /// sees what the blocks' products are fed with, as of Forward::observe, `end_window` is called after each
  /// window.
  void move_to(std::size_t block, const InputObserver& observer = {},
               const std::function<void()>& end_window = {});

  std::size_t block() const noexcept { return block_; }
  /// Of tokens [first, first + count) of a window: [count, hidden].
  std::span<const float> of(std::size_t window, std::size_t first, std::size_t count) const noexcept {
    return std::span(stream_).subspan(offset(window, first), count * hidden_);
  }

 private:
  std::size_t offset(std::size_t window, std::size_t token) const noexcept {
    return (window * windows_.front().size() + token) * hidden_;
  }

  const Model& model_;
  ThreadPool& pool_;
  std::vector<std::vector<std::int32_t>> windows_;
  std::uint32_t batch_;
  std::size_t hidden_;
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  std::size_t block_ = kNowhere;
  std::vector<float> stream_;
};

}  // namespace sterna
