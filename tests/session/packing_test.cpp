// Whatever packing is asked for: the same logits, and the weights in that packing.
#include <gtest/gtest.h>

#include "model/packing_choice.hpp"
#include "sterna/convert.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

std::vector<float> logits_of(const std::shared_ptr<const Model>& model) {
  Session session(model, {.context = 64});
  std::vector<TokenId> ids(23);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>((i * 37 + 11) % 1000);
  std::vector<float> logits(ids.size() * model->config().vocab);
  session.evaluate_all(ids, logits);
  const TokenId one = 7;  // another way through the kernels
  const auto next = session.evaluate({&one, 1});
  logits.insert(logits.end(), next.begin(), next.end());
  return logits;
}

std::shared_ptr<const Model> load(const std::filesystem::path& path, Pack pack) {
  LoadOptions options;
  options.pack = pack;
  options.threads = 2;
  return Model::load(path, options);
}

/// The types of the ternary weights as the kernels read them, and whether all lie in the file.
void expect_types(const Model& model, DType type, bool as_it_lies) {
  for (const WeightReport& weight : model.weights()) {
    if (!layout_like(weight.used)) continue;
    EXPECT_EQ(weight.used, type) << weight.name;
    EXPECT_EQ(weight.owned_bytes == 0, as_it_lies) << weight.name;
    EXPECT_EQ(weight.why.empty(), as_it_lies) << weight.name << ": " << weight.why;
  }
}

class PackOfType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, PackOfType, ::testing::Values(DType::I2_S, DType::TQ2_0, DType::TQ1_0),
                         [](const auto& type) { return std::string(name(type.param)); });

TEST_P(PackOfType, ChangesNoBitOfTheLogits) {
  const DType type = GetParam();
  const auto path = testing::scratch() / "model.gguf";
  synthesize(path, {.shape = "tales", .ternary = type, .head = DType::Q8_0});

  const auto in_file = load(path, Pack::File);
  expect_types(*in_file, type, true);
  EXPECT_TRUE(in_file->packing().name.empty());
  const auto expected = logits_of(in_file);

  const bool is_two_bits = type != DType::TQ1_0;
  const auto two = load(path, Pack::TwoBit);
  expect_types(*two, is_two_bits ? type : DType::I2_S, is_two_bits);
  EXPECT_EQ(two->packing().name, "2bit");
  EXPECT_EQ(logits_of(two), expected);

  const auto base3 = load(path, Pack::OnePoint6Bit);
  expect_types(*base3, DType::TQ1_0, !is_two_bits);
  EXPECT_EQ(base3->packing().name, "1.6bit");
  EXPECT_EQ(logits_of(base3), expected);

  const auto chosen = load(path, Pack::Auto);
  EXPECT_FALSE(chosen->packing().name.empty());
  EXPECT_FALSE(chosen->packing().why.empty());
  EXPECT_EQ(logits_of(chosen), expected);
}

TEST(Pack, HoldsForWeightsThatNoKernelReads) {
  const auto path = testing::fixture("llama3-rope-scaling");
  const auto two = load(path, Pack::TwoBit);
  expect_types(*two, DType::I2_S, false);
  const auto base3 = load(path, Pack::OnePoint6Bit);
  expect_types(*base3, DType::TQ1_0, false);
  const auto in_file = load(path, Pack::File);
  EXPECT_FALSE(in_file->packing().name.empty());
  const auto expected = logits_of(two);
  EXPECT_EQ(logits_of(base3), expected);
  EXPECT_EQ(logits_of(in_file), expected);
}

TEST(Pack, HoldsForFilesOfOthers) {
  STERNA_REQUIRE_SHARED(foreign, "foreign");
  for (const auto* file : {"tales-i2_s-f16.gguf", "tales-tq1_0-f16.gguf", "tales-iq2_bn-q6_k.gguf"}) {
    const auto expected = logits_of(load(foreign / file, Pack::TwoBit));
    EXPECT_EQ(logits_of(load(foreign / file, Pack::OnePoint6Bit)), expected) << file;
    EXPECT_EQ(logits_of(load(foreign / file, Pack::File)), expected) << file;
  }
}

}  // namespace
}  // namespace sterna
