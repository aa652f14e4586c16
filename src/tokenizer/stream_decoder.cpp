#include "sterna/tokenizer.hpp"
#include "tokenizer/spec.hpp"
#include "tokenizer/utf8.hpp"

namespace sterna {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool keep_special, bool at_start)
    : tokenizer_(&tokenizer),
      keep_special_(keep_special),
      at_start_(at_start && tokenizer.spec().add_space_prefix) {
  // Longer tokens than this are runs of spaces and the like; the first one grows the strings for good.
  pending_.reserve(64);
  out_.reserve(64);
}

std::string_view StreamDecoder::push(TokenId id) {
  out_.clear();
  if (tokenizer_->is_special(id) && !keep_special_) return out_;
  std::string_view bytes = tokenizer_->token_bytes(id);
  if (at_start_ && bytes.starts_with(' ')) bytes.remove_prefix(1);
  at_start_ = false;
  pending_ += bytes;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const std::size_t whole = utf8_prefix(rest);
    out_ += rest.substr(0, whole);
    rest.remove_prefix(whole);
    if (rest.empty()) break;
    const Utf8Step step = utf8_step(rest);
    if (step.status == Utf8Status::Unfinished) break;
    out_ += kReplacement;
    rest.remove_prefix(step.length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out_;
}

std::string_view StreamDecoder::finish() {
  out_.clear();
  if (!pending_.empty()) out_ += kReplacement;
  pending_.clear();
  return out_;
}

}  // namespace sterna
