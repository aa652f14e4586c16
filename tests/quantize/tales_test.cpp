// The quantiser against a published pair: bf16 master weights and what their authors' quantiser made of them.
#include <gtest/gtest.h>

#include "quantize/absmean.hpp"
#include "support/paths.hpp"
#include "support/tales.hpp"

namespace sterna {
namespace {

TEST(AbsmeanTales, MasterWeightsGiveThePackedCheckpoint) {
  STERNA_REQUIRE_SHARED(masters_path, "models/tales/bf16");
  STERNA_REQUIRE_SHARED(packed_path, "models/tales/packed");
  const Container masters = safetensors::read_folder(masters_path);
  const Container packed = safetensors::read_folder(packed_path);
  for (const testing::LinearName& name : testing::tales_linears()) {
    const StoredTensor& master = testing::tensor_of(masters, name.hf + ".weight");
    ASSERT_EQ(master.dtype, DType::BF16);
    const TernaryMatrix expected = testing::packed_linear(packed, name);
    const TernaryMatrix found =
        quantize_absmean(master.dtype, master.bytes, master.rows(), master.cols(), DType::BF16);
    EXPECT_EQ(found.rows, expected.rows);
    EXPECT_TRUE(found.trits == expected.trits) << name.hf;
    EXPECT_EQ(found.scales.values, expected.scales.values) << name.hf;
  }
}

}  // namespace
}  // namespace sterna
