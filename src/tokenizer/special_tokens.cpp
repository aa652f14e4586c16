#include "tokenizer/special_tokens.hpp"

#include <algorithm>
#include <string>

#include "sterna/error.hpp"

namespace sterna {
namespace {

/// Bounds the work per byte of text; the longest in published vocabularies have about 50 bytes.
constexpr std::size_t kMaxLength = 512;

int at(std::string_view text, std::size_t i) {  // below every byte at the end
  return i < text.size() ? static_cast<unsigned char>(text[i]) : -1;
}

}  // namespace

void SpecialTokens::add(std::string_view text, TokenId id) {
  if (text.empty()) return;
  if (text.size() > kMaxLength) {
    throw Error(ErrorCategory::Unsupported, "a special token is too long",
                {{"id", std::to_string(id)},
                 {"found", std::to_string(text.size())},
                 {"limit", std::to_string(kMaxLength)}});
  }
  entries_.push_back({text, id});
  first_byte_.set(static_cast<unsigned char>(text[0]));
}

void SpecialTokens::prepare() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from) const {
  if (entries_.empty()) return {};
  for (std::size_t start = from; start < text.size(); ++start) {
    if (!first_byte_[static_cast<unsigned char>(text[start])]) continue;
    // The entries that agree with the text so far are a range, and one that ends here comes first in it.
    auto begin = entries_.begin(), end = entries_.end();
    Match longest;
    for (std::size_t length = 0; begin != end; ++length) {
      if (begin->text.size() == length) {
        longest = {start, length, begin->id};
        ++begin;
      }
      if (start + length == text.size()) break;
      const int byte = at(text, start + length);
      begin = std::partition_point(begin, end, [&](const Entry& e) { return at(e.text, length) < byte; });
      end = std::partition_point(begin, end, [&](const Entry& e) { return at(e.text, length) <= byte; });
    }
    if (longest.id >= 0) return longest;
  }
  return {};
}

}  // namespace sterna
