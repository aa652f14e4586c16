#include <gtest/gtest.h>

#include "platform/mapped_file.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

constexpr double kReference = 32.39085105406147;  // models/tales/reference.json

double perplexity_of(const std::filesystem::path& model, const std::filesystem::path& corpus) {
  const auto text = MappedFile::open(corpus / "tales-heldout.txt");
  const auto result = perplexity(Model::load(model), as_text(text->bytes()));
  EXPECT_EQ(result.tokens, 31171u);
  return result.perplexity;
}

struct Case {
  const char* path;
  double tolerance;  ///< relative
};

class Perplexity : public ::testing::TestWithParam<Case> {};

TEST_P(Perplexity, OfTheHeldOutTalesIsTheReferences) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  STERNA_REQUIRE_SHARED(model, GetParam().path);
  EXPECT_NEAR(perplexity_of(model, corpus), kReference, GetParam().tolerance * kReference);
}

INSTANTIATE_TEST_SUITE_P(SlowFiles, Perplexity,
                         ::testing::Values(Case{"models/tales/packed", 0.003},
                                           Case{"models/tales/bf16", 0.003},
                                           Case{"foreign/tales-i2_s-f16.gguf", 0.001},
                                           Case{"foreign/tales-tq1_0-f16.gguf", 0.001},
                                           Case{"foreign/tales-iq2_bn-q6_k.gguf", 0.005}));

TEST(SlowPerplexity, OfTheBundledModel) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  EXPECT_NEAR(perplexity_of(testing::bundled_model(), corpus), kReference, 0.005 * kReference);
}

TEST(SlowPerplexity, OfTheDenseSiblingIsItsReference) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  STERNA_REQUIRE_SHARED(model, "models/tales-dense");
  // Nothing is quantised: only float rounding differs from models/tales-dense/reference.json.
  EXPECT_NEAR(perplexity_of(model, corpus), 31.229036601021285, 0.0005 * 31.23);
}

TEST(SlowPerplexity, OfConvertedHeads) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  STERNA_REQUIRE_SHARED(packed, "models/tales/packed");
  const auto folder = testing::scratch();
  for (const auto& [head, tolerance] : {std::pair{DType::F16, 0.003}, {DType::Q8_0, 0.005}}) {
    const auto out = folder / (std::string(name(head)) + ".gguf");
    convert(packed, out, {.head = head});
    EXPECT_NEAR(perplexity_of(out, corpus), kReference, tolerance * kReference) << name(head);
  }
}

TEST(PerplexityOf, NeedsAWindowAndATokenizer) {
  const auto model = Model::load(testing::fixture("llama3-rope-scaling"));
  EXPECT_THROW(perplexity(model, "a text", 1), Error);
  EXPECT_THROW(perplexity(model, "a text"), Error);  // the fixture has no tokenizer
}

}  // namespace
}  // namespace sterna
