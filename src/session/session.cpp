#include "sterna/session.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "model/forward.hpp"
#include "model/model_impl.hpp"
#include "platform/thread_pool.hpp"
#include "session/ngram_draft.hpp"
#include "session/stop_text.hpp"
#include "sterna/cleanup.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

SessionOptions resolved(SessionOptions options, const ModelConfig& config) {
  if (options.context == 0) options.context = config.context;
  // Two: a shifted context keeps one token and has room for one.
  if (options.context < 2) {
    throw Error(ErrorCategory::InvalidArgument, "the context is too small",
                {{"found", std::to_string(options.context)}, {"expected", "at least 2"}});
  }
  if (options.batch == 0) throw Error(ErrorCategory::InvalidArgument, "the batch must be positive");
  options.batch = std::min(options.batch, options.context);
  if (!options.kv) options.kv = config.kv.value_or(KvType::F32);
  if (options.threads == 0) options.threads = cpu_info().physical_cores;
  return options;
}

/// The last drawn token with guesses of those after it, evaluated together.
struct Ahead {
  Ahead(std::uint32_t context, std::uint32_t most, std::size_t vocab)
      : draft(context, most), logits(vocab * (most + 1)) {
    batch.reserve(most + 1);
  }

  NgramDraft draft;
  std::vector<TokenId> batch;
  std::vector<float> logits;  ///< [batch, vocab]
  std::size_t row = 0;        ///< of the batch, the last that was drawn
};

}  // namespace

std::string_view to_string(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::EndToken:
      return "end_token";
    case StopReason::StopText:
      return "stop_text";
    case StopReason::Length:
      return "length";
    case StopReason::Cancelled:
      return "cancelled";
    case StopReason::Callback:
      return "callback";
  }
  return "?";
}

struct Session::Impl {
  Impl(std::shared_ptr<const Model> m, const SessionOptions& o)
      : model(std::move(m)),
        options(resolved(o, model->config())),
        pool(options.threads),
        forward(model->config(), model->impl().weights, model->impl().dispatch, pool,
                {.context = options.context, .batch = options.batch, .kv = *options.kv}),
        logits(model->config().vocab) {
    tokens.reserve(options.context);
    reclaimable = ReclaimRegistry::process().add({.name = "session"}, [this](PressureLevel) -> std::uint64_t {
      const std::unique_lock lock(working, std::try_to_lock);
      return lock ? forward.release_unused(static_cast<std::uint32_t>(tokens.size() + guessed)) : 0;
    });
  }

  /// Held by whoever uses the cache and the working memory.
  std::unique_lock<std::mutex> begin_work() {
    reclaimable.touch();
    return std::unique_lock(working);
  }

  void check_ids(std::span<const TokenId> ids) const {
    if (ids.empty()) throw Error(ErrorCategory::InvalidArgument, "no token to evaluate");
    for (const TokenId id : ids) {
      if (id < 0 || static_cast<std::uint32_t>(id) >= model->config().vocab) {
        throw Error(ErrorCategory::InvalidArgument, "a token id outside the vocabulary",
                    {{"found", std::to_string(id)},
                     {"expected", "0 to " + std::to_string(model->config().vocab - 1)}});
      }
    }
  }

  bool has_room(std::size_t n) const { return tokens.size() + n <= options.context; }

  /// Makes room for n more tokens, or throws Limit.
  void make_room(std::size_t n) {
    if (has_room(n)) return;
    if (!options.context_shift || n >= options.context) {
      throw Error(ErrorCategory::Limit, "the context is full",
                  {{"position", std::to_string(tokens.size())},
                   {"tokens", std::to_string(n)},
                   {"context", std::to_string(options.context)}});
    }
    // Keys carry the rotation of their position, so the kept tokens are evaluated anew at their new ones:
    // exact, and rare.
    const std::size_t keep =
        std::min({std::size_t{options.context} / 2, std::size_t{options.context} - n, tokens.size()});
    const auto bos = model->has_tokenizer() ? model->tokenizer()->bos() : std::nullopt;
    const bool keeps_bos = keep > 0 && bos && tokens.front() == *bos;
    std::vector<TokenId> kept(tokens.end() - static_cast<std::ptrdiff_t>(keep), tokens.end());
    if (keeps_bos) kept.front() = *bos;
    tokens.clear();
    if (!kept.empty()) append(kept, nullptr);
  }

  /// Evaluates ids behind the cached ones; `all` receives every token's logits when given.
  void append(std::span<const TokenId> ids, float* all) {
    for (std::size_t at = 0; at < ids.size(); at += options.batch) {
      const auto part = ids.subspan(at, std::min<std::size_t>(options.batch, ids.size() - at));
      if (!forward.run(part, static_cast<std::uint32_t>(tokens.size()), cancelled)) {
        throw Error(ErrorCategory::Cancelled, "cancelled");
      }
      tokens.insert(tokens.end(), part.begin(), part.end());
      guessed = 0;
      last_in_batch = part.size() - 1;
      if (all) forward.logits(0, part.size(), all + at * logits.size());
    }
  }

  std::span<const float> evaluate(std::span<const TokenId> ids) {
    check_ids(ids);
    const auto work = begin_work();
    make_room(ids.size());
    append(ids, nullptr);
    forward.logits(last_in_batch, 1, logits.data());
    return logits;
  }

  /// evaluate for a drawn token, of which `left` more may be drawn. Positions of the cache behind `tokens`
  /// hold guesses: the next becomes a token when it is drawn, and any other token is written over it.
  std::span<const float> evaluate_ahead(TokenId id, std::size_t left, Ahead& ahead, GenerateResult& result) {
    const auto work = begin_work();
    ahead.draft.push(id);
    std::vector<TokenId>& batch = ahead.batch;
    if (ahead.row + 1 < batch.size() && batch[ahead.row + 1] == id) {
      if (cancelled) throw Error(ErrorCategory::Cancelled, "cancelled");
      ++ahead.row;
      ++result.accepted;
    } else {
      make_room(1);
      const std::size_t room =
          std::min({left, options.context - tokens.size() - 1, std::size_t{options.batch} - 1});
      const auto guesses = ahead.draft.guess(room);
      batch.assign(1, id);
      batch.insert(batch.end(), guesses.begin(), guesses.end());
      result.drafted += guesses.size();
      if (!forward.run(batch, static_cast<std::uint32_t>(tokens.size()), cancelled)) {
        throw Error(ErrorCategory::Cancelled, "cancelled");
      }
      forward.logits(0, batch.size(), ahead.logits.data());
      ahead.row = 0;
    }
    tokens.push_back(id);
    guessed = batch.size() - 1 - ahead.row;
    last_in_batch = ahead.row;
    return std::span(ahead.logits).subspan(ahead.row * logits.size(), logits.size());
  }

  /// The same for a sampler, which may not need every logit: of those that it does not read any may be
  /// −infinity.
  std::span<const float> evaluate(std::span<const TokenId> ids, const Sampler& sampler) {
    const auto reads = sampler.reads();
    if (!reads) return evaluate(ids);
    check_ids(ids);
    const auto work = begin_work();
    make_room(ids.size());
    append(ids, nullptr);
    forward.logits(last_in_batch,
                   {.top = reads->top, .below_best = reads->below_best, .always = reads->always},
                   logits.data());
    return logits;
  }

  std::shared_ptr<const Model> model;
  SessionOptions options;
  ThreadPool pool;
  Forward forward;
  std::vector<float> logits;
  std::vector<TokenId> tokens;  ///< in the cache
  std::size_t last_in_batch = 0;
  std::size_t guessed = 0;  ///< positions of the cache behind `tokens` that hold guesses
  std::mutex working;
  std::atomic<bool> cancelled{false};
  static_assert(std::atomic<bool>::is_always_lock_free);  // cancel() may be called from a signal handler
  ReclaimHandle reclaimable;                              ///< the last: ends before what it gives back
};

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

const Model& Session::model() const noexcept {
  return *impl_->model;
}
const SessionOptions& Session::options() const noexcept {
  return impl_->options;
}
std::uint32_t Session::position() const noexcept {
  return static_cast<std::uint32_t>(impl_->tokens.size());
}
void Session::reset() noexcept {
  const auto work = impl_->begin_work();
  impl_->tokens.clear();
}
std::uint64_t Session::cache_bytes() const noexcept {
  return impl_->forward.cache_bytes();
}
std::uint64_t Session::working_bytes() const noexcept {
  return impl_->forward.working_bytes();
}
HeadUse Session::head_use() const noexcept {
  const HeadStatistics statistics = impl_->forward.head_statistics();
  return {statistics.tokens, statistics.screened, statistics.rows};
}
void Session::cancel() noexcept {
  impl_->cancelled.store(true, std::memory_order_relaxed);
}

void Session::rewind(std::uint32_t position) {
  if (position > impl_->tokens.size()) {
    throw Error(ErrorCategory::InvalidArgument, "cannot rewind forward",
                {{"found", std::to_string(position)},
                 {"expected", "at most " + std::to_string(impl_->tokens.size())}});
  }
  const auto work = impl_->begin_work();
  impl_->tokens.resize(position);
}

std::span<const float> Session::evaluate(std::span<const TokenId> tokens) {
  impl_->cancelled = false;
  return impl_->evaluate(tokens);
}

void Session::evaluate_all(std::span<const TokenId> tokens, std::span<float> out) {
  impl_->cancelled = false;
  impl_->check_ids(tokens);
  if (out.size() != tokens.size() * impl_->logits.size()) {
    throw Error(ErrorCategory::InvalidArgument, "the output does not fit the tokens",
                {{"found", std::to_string(out.size())},
                 {"expected", std::to_string(tokens.size() * impl_->logits.size())}});
  }
  const auto work = impl_->begin_work();
  impl_->make_room(tokens.size());
  impl_->append(tokens, out.data());
}

std::span<const float> Session::last_hidden() const noexcept {
  return impl_->forward.hidden(impl_->last_in_batch);
}

GenerateResult Session::generate(std::span<const TokenId> prompt, const GenerateOptions& options,
                                 const TextCallback& callback) {
  if (options.draft_ngram > kMostDraft) {
    throw Error(ErrorCategory::InvalidArgument, "too many tokens to guess at a time",
                {{"option", "draft_ngram"},
                 {"found", std::to_string(options.draft_ngram)},
                 {"expected", "at most " + std::to_string(kMostDraft)}});
  }
  Impl& impl = *impl_;
  const Tokenizer& tokenizer = *impl.model->tokenizer();
  Sampler sampler(options.sampling, impl.model->config().vocab);
  // The text goes on from the prompt: a first space is its own.
  StreamDecoder decoder(tokenizer, options.keep_special, /*at_start=*/false);
  StopText stop(options.stop);
  GenerateResult result;
  // Reserved for every token to come, so that generating one allocates nothing. Longer tokens exist, but not
  // on average.
  constexpr std::size_t kBytesPerToken = 16;
  const std::size_t most =
      impl.options.context_shift ? options.max_tokens : std::min(options.max_tokens, impl.options.context);
  result.tokens.reserve(most);
  result.text.reserve(most * kBytesPerToken);
  result.prompt_tokens = prompt.size();
  std::optional<Ahead> ahead;
  if (options.draft_ngram > 0) ahead.emplace(impl.options.context, options.draft_ngram, impl.logits.size());

  impl.cancelled = false;
  bool going = true;
  const auto hand_out = [&](std::string_view text) {
    if (text.empty()) return;
    result.text += text;
    if (callback && !callback(text)) going = false;
  };
  const auto ends_text = [&](TokenId id) {
    const auto ends = tokenizer.end_tokens();
    return !options.ignore_end && std::find(ends.begin(), ends.end(), id) != ends.end();
  };

  try {
    const Stopwatch prompt_clock;
    std::span<const float> logits = impl.evaluate(prompt);
    result.prompt_seconds = prompt_clock.seconds();
    for (const TokenId id : prompt) sampler.accept(id);
    if (ahead) {
      for (const TokenId id : impl.tokens) ahead->draft.read(id);
    }

    const Stopwatch clock;
    for (std::uint32_t n = 0; n < options.max_tokens; ++n) {
      const TokenId id = sampler.sample(logits);
      if (ends_text(id)) {
        result.stop = StopReason::EndToken;
        break;
      }
      sampler.accept(id);
      result.tokens.push_back(id);
      hand_out(stop.push(decoder.push(id)));
      // Every token joins the cache, so that a conversation can go on from it; the last needs no logits, and
      // so no room.
      const std::uint32_t left = options.max_tokens - n - 1;
      if (left > 0 || impl.has_room(1)) {
        logits = ahead ? impl.evaluate_ahead(id, left, *ahead, result) : impl.evaluate({&id, 1}, sampler);
      }
      result.generate_seconds = clock.seconds();
      if (stop.stopped()) {
        result.stop = StopReason::StopText;
        break;
      }
      if (!going) {
        result.stop = StopReason::Callback;
        break;
      }
    }
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::Cancelled) throw;
    result.stop = StopReason::Cancelled;
  }
  if (!stop.stopped() && going) {
    hand_out(stop.push(decoder.finish()));
    if (going) hand_out(stop.finish());
  }
  return result;
}

}  // namespace sterna
