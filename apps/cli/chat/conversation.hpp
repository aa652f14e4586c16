// A conversation over one session, of which each turn evaluates only what is new.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/chat.hpp"
#include "sterna/session.hpp"
#include "support/generation.hpp"

namespace sterna::cli {

class Conversation {
 public:
  /// Both must outlive it.
  Conversation(Session& session, const ChatTemplate& chat) : session_(session), template_(chat) {}

  const std::vector<ChatMessage>& messages() const noexcept { return messages_; }
  void replace(std::vector<ChatMessage> messages) { messages_ = std::move(messages); }
  /// Forgets what was said; the system's message stays.
  void clear();
  /// Sets the system's message; an empty text removes it.
  void set_system(std::string_view text);

  /// The user's message and the answer to it, which is remembered as far as it came. Where the context is
  /// full, the oldest exchanges are left out if the session may shift its context, and otherwise Limit is
  /// thrown; after any exception the message is as if not said.
  GenerateResult ask(std::string_view text, Generation generation, const TextCallback& callback);

 private:
  /// The conversation as token ids, without its first `skipped` exchanges.
  std::vector<TokenId> render(std::size_t skipped) const;
  /// The ids that fit the context with room for an answer.
  std::vector<TokenId> render_to_fit() const;
  GenerateResult generate(std::span<const TokenId> tokens, const GenerateOptions& options,
                          const TextCallback& callback);

  Session& session_;
  const ChatTemplate& template_;
  std::vector<ChatMessage> messages_;
  std::vector<TokenId> cached_;  ///< what the session's cache holds
};

/// A conversation as a JSON list of {"role", "content"}. load throws Io or Format; save is atomic.
void save_messages(const std::string& file, const std::vector<ChatMessage>& messages);
std::vector<ChatMessage> load_messages(const std::string& file);
std::string_view role_name(ChatRole role) noexcept;

}  // namespace sterna::cli
