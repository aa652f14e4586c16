// Token ids as JSON or plain text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna::cli {

/// A JSON list of ids or list of lists of ids, each id in [0, vocab). Throws Format (file, found, expected).
std::vector<std::vector<TokenId>> parse_token_lists(std::string_view json, const std::string& file,
                                                    std::size_t vocab);

/// Ids in any notation that has digits in it: "1 2 3", "[1, 2, 3]". Throws InvalidArgument.
std::vector<TokenId> parse_ids(std::string_view text, std::size_t vocab);

}  // namespace sterna::cli
