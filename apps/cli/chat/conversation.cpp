#include "chat/conversation.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

// A quarter of the context is kept free for the answer when old exchanges are left out, so that not every
// turn must leave out more and evaluate everything anew.
constexpr std::uint32_t kAnswerShare = 4;

constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};

}  // namespace

std::string_view role_name(ChatRole role) noexcept {
  return kRoles[static_cast<std::size_t>(role)];
}

void Conversation::clear() {
  std::erase_if(messages_, [](const ChatMessage& message) { return message.role != ChatRole::System; });
}

void Conversation::set_system(std::string_view text) {
  std::erase_if(messages_, [](const ChatMessage& message) { return message.role == ChatRole::System; });
  if (!text.empty()) messages_.insert(messages_.begin(), {ChatRole::System, std::string(text)});
}

std::vector<TokenId> Conversation::render(std::size_t skipped) const {
  std::vector<ChatMessage> shown;
  std::size_t exchange = 0;  // begun by each message of the user
  for (const ChatMessage& message : messages_) {
    if (message.role == ChatRole::User) ++exchange;
    if (message.role == ChatRole::System || exchange > skipped) shown.push_back(message);
  }
  return encode_start(*session_.model().tokenizer(), template_.render(shown));
}

std::vector<TokenId> Conversation::render_to_fit() const {
  auto tokens = render(0);
  if (!session_.options().context_shift) return tokens;
  const std::size_t room = session_.options().context - session_.options().context / kAnswerShare;
  const auto exchanges = static_cast<std::size_t>(std::count_if(
      messages_.begin(), messages_.end(), [](const ChatMessage& m) { return m.role == ChatRole::User; }));
  for (std::size_t skipped = 1; tokens.size() > room && skipped < exchanges; ++skipped)
    tokens = render(skipped);
  return tokens;
}

GenerateResult Conversation::ask(std::string_view text, Generation generation, const TextCallback& callback) {
  messages_.push_back({ChatRole::User, std::string(text)});
  try {
    const auto tokens = render_to_fit();
    fit(generation, tokens.size(), session_.options());
    for (const auto stop : template_.stops) generation.options.stop.emplace_back(stop);
    GenerateResult result = generate(tokens, generation.options, callback);
    if (result.text.empty() && result.stop == StopReason::Cancelled) {
      messages_.pop_back();  // stopped before it said anything
    } else {
      messages_.push_back({ChatRole::Assistant, result.text});
    }
    return result;
  } catch (...) {
    messages_.pop_back();
    throw;
  }
}

GenerateResult Conversation::generate(std::span<const TokenId> tokens, const GenerateOptions& options,
                                      const TextCallback& callback) {
  const auto differs = std::mismatch(tokens.begin(), tokens.end(), cached_.begin(), cached_.end());
  auto common = static_cast<std::size_t>(differs.first - tokens.begin());
  common = std::min(common, tokens.size() - 1);  // generate needs a token to begin with
  session_.rewind(static_cast<std::uint32_t>(common));
  cached_.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(common));
  try {
    GenerateResult result = session_.generate(tokens.subspan(common), options, callback);
    cached_.assign(tokens.begin(), tokens.end());
    cached_.insert(cached_.end(), result.tokens.begin(), result.tokens.end());
    // The last token drawn may not have been evaluated, and an end token may have been: both are made equal.
    // A context that shifted while generating holds other tokens than these: begin anew next time.
    if (session_.options().context_shift && cached_.size() > session_.position() + 1) {
      cached_.clear();
    } else {
      cached_.resize(std::min<std::size_t>(cached_.size(), session_.position()));
    }
    session_.rewind(static_cast<std::uint32_t>(cached_.size()));
    return result;
  } catch (...) {
    session_.rewind(static_cast<std::uint32_t>(std::min<std::size_t>(cached_.size(), session_.position())));
    cached_.resize(session_.position());
    throw;
  }
}

void save_messages(const std::string& file, const std::vector<ChatMessage>& messages) {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", role_name(message.role)}, {"content", message.content}});
  }
  AtomicFile out(file);
  out.write(as_bytes(list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  out.commit();
}

std::vector<ChatMessage> load_messages(const std::string& file) {
  const auto fail = [&](const std::string& found) -> Error {
    return {ErrorCategory::Format,
            "the conversation is not a JSON list of {\"role\", \"content\"}",
            {{"file", file}, {"found", found}}};
  };
  Json list;
  try {
    list = Json::parse(read_text(file));
  } catch (const Json::exception& error) {
    throw fail(error.what());
  }
  if (!list.is_array()) throw fail(list.type_name());
  std::vector<ChatMessage> messages;
  for (const Json& item : list) {
    const bool whole = item.is_object() && item.contains("role") && item["role"].is_string() &&
                       item.contains("content") && item["content"].is_string();
    if (!whole) throw fail("another thing at position " + std::to_string(messages.size()));
    const auto role = std::find(kRoles.begin(), kRoles.end(), item["role"].get<std::string>());
    if (role == kRoles.end()) throw fail("role " + item["role"].get<std::string>());
    messages.push_back({static_cast<ChatRole>(role - kRoles.begin()), item["content"].get<std::string>()});
  }
  return messages;
}

}  // namespace sterna::cli
