#include "sterna/dtype.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

TEST(DType, NamesReadBack) {
  for (const DTypeInfo& row : dtype_table()) {
    EXPECT_EQ(dtype_from_name(row.name), row.dtype);
    EXPECT_EQ(name(row.dtype), row.name);
  }
  EXPECT_EQ(dtype_from_name("TQ2_0"), DType::TQ2_0);
  EXPECT_EQ(dtype_from_name("f8"), std::nullopt);
  EXPECT_EQ(dtype_from_name(""), std::nullopt);
}

TEST(DType, StorageOfKnownShapes) {
  EXPECT_EQ(storage_bytes(DType::F16, 3, 5), 30u);
  EXPECT_EQ(storage_bytes(DType::Q6_K, 2, 512), 2u * 2 * 210);
  EXPECT_EQ(storage_bytes(DType::I2_S, 6, 6), 36u / 4 + 32);  // counts the tensor's weights, not a row's
  EXPECT_EQ(storage_bytes(DType::IQ2_BN, 3, 128), 3u * (4 + 32));
  EXPECT_EQ(storage_bytes(DType::IQ1_BN, 3, 128), 3u * (2 + 26));
  EXPECT_EQ(storage_bytes(DType::TQ1_0, 2, 256), 108u);
}

TEST(DType, StorageRefusesPartsOfBlocksAndOverflow) {
  EXPECT_EQ(storage_bytes(DType::Q8_0, 2, 33), std::nullopt);
  EXPECT_EQ(storage_bytes(DType::I2_S, 1, 6), std::nullopt);
  const std::uint64_t huge = std::uint64_t{1} << 62;
  for (const DTypeInfo& row : dtype_table()) {
    EXPECT_EQ(storage_bytes(row.dtype, huge, huge), std::nullopt) << row.name;
    EXPECT_EQ(storage_bytes(row.dtype, ~std::uint64_t{0}, 256), std::nullopt) << row.name;
  }
}

}  // namespace
}  // namespace sterna
