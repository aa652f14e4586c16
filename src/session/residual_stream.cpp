#include "session/residual_stream.hpp"

#include <algorithm>
#include <atomic>
#include <string>

#include "model/model_impl.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

}  // namespace

ResidualStream::ResidualStream(const Model& model, std::vector<std::vector<std::int32_t>> windows,
                               std::uint32_t batch, ThreadPool& pool)
    : model_(model),
      pool_(pool),
      windows_(std::move(windows)),
      batch_(batch),
      hidden_(model.config().hidden) {
  const std::uint64_t tokens = windows_.size() * windows_.front().size();
  if (tokens * hidden_ * sizeof(float) > kMostBytes) {
    throw Error(ErrorCategory::Limit, "too many tokens to keep what the model makes of them",
                {{"found", std::to_string(tokens) + " tokens"},
                 {"expected", "at most " + std::to_string(kMostBytes / sizeof(float) / hidden_)}});
  }
  stream_.resize(tokens * hidden_);
  move_to(0);
}

void ResidualStream::move_to(std::size_t block, const InputObserver& observer,
                             const std::function<void()>& end_window) {
  if (block == block_) return;
  const auto length = static_cast<std::uint32_t>(windows_.front().size());
  Forward forward(model_.config(), model_.impl().weights, model_.impl().dispatch, pool_,
                  {.context = length, .batch = batch_, .kv = KvType::F32});
  if (observer) forward.observe(observer);
  const std::atomic<bool> never{false};
  const bool from_tokens = block < block_;
  const std::size_t first = from_tokens ? 0 : block_;
  block_ = kNowhere;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    for (std::uint32_t at = 0; at < length; at += batch_) {
      const auto tokens = std::span(windows_[w]).subspan(at, std::min(batch_, length - at));
      const auto stream = std::span(stream_).subspan(offset(w, at), tokens.size() * hidden_);
      if (from_tokens) forward.embed(tokens, stream);
      forward.run_blocks(first, block, stream, at, never);
    }
    if (end_window) end_window();
  }
  block_ = block;
}

}  // namespace sterna
