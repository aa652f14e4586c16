#include "support/token_files.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::json;

[[noreturn]] void fail_format(const std::string& file, const std::string& found,
                              const std::string& expected) {
  throw Error(ErrorCategory::Format, "the token file is not as it should be",
              {{"file", file}, {"found", found}, {"expected", expected}});
}

TokenId checked_id(const Json& item, const std::string& file, std::size_t vocab) {
  const bool valid = item.is_number_unsigned() && item.get<std::uint64_t>() < vocab;
  if (!valid) {
    const std::string found = item.is_structured() ? item.type_name() : item.dump(-1, ' ', true);
    fail_format(file, found, fmt::format("a token id below {}", vocab));
  }
  return item.get<TokenId>();
}

std::vector<TokenId> checked_list(const Json& list, const std::string& file, std::size_t vocab) {
  if (!list.is_array()) fail_format(file, list.type_name(), "a list of ids or a list of lists of ids");
  std::vector<TokenId> ids;
  for (const Json& item : list) ids.push_back(checked_id(item, file, vocab));
  return ids;
}

}  // namespace

std::vector<std::vector<TokenId>> parse_token_lists(std::string_view text, const std::string& file,
                                                    std::size_t vocab) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    fail_format(file, error.what(), "JSON");
  }
  std::vector<std::vector<TokenId>> lists;
  if (json.is_array() && !json.empty() && json.front().is_array()) {
    for (const Json& list : json) lists.push_back(checked_list(list, file, vocab));
  } else {
    lists.push_back(checked_list(json, file, vocab));
  }
  return lists;
}

std::vector<TokenId> parse_ids(std::string_view text, std::size_t vocab) {
  constexpr std::string_view kBetween = " \t\r\n,[]";
  std::vector<TokenId> ids;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return ids;
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    TokenId id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc{} || end != word.data() + word.size() || id < 0 ||
        static_cast<std::size_t>(id) >= vocab) {
      throw Error(ErrorCategory::InvalidArgument, "not a token id of this vocabulary",
                  {{"found", std::string(word)}, {"expected", fmt::format("0 to {}", vocab - 1)}});
    }
    ids.push_back(id);
    text.remove_prefix(word.size());
  }
}

}  // namespace sterna::cli
