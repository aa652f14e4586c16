// Byte-level byte-pair encoding: of all neighbouring pairs in a word, merge the one with the best rank, the
// leftmost of equals, until none merges.
#include <algorithm>
#include <array>
#include <functional>
#include <queue>

#include "sterna/error.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/merge_table.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/subword_encoder.hpp"
#include "tokenizer/utf8.hpp"
#include "tokenizer/word_cache.hpp"

namespace sterna {
namespace {

/// Up to this many bytes a scan for the best pair after each merge beats a heap; they are even at about 50.
constexpr std::size_t kScanLimit = 48;

class BpeEncoder final : public SubwordEncoder {
 public:
  BpeEncoder(const TokenizerSpec& spec, const TokenIndex& index)
      : spec_(spec), index_(index), pre_tokenizer_(spec), merges_(spec.merges, index) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string character;
      const char c = static_cast<char>(byte);
      append_in_byte_alphabet(character, {&c, 1});
      byte_ids_[byte] = index.find(character).value_or(spec.unk.value_or(-1));
    }
  }

  void encode(std::string_view text, std::vector<TokenId>& ids) const override {
    while (!text.empty()) {
      const std::size_t whole = utf8_prefix(text);
      encode_utf8(text.substr(0, whole), ids);
      text.remove_prefix(whole);
      while (!text.empty()) {  // bytes that are no UTF-8 stand for themselves
        const Utf8Step step = utf8_step(text);
        if (step.status == Utf8Status::Whole) break;
        for (const char c : text.substr(0, step.length)) ids.push_back(byte_id(c));
        text.remove_prefix(step.length);
      }
    }
  }

 private:
  void encode_utf8(std::string_view text, std::vector<TokenId>& ids) const {
    if (text.empty()) return;
    WordCache cache(text, ids);
    pre_tokenizer_.split(text,
                         [&](std::string_view word) { cache.encode(word, [&] { encode_word(word, ids); }); });
  }

  void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
    if (spec_.ignore_merges) {
      std::string text;
      append_in_byte_alphabet(text, word);
      if (const auto id = index_.find(text); id && spec_.types[*id] == TokenType::Normal) {
        ids.push_back(*id);
        return;
      }
    }
    if (word.size() <= kScanLimit) {
      merge_by_scan(word, ids);
    } else {
      merge_by_heap(word, ids);
    }
  }

  void merge_by_scan(std::string_view word, std::vector<TokenId>& ids) const {
    std::array<TokenId, kScanLimit> token;
    std::array<Merge, kScanLimit> merge;  // [i]: of tokens i and i + 1
    std::size_t n = word.size();
    for (std::size_t i = 0; i < n; ++i) token[i] = byte_id(word[i]);
    for (std::size_t i = 0; i + 1 < n; ++i) merge[i] = merges_.find(token[i], token[i + 1]);
    while (n > 1) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < n; ++i) {
        if (merge[i].rank < merge[best].rank) best = i;
      }
      if (merge[best].rank == Merge::kNoRank) break;
      token[best] = merge[best].merged;
      --n;
      for (std::size_t i = best + 1; i < n; ++i) token[i] = token[i + 1];
      for (std::size_t i = best + 1; i + 1 < n; ++i) merge[i] = merge[i + 1];
      if (best > 0) merge[best - 1] = merges_.find(token[best - 1], token[best]);
      if (best + 1 < n) merge[best] = merges_.find(token[best], token[best + 1]);
    }
    ids.insert(ids.end(), token.begin(), token.begin() + n);
  }

  /// O(n log n), for words without end: a heap of pairs over a linked list of tokens.
  void merge_by_heap(std::string_view word, std::vector<TokenId>& ids) const {
    constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    struct Node {
      TokenId token;  // -1: merged into the one before
      std::size_t previous, next;
    };
    struct Pair {
      std::uint32_t rank;
      std::size_t left;
      TokenId left_token, right_token, merged;  // stale when the tokens have changed
      bool operator<(const Pair& o) const {     // std::priority_queue hands out the greatest
        return rank != o.rank ? rank > o.rank : left > o.left;
      }
    };
    std::vector<Node> nodes(word.size());
    for (std::size_t i = 0; i < word.size(); ++i)
      nodes[i] = {byte_id(word[i]), i - 1, i + 1 < word.size() ? i + 1 : kNone};
    std::vector<Pair> storage;
    storage.reserve(word.size());
    std::priority_queue<Pair> heap(std::less<Pair>{}, std::move(storage));
    const auto consider = [&](std::size_t left) {
      if (left == kNone || nodes[left].next == kNone) return;
      const TokenId a = nodes[left].token, b = nodes[nodes[left].next].token;
      const Merge merge = merges_.find(a, b);
      if (merge.rank != Merge::kNoRank) heap.push({merge.rank, left, a, b, merge.merged});
    };
    for (std::size_t i = 0; i < nodes.size(); ++i) consider(i);
    while (!heap.empty()) {
      const Pair pair = heap.top();
      heap.pop();
      Node& left = nodes[pair.left];
      if (left.token != pair.left_token || left.next == kNone || nodes[left.next].token != pair.right_token)
        continue;
      Node& right = nodes[left.next];
      left.token = pair.merged;
      right.token = -1;
      left.next = right.next;
      if (left.next != kNone) nodes[left.next].previous = pair.left;
      consider(left.previous);
      consider(pair.left);
    }
    for (std::size_t i = 0; i != kNone; i = nodes[i].next) ids.push_back(nodes[i].token);
  }

  TokenId byte_id(char c) const {
    const unsigned byte = static_cast<unsigned char>(c);
    if (byte_ids_[byte] < 0) {
      throw Error(ErrorCategory::Unsupported, "the vocabulary has no token for a byte of the text",
                  {{"byte", std::to_string(byte)}});
    }
    return byte_ids_[byte];
  }

  const TokenizerSpec& spec_;
  const TokenIndex& index_;
  PreTokenizer pre_tokenizer_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_ids_;
};

}  // namespace

std::unique_ptr<SubwordEncoder> make_bpe_encoder(const TokenizerSpec& spec, const TokenIndex& index) {
  return std::make_unique<BpeEncoder>(spec, index);
}

}  // namespace sterna
