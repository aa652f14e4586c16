// The conversation formats of published model families, as their Jinja templates write them.
#include "sterna/chat.hpp"

#include <array>

#include "base/log.hpp"
#include "sterna/error.hpp"
#include "tokenizer/spec.hpp"

namespace sterna {
namespace {

using Messages = std::span<const ChatMessage>;

/// "system", "user", "assistant", as templates write them.
std::string_view role_name(ChatRole role) {
  constexpr std::array<std::string_view, 3> kNames = {"system", "user", "assistant"};
  return kNames[static_cast<std::size_t>(role)];
}

/// Without ASCII white space at both ends (Jinja's trim).
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\r\v\f";
  const std::size_t begin = text.find_first_not_of(kWhite);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) + 1 - begin);
}

// "User: content<|eot_id|>", the role capitalised, the content trimmed.
std::string render_bitnet(Messages messages) {
  constexpr std::array<std::string_view, 3> kNames = {"System", "User", "Assistant"};
  std::string text;
  for (const auto& [role, content] : messages) {
    text += kNames[static_cast<std::size_t>(role)];
    text += ": ";
    text += trimmed(content);
    text += "<|eot_id|>";
  }
  return text + "Assistant: ";
}

std::string render_llama3(Messages messages) {
  std::string text;
  const auto header = [&](std::string_view role) {
    text += "<|start_header_id|>";
    text += role;
    text += "<|end_header_id|>\n\n";
  };
  for (const auto& [role, content] : messages) {
    header(role_name(role));
    text += trimmed(content);
    text += "<|eot_id|>";
  }
  header("assistant");
  return text;
}

// Falcon 3: only what the assistant said is closed by the end token.
std::string render_falcon3(Messages messages) {
  std::string text;
  for (const auto& [role, content] : messages) {
    text += "<|";
    text += role_name(role);
    text += "|>\n" + content;
    if (role == ChatRole::Assistant) text += "<|endoftext|>";
    text += '\n';
  }
  return text + "<|assistant|>\n";
}

std::string render_chatml(Messages messages) {
  std::string text;
  for (const auto& [role, content] : messages) {
    text += "<|im_start|>";
    text += role_name(role);
    text += '\n' + content + "<|im_end|>\n";
  }
  return text + "<|im_start|>assistant\n";
}

std::string render_zephyr(Messages messages) {
  std::string text;
  for (const auto& [role, content] : messages) {
    text += "<|";
    text += role_name(role);
    text += "|>\n" + content + "</s>\n";
  }
  return text + "<|assistant|>\n";
}

// For models that only continue text: an answer goes on where the text stood, what the user adds begins a
// line.
std::string render_plain(Messages messages) {
  std::string text;
  for (const auto& [role, content] : messages) {
    if (role != ChatRole::Assistant && !text.empty()) text += '\n';
    text += content;
  }
  return text;
}

constexpr std::array<std::string_view, 1> kBitnetStops = {"<|eot_id|>"};
constexpr std::array<std::string_view, 1> kLlama3Stops = {"<|eot_id|>"};
constexpr std::array<std::string_view, 2> kFalcon3Stops = {"<|endoftext|>", "<|user|>"};
constexpr std::array<std::string_view, 1> kChatmlStops = {"<|im_end|>"};
constexpr std::array<std::string_view, 2> kZephyrStops = {"</s>", "<|user|>"};

constexpr auto kTemplates = std::to_array<ChatTemplate>({
    {"bitnet", render_bitnet, kBitnetStops},
    {"llama3", render_llama3, kLlama3Stops},
    {"falcon3", render_falcon3, kFalcon3Stops},
    {"chatml", render_chatml, kChatmlStops},
    {"zephyr", render_zephyr, kZephyrStops},
    {"plain", render_plain, {}},
});

bool has(std::string_view jinja, std::string_view mark) {
  return jinja.find(mark) != jinja.npos;
}

/// What a template of the "<|user|>" kind writes behind this mark.
std::string_view user_turn(std::string_view jinja) {
  constexpr std::string_view kMark = "<|user|>";
  const auto turn = jinja.substr(jinja.find(kMark) + kMark.size());
  return turn.substr(0, turn.find("}}"));
}

/// By marks in its source; null when it is none of the table's.
const ChatTemplate* find_chat_template(std::string_view jinja, const Tokenizer& tokenizer) {
  if (!has(jinja, "role")) return &chat_template("plain");  // all messages alike
  if (has(jinja, "<|im_start|>")) return &chat_template("chatml");
  if (has(jinja, "<|start_header_id|>")) return &chat_template("llama3");
  if (has(jinja, "<|eot_id|>") && has(jinja, "Assistant: ")) return &chat_template("bitnet");
  if (has(jinja, "<|user|>") && has(jinja, "<|assistant|>")) {
    const auto turn = user_turn(jinja);
    const auto eos = tokenizer.eos();
    if (has(turn, "eos_token") || has(turn, "</s>"))
      return eos && tokenizer.token_text(*eos) == "</s>" ? &chat_template("zephyr") : nullptr;
    if (!has(turn, "<|")) return &chat_template("falcon3");
  }
  return nullptr;
}

}  // namespace

std::span<const ChatTemplate> chat_templates() noexcept {
  return kTemplates;
}

const ChatTemplate& chat_template(std::string_view name) {
  std::string known;
  for (const auto& row : kTemplates) {
    if (row.name == name) return row;
    known += known.empty() ? "" : ", ";
    known += row.name;
  }
  throw Error(ErrorCategory::InvalidArgument, "unknown chat template",
              {{"found", std::string(name)}, {"known", known}});
}

const ChatTemplate& recognise_chat_template(std::string_view jinja, const Tokenizer& tokenizer) {
  if (jinja.empty()) return chat_template("plain");
  if (has(jinja, "BITNETAssistant")) {
    log_warning(
        "the chat template of this model is one that BitNet b1.58 2B4T was published with by mistake; the "
        "model's own format is used (--chat-template bitnet)");
    return chat_template("bitnet");
  }
  if (const ChatTemplate* row = find_chat_template(jinja, tokenizer)) return *row;
  log_warning(
      "the chat template of this model is not known: its messages are written as plain text; "
      "--chat-template names another one");
  return chat_template("plain");
}

}  // namespace sterna
