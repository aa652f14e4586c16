// The part of a tokenizer that differs between kinds of vocabularies.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/spec.hpp"
#include "tokenizer/token_index.hpp"

namespace sterna {

class SubwordEncoder {
 public:
  virtual ~SubwordEncoder() = default;
  /// Appends the ids of a text that spells no special token.
  virtual void encode(std::string_view text, std::vector<TokenId>& ids) const = 0;
};

/// Byte-level BPE. The spec and the index must outlive the encoder. Throws Format for merges that do not fit
/// the vocabulary.
std::unique_ptr<SubwordEncoder> make_bpe_encoder(const TokenizerSpec& spec, const TokenIndex& index);

}  // namespace sterna
