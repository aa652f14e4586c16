// A sequence in progress: the KV cache, the working memory and the position of one conversation with a model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/model.hpp"
#include "sterna/sampling.hpp"

namespace sterna {

struct SessionOptions {
  std::uint32_t context = 0;   ///< positions; 0 takes the model's
  std::uint32_t batch = 512;   ///< prompt tokens processed together
  unsigned threads = 0;        ///< 0 = physical cores
  std::optional<KvType> kv{};  ///< none takes the model's, or F32 where that has none
  bool context_shift = false;  ///< a full context drops its oldest half (BOS kept) instead of failing
};

enum class StopReason : std::uint8_t { EndToken, StopText, Length, Cancelled, Callback };
std::string_view to_string(StopReason reason) noexcept;

struct GenerateOptions {
  std::uint32_t max_tokens = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;  ///< generation ends before any of these texts; never handed out
  bool ignore_end = false;        ///< go on after an end token
  bool keep_special = false;      ///< hand out special tokens as text
  /// Most tokens that are guessed at a time from what followed the same words before and evaluated together,
  /// at most kMostDraft; 0: off. A guess is only kept when it is what is drawn (prompt lookup decoding,
  /// Saxena 2023; checked as in Leviathan et al. 2023, arXiv:2211.17192, but against the draw itself), so the
  /// result is the same, bit for bit, greedy or not. How many are guessed follows how many were right.
  std::uint32_t draft_ngram = 0;
};
/// Each guess needs a row of logits: 33 MB in all for a vocabulary of 128,256.
constexpr std::uint32_t kMostDraft = 64;

struct GenerateResult {
  std::vector<TokenId> tokens;  ///< generated, the end token not included
  std::string text;             ///< what the callback was given
  StopReason stop = StopReason::Length;
  std::size_t prompt_tokens = 0;
  double prompt_seconds = 0;
  double generate_seconds = 0;  ///< from the first generated token's logits to the last token
  std::size_t drafted = 0;      ///< tokens guessed, with draft_ngram
  std::size_t accepted = 0;     ///< of them, those that were drawn: evaluations saved
};

/// What a session did with a screened head (LoadOptions::screen_head); zeros without one.
struct HeadUse {
  std::uint64_t tokens = 0;    ///< generated with options that screening can serve
  std::uint64_t screened = 0;  ///< of these; the others took the whole head because screening did not pay
  std::uint64_t rows = 0;      ///< of the head, computed exactly for the screened ones
};

/// Called with each piece of text (whole UTF-8 characters); false stops.
using TextCallback = std::function<bool(std::string_view text)>;

/// One thread at a time uses a session; cancel() may come from any. Sessions of one model are independent.
/// Results do not depend on threads or batch, bit for bit. A MemoryCleaner takes back the pages that a
/// session does not need between two calls; they come again when they are needed, with the same results.
class Session {
 public:
  /// Allocates everything: evaluation and generation allocate nothing per token. Throws InvalidArgument for a
  /// context of 0 < n < 2.
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;

  const Model& model() const noexcept;
  const SessionOptions& options() const noexcept;  ///< with every 0 resolved, and kv
  std::uint32_t position() const noexcept;         ///< tokens in the cache
  void reset() noexcept;                           ///< forgets all tokens
  void rewind(std::uint32_t position);             ///< forgets tokens from `position` on

  /// Appends tokens and returns the logits [vocab] after the last. Valid until the next call. Throws Limit
  /// when the context has no room (unless context_shift), InvalidArgument for no token or an id outside the
  /// vocabulary, Cancelled.
  std::span<const float> evaluate(std::span<const TokenId> tokens);
  /// The same with the logits after every token, `out` being [tokens, vocab].
  void evaluate_all(std::span<const TokenId> tokens, std::span<float> out);
  /// The last hidden state [hidden] after the final norm, of the last evaluated token: an embedding of the
  /// text so far.
  std::span<const float> last_hidden() const noexcept;

  /// Appends the prompt and generates. The generated tokens stay in the cache. A prompt must have a token.
  /// Throws as evaluate does, and InvalidArgument for options outside their range.
  GenerateResult generate(std::span<const TokenId> prompt, const GenerateOptions& options,
                          const TextCallback& callback = {});

  /// From any thread: the running evaluate or generate ends soon (generate returns what it has, evaluate
  /// throws Cancelled). Without one running, the next one is not affected.
  void cancel() noexcept;

  std::uint64_t cache_bytes() const noexcept;    ///< of the KV cache
  std::uint64_t working_bytes() const noexcept;  ///< of the activations
  HeadUse head_use() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Perplexity of a text: the tales' definition (docs/formats.md): the text is cut into pieces at two blank
/// lines, each is stripped, gets two newlines, is tokenised without specials; all are concatenated and cut
/// into windows of `window` − 1 tokens with BOS before each; exp of the mean negative log-likelihood of every
/// token after BOS; the rest is dropped.
struct PerplexityResult {
  double perplexity = 0;
  double mean_nll = 0;
  std::size_t tokens = 0;
  std::size_t windows = 0;
};
PerplexityResult perplexity(const std::shared_ptr<const Model>& model, std::string_view text,
                            std::uint32_t window = 512, const SessionOptions& options = {},
                            const Progress& progress = {});

}  // namespace sterna
