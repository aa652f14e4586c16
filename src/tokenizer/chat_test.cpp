#include "sterna/chat.hpp"

#include <gtest/gtest.h>

#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

// The published templates' sources, as far as they write messages.
constexpr std::string_view kBitnet =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['role'] | "
    "capitalize + ': '+ message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}{% if "
    "add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";
constexpr std::string_view kBitnetMistaken =
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{% if message['role'] == "
    "'user' %}{{ "
    "'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}{% elif message['role'] == "
    "'assistant' "
    "%}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";
constexpr std::string_view kLlama3 =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{{ content }}{% "
    "endfor %}{{ "
    "'<|start_header_id|>assistant<|end_header_id|>\n\n' }}";
constexpr std::string_view kFalcon3 =
    "{%- for message in messages %}\n{%- if message['role'] == 'system' %}\n{{- '<|system|>\\n' + "
    "message['content'] + "
    "'\\n' }}\n{%- elif message['role'] == 'user' %}\n{{- '<|user|>\\n' + message['content'] + '\\n' }}\n{%- "
    "elif "
    "message['role'] == 'assistant' %}\n{{- '<|assistant|>\\n' + message['content'] + eos_token + '\\n' "
    "}}\n{%- endif "
    "%}\n{%- endfor %}\n{{- '<|assistant|>\\n' if add_generation_prompt }}";
constexpr std::string_view kChatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
constexpr std::string_view kZephyr =
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\\n' + "
    "message['content'] + "
    "eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\\n' + message['content'] + "
    "eos_token }}\n{% "
    "elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% "
    "endif %}\n{% "
    "if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";
constexpr std::string_view kPhi3 =
    "{% for message in messages %}{% if message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + "
    "'<|end|>\n'}}{% endif %}{% endfor %}";

std::string rendered(std::string_view name) {
  const std::vector<ChatMessage> messages = {{ChatRole::System, " Be brief. "},
                                             {ChatRole::User, "Hi\n"},
                                             {ChatRole::Assistant, "Hello!"},
                                             {ChatRole::User, "Who are you?"}};
  return chat_template(name).render(messages);
}

// What Jinja makes of the templates above.
TEST(Chat, RendersAsThePublishedTemplates) {
  EXPECT_EQ(rendered("bitnet"),
            "System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: Hello!<|eot_id|>User: Who are "
            "you?<|eot_id|>Assistant: ");
  EXPECT_EQ(rendered("llama3"),
            "<|start_header_id|>system<|end_header_id|>\n\nBe "
            "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>"
            "\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_"
            "id|>user<|"
            "end_header_id|>\n\nWho are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(rendered("falcon3"),
            "<|system|>\n Be brief. \n<|user|>\nHi\n\n<|assistant|>\nHello!<|endoftext|>\n<|user|>\nWho are "
            "you?\n<|assistant|>\n");
  EXPECT_EQ(
      rendered("chatml"),
      "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\n"
      "Hello!<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(rendered("zephyr"),
            "<|system|>\n Be brief. </s>\n<|user|>\nHi\n</s>\n<|assistant|>\nHello!</s>\n<|user|>\nWho are "
            "you?</s>\n<|assistant|>\n");
  EXPECT_EQ(rendered("plain"), " Be brief. \nHi\nHello!\nWho are you?");
}

TEST(Chat, NoMessagesAskForTheFirstAnswer) {
  EXPECT_EQ(chat_template("bitnet").render({}), "Assistant: ");
  EXPECT_EQ(chat_template("plain").render({}), "");
}

TEST(Chat, UnknownNameListsTheKnownOnes) {
  try {
    chat_template("chattml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error.value("known"), "bitnet, llama3, falcon3, chatml, zephyr, plain");
  }
}

class RecogniseChat : public ::testing::Test {
 protected:
  RecogniseChat() {
    set_log_sink([this](LogLevel level, std::string_view message) {
      if (level == LogLevel::Warning) warnings_ += message;
    });
  }
  ~RecogniseChat() override { set_log_sink({}); }

  std::string_view name_of(std::string_view jinja) {
    warnings_.clear();
    return recognise_chat_template(jinja, *tokenizer_).name;
  }

  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::load(testing::fixture("tokenizers/spm/tokenizer.model"));  // its EOS is </s>
  std::string warnings_;
};

TEST_F(RecogniseChat, ByMarksInTheSource) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {kBitnet, "bitnet"},
      {kLlama3, "llama3"},
      {kFalcon3, "falcon3"},
      {kChatml, "chatml"},
      {kZephyr, "zephyr"},
      {"", "plain"},
      // the tales model's: no roles
      {"{% for message in messages %}{{ message['content'] | trim }}{% endfor %}", "plain"}};
  for (const auto& [jinja, name] : rows) {
    EXPECT_EQ(name_of(jinja), name);
    EXPECT_EQ(warnings_, "");
  }
}

TEST_F(RecogniseChat, TheMistakenTemplateOf2B4T) {
  EXPECT_EQ(name_of(kBitnetMistaken), "bitnet");
  EXPECT_NE(warnings_.find("by mistake"), std::string::npos);
}

TEST_F(RecogniseChat, AnUnknownOneIsPlainWithAWarning) {
  EXPECT_EQ(name_of(kPhi3), "plain");
  EXPECT_NE(warnings_.find("--chat-template"), std::string::npos);
}

// Zephyr's closes turns with </s>; a vocabulary whose EOS is another would need another format.
TEST_F(RecogniseChat, ZephyrNeedsItsEndToken) {
  tokenizer_ = Tokenizer::load(testing::fixture("tokenizers/tales"));
  EXPECT_EQ(name_of(kZephyr), "plain");
  EXPECT_NE(warnings_, "");
}

}  // namespace
}  // namespace sterna
