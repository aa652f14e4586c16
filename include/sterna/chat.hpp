// Conversations to prompts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/tokenizer.hpp"

namespace sterna {

enum class ChatRole { System, User, Assistant };

struct ChatMessage {
  ChatRole role;
  std::string content;
};

/// How a family of models writes a conversation. One row each: bitnet, llama3, falcon3, chatml, zephyr,
/// plain.
struct ChatTemplate {
  std::string_view name;
  /// The whole conversation as text with special tokens written out, BOS not included, ending where the
  /// assistant's answer begins.
  std::string (*render)(std::span<const ChatMessage> messages);
  /// Texts that end an answer even where the vocabulary marks no end token, for models of this family.
  std::span<const std::string_view> stops;
};

std::span<const ChatTemplate> chat_templates() noexcept;
/// Throws InvalidArgument for an unknown name and lists the known ones.
const ChatTemplate& chat_template(std::string_view name);
/// The row that a model's metadata means: by marks in its Jinja source and its vocabulary; `plain` when there
/// is no template. The published 2B4T template that says `BITNETAssistant` is known to be wrong and gives
/// `bitnet`, with a logged warning. A template nobody here knows gives `plain` with a warning that names
/// --chat-template.
const ChatTemplate& recognise_chat_template(std::string_view jinja, const Tokenizer& tokenizer);

}  // namespace sterna
