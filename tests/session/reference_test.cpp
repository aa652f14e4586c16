// The engine against logits that other implementations computed.
#include <gtest/gtest.h>

#include "sterna/session.hpp"
#include "support/paths.hpp"
#include "support/reference.hpp"
#include "support/tensors.hpp"

namespace sterna {
namespace {

using testing::agreement;
using testing::ids_of;
using testing::values_of;

// Two right float32 implementations of one model differ by 0.6 to 1.4 % relative L2: a last-bit difference
// flips the rounding of an activation.
constexpr double kPromptL2 = 0.01;
constexpr double kOracleL2 = 0.02;
constexpr double kTop1 = 0.98;

void expect_prompts(const std::shared_ptr<const Model>& model, const Container& reference, double tolerance,
                    double least_top1 = kTop1) {
  const std::size_t vocab = model->config().vocab;
  for (int prompt = 0; prompt < 4; ++prompt) {
    const auto suffix = "." + std::to_string(prompt);
    if (!reference.find("ids" + suffix)) continue;  // not every file holds all
    const auto ids = ids_of(reference, "ids" + suffix);
    const auto expected = values_of<float>(reference, "logits" + suffix);
    Session session(model, {.context = 64});
    std::vector<float> logits(ids.size() * vocab);
    session.evaluate_all(ids, logits);
    const auto found = agreement(logits, expected, vocab);
    EXPECT_LE(found.relative_l2, tolerance) << "prompt " << prompt;
    EXPECT_GE(found.top1, least_top1) << "prompt " << prompt;
  }
}

class TalesReference : public ::testing::TestWithParam<const char*> {};

TEST_P(TalesReference, LogitsOfThePromptsAgree) {
  STERNA_REQUIRE_SHARED(path, std::string("models/tales/") + GetParam());
  STERNA_REQUIRE_SHARED(reference_path, "models/tales/reference.safetensors");
  const auto reference = safetensors::read(reference_path);
  const auto model = Model::load(path);
  expect_prompts(model, reference, kPromptL2);

  // A window of 512, of which the reference holds every 64th position.
  const auto ids = ids_of(reference, "ids.long");
  const auto expected = values_of<float>(reference, "logits.long");
  const std::size_t vocab = model->config().vocab;
  std::vector<float> all(ids.size() * vocab);
  Session session(model, {.context = 512});
  session.evaluate_all(ids, all);
  std::vector<float> chosen;
  for (std::size_t t = 0; t < ids.size(); t += 64)
    chosen.insert(chosen.end(), all.begin() + t * vocab, all.begin() + (t + 1) * vocab);
  EXPECT_LE(agreement(chosen, expected, vocab).relative_l2, kOracleL2);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, TalesReference, ::testing::Values("packed", "bf16"));

TEST(BundledModel, LogitsOfThePromptsAgree) {
  // Its Q8_0 embedding adds its own rounding to that of the activations, which may turn one near tie among
  // the 9 positions of the shorter prompt.
  expect_prompts(Model::load(testing::bundled_model()),
                 safetensors::read(testing::fixture("tales-logits.safetensors")), kOracleL2, 8.0 / 9);
}

TEST(DenseReference, LogitsAgree) {
  STERNA_REQUIRE_SHARED(path, "models/tales-dense");
  const auto reference = safetensors::read(path / "reference.safetensors");
  // Nothing is quantised here, so nothing flips: only float rounding differs.
  expect_prompts(Model::load(path), reference, 1e-4);
}

void expect_oracle(const std::filesystem::path& folder) {
  const auto oracle = safetensors::read(folder / "oracle.safetensors");
  const auto model = Model::load(folder);
  const std::size_t vocab = model->config().vocab;
  const auto ids = ids_of(oracle, "ids");
  const auto expected = values_of<float>(oracle, "logits");
  const std::size_t length = oracle.find("ids")->shape.at(1);
  std::vector<float> logits(expected.size());
  for (std::size_t at = 0; at < ids.size(); at += length) {
    Session session(model, {.context = static_cast<std::uint32_t>(length)});
    session.evaluate_all({ids.data() + at, length}, {logits.data() + at * vocab, length * vocab});
  }
  const auto found = agreement(logits, expected, vocab);
  EXPECT_LE(found.relative_l2, kOracleL2);
  EXPECT_GE(found.top1, kTop1);
}

class Oracle : public ::testing::TestWithParam<const char*> {};

TEST_P(Oracle, LogitsAgree) {
  STERNA_REQUIRE_SHARED(folder, std::string("oracles/") + GetParam());
  expect_oracle(folder);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Oracle,
                         ::testing::Values("bitnet-untied-offline", "llama-bitlinear",
                                           "llama3-rope-scaling"));

TEST(Oracle, FixtureLogitsAgree) {
  expect_oracle(testing::fixture("llama3-rope-scaling"));
}

}  // namespace
}  // namespace sterna
