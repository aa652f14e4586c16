#include "tensor/ops/level.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "sterna/ops.hpp"

namespace sterna::ops {
namespace {

class Levels : public ::testing::Test {
 protected:
  static void set(Level level) {
    set_elementwise_level(level);
    set_reduction_level(level);
  }
  ~Levels() override { set(Level::Simd); }
};

TEST_F(Levels, RowsThatHaveScalarLoopsRunThem) {
  std::size_t different = 0;
  for (const OpRow& row : op_table()) {
    EXPECT_EQ(&loops_of(row), &row.loops) << row.name;
    set(Level::Scalar);
    const Loops* expected = &row.loops;
    for (const OpRow& scalar : scalar_op_table()) {
      if (scalar.name == row.name) expected = &scalar.loops;
    }
    EXPECT_EQ(&loops_of(row), expected) << row.name;
    different += expected != &row.loops;
    set(Level::Simd);
  }
  EXPECT_GT(different, 20u);
  for (const ReduceRow& row : reduce_table()) {
    EXPECT_EQ(&reducers_of(row), &row.reducers) << row.name;
    set(Level::Scalar);
    EXPECT_NE(&reducers_of(row), &row.reducers) << row.name;
    set(Level::Simd);
  }
}

TEST_F(Levels, ResultsAreTheSameBits) {
  std::vector<float> values(1003);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01f * static_cast<float>(i) - 4.7f;
  const Tensor x = Tensor::from(std::span<const float>(values), Shape{17, 59});
  const auto results = [&] {
    std::vector<float> all;
    for (const Tensor& result : {exp(x), add(x, x), silu(x), softmax(x, 1), sum(x, 1), log_softmax(x, 0)}) {
      all.insert(all.end(), result.data<float>(), result.data<float>() + result.size());
    }
    return all;
  };
  const auto vectors = results();
  set(Level::Scalar);
  const auto scalars = results();
  ASSERT_EQ(vectors.size(), scalars.size());
  EXPECT_EQ(std::memcmp(vectors.data(), scalars.data(), vectors.size() * sizeof(float)), 0);
}

}  // namespace
}  // namespace sterna::ops
