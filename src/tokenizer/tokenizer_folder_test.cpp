#include <gtest/gtest.h>

#include <fstream>

#include "sterna/error.hpp"
#include "support/paths.hpp"
#include "support/small_tokenizer.hpp"

namespace sterna {
namespace {

using nlohmann::json;
using std::filesystem::path;

constexpr TokenId kBegin = 264, kEnd = 265;

void write(const path& file, const json& value) {
  std::ofstream(file) << value.dump();
}

/// A folder with the small tokenizer.
path bpe_folder() {
  const path folder = testing::scratch();
  write(folder / "tokenizer.json", testing::small_tokenizer_json());
  return folder;
}

/// A folder with a tokenizer.model.
path model_folder() {
  const path folder = testing::scratch();
  std::filesystem::copy_file(testing::fixture("tokenizers/spm/tokenizer.model"), folder / "tokenizer.model");
  return folder;
}

void expect_format(const path& folder, std::string_view reason) {
  try {
    read_tokenizer_folder(folder);
    ADD_FAILURE() << "read; expected " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Format);
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(TokenizerFolder, OfTheTalesModel) {
  const TokenizerSpec spec = read_tokenizer_folder(testing::fixture("tokenizers/tales"));
  EXPECT_EQ(spec.bos, 0);
  EXPECT_EQ(spec.eos, 1);
  EXPECT_EQ(spec.eot, 2);  // <|eot_id|>
  EXPECT_TRUE(spec.add_bos);
  EXPECT_NE(spec.chat_template.find("message['content']"), std::string::npos);
}

TEST(TokenizerFolder, SettingsInEitherFormAndFile) {
  const path folder = bpe_folder();
  write(folder / "tokenizer_config.json", {{"bos_token", {{"content", "<|begin|>"}, {"lstrip", false}}},
                                           {"add_bos_token", false},
                                           {"add_eos_token", true}});
  write(folder / "special_tokens_map.json",
        {{"bos_token", "<|end|>"}, {"eos_token", "<|end|>"}, {"pad_token", "<|nowhere|>"}});
  const TokenizerSpec spec = read_tokenizer_folder(folder);
  EXPECT_EQ(spec.bos, kBegin);  // the first file counts
  EXPECT_EQ(spec.eos, kEnd);
  EXPECT_EQ(spec.pad, std::nullopt);
  EXPECT_FALSE(spec.add_bos);
  EXPECT_TRUE(spec.add_eos);
}

TEST(TokenizerFolder, ChatTemplates) {
  const path folder = bpe_folder();
  const auto with = [&](const json& chat_template) {
    write(folder / "tokenizer_config.json", {{"chat_template", chat_template}});
    return read_tokenizer_folder(folder).chat_template;
  };
  EXPECT_EQ(with("{{ x }}"), "{{ x }}");
  EXPECT_EQ(with(nullptr), "");
  EXPECT_EQ(with({{{"name", "tool_use"}, {"template", "no"}}, {{"name", "default"}, {"template", "yes"}}}),
            "yes");
  std::ofstream(folder / "chat_template.jinja") << "{{ from its own file }}";
  EXPECT_EQ(with("{{ x }}"), "{{ from its own file }}");
}

TEST(TokenizerFolder, WrongSettingsAreErrors) {
  const path folder = bpe_folder();
  const auto expect = [&](const json& config, std::string_view reason) {
    write(folder / "tokenizer_config.json", config);
    expect_format(folder, reason);
  };
  expect({{"bos_token", "<s>"}}, "the vocabulary lacks <s>");
  expect({{"bos_token", 7}}, "no token");
  expect({{"bos_token", {{"content", 7}}}}, "no token");
  expect({{"add_bos_token", "yes"}}, "no boolean");
  expect({{"chat_template", 7}}, "neither text nor list");
  expect(json::array(), "another type");
  json deep = 1;
  for (int i = 0; i < 200; ++i) deep = json::array({deep});
  expect({{"deep", deep}}, "nested too deeply");
  std::ofstream(folder / "tokenizer_config.json") << "{\"bos_token\": ";
  expect_format(folder, "not a JSON object");
}

TEST(TokenizerFolder, TokensAddedToAModel) {
  const path folder = model_folder();
  write(folder / "tokenizer_config.json", {{"eos_token", "</s>"},
                                           {"added_tokens_decoder",
                                            {{"0", {{"content", "<unk>"}, {"special", true}}},
                                             {"2000", {{"content", "<pad>"}, {"special", true}}},
                                             {"2001", {{"content", "<tool>"}, {"special", false}}}}}});
  const Tokenizer tokenizer(read_tokenizer_folder(folder));
  EXPECT_EQ(tokenizer.vocab_size(), 2002u);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(tokenizer.encode("a<pad><tool>").back(), 2001);
  EXPECT_TRUE(tokenizer.is_special(2000));
  EXPECT_FALSE(tokenizer.is_special(2001));
}

TEST(TokenizerFolder, TokensAddedToAModelInAnOlderFolder) {
  const path folder = model_folder();
  write(folder / "added_tokens.json", {{"<pad>", 2000}});
  write(folder / "special_tokens_map.json", {{"pad_token", "<pad>"}});
  const TokenizerSpec spec = read_tokenizer_folder(folder);
  EXPECT_EQ(spec.pad, 2000);
  EXPECT_EQ(spec.types[2000], TokenType::Control);
}

TEST(TokenizerFolder, AddedTokensMustFitTheModel) {
  const path folder = model_folder();
  const auto expect = [&](const json& added, std::string_view reason) {
    write(folder / "tokenizer_config.json", {{"added_tokens_decoder", added}});
    expect_format(folder, reason);
  };
  expect({{"2001", {{"content", "<pad>"}}}}, "leaves a gap");
  expect({{"999999999", {{"content", "<pad>"}}}}, "leaves a gap");
  expect({{"5", {{"content", "<pad>"}}}}, "has the id of another");
  expect({{"x", {{"content", "<pad>"}}}}, "not a token with its id");
  expect({{"2000", {{"content", 7}}}}, "not a token with its id");
  expect({{"2000", "<pad>"}}, "not a token with its id");
  expect({"<pad>"}, "no object");
  std::filesystem::remove(folder / "tokenizer_config.json");
  write(folder / "added_tokens.json", {{"<pad>", "2000"}});
  expect_format(folder, "not an id");
}

TEST(TokenizerFolder, TheModelFileStandsInForAJsonThatNeedsMore) {
  const path folder = model_folder();
  json needs_more = testing::small_tokenizer_json();
  needs_more["normalizer"] = {{"type", "NFKC"}};
  write(folder / "tokenizer.json", needs_more);
  EXPECT_EQ(read_tokenizer_folder(folder).tokens.size(), 2000u);
  // Not for one that is broken.
  needs_more["model"]["vocab"]["x"] = -1;
  write(folder / "tokenizer.json", needs_more);
  expect_format(folder, "not a whole number");
}

TEST(TokenizerFolder, WithoutAnyIsAnError) {
  try {
    read_tokenizer_folder(testing::scratch());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Io);
  }
}

}  // namespace
}  // namespace sterna
