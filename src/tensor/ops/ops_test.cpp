// What random calls beside NumPy (tests/tensor/numpy) do not reach: sizes beyond the buffers, numbers beside
// tensors, overlapping operands, and errors.
#include "sterna/ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "sterna/error.hpp"

namespace sterna {
namespace {

template <class T>
Tensor random_tensor(const Shape& shape, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<T> values(static_cast<std::size_t>(element_count(shape)));
  for (T& value : values) value = static_cast<T>(static_cast<double>(random() % 2001) / 8 - 125);
  return Tensor::from<T>(values, shape);
}

/// The message of the Error that a call throws; "" when it throws none.
template <class Call>
std::string message(const Call& call, ErrorCategory category) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category);
    return error.what();
  }
  return "";
}

TEST(Ops, WalkStridesBeyondTheBuffers) {
  const Tensor wide = random_tensor<float>({70, 3900}, 1);
  const Tensor a = wide.slice(1, Slice{{}, {}, -3});  // (70, 1300)
  const Tensor b = random_tensor<std::int16_t>({1300, 70}, 2).transpose();
  const Tensor row = random_tensor<double>({1300}, 3);
  const Tensor column = random_tensor<float>({70, 1}, 4);
  const std::vector<double> found = add(multiply(a, b), multiply(row, column)).to_vector<double>();
  const auto x = a.to_vector<float>();
  const auto y = b.to_vector<std::int16_t>();
  const auto r = row.to_vector<double>();
  const auto c = column.to_vector<float>();
  for (std::size_t i = 0; i < 70; ++i) {
    for (std::size_t j = 0; j < 1300; ++j) {
      const std::size_t k = i * 1300 + j;
      ASSERT_EQ(found[k],
                static_cast<double>(x[k] * static_cast<float>(y[k])) + r[j] * static_cast<double>(c[i]))
          << k;
    }
  }
}

TEST(Ops, WriteIntoStridedTensorsOfAnotherType) {
  const Tensor whole = Tensor::zeros({2600}, DType::F16);
  const Tensor every_other = whole.slice(0, Slice{1, {}, 2});
  add_(every_other, random_tensor<double>({1300}, 5));
  const auto values = random_tensor<double>({1300}, 5).to_vector<double>();
  const auto found = whole.to(DType::F64).to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(found[2 * i], 0);
    ASSERT_EQ(found[2 * i + 1], static_cast<double>(static_cast<float>(Half(static_cast<float>(values[i])))));
  }
}

TEST(Ops, ReduceRowsBeyondTheBuffers) {
  for (const DType type : {DType::F32, DType::F16, DType::I8, DType::F64}) {
    const Tensor whole = random_tensor<float>({1111, 2, 37}, 6).to(type);
    for (const Tensor& x : {whole.select(1, 1), whole.select(1, 0).transpose().contiguous().transpose()}) {
      const auto values = x.to(DType::F64).to_vector<double>();
      const auto sums = sum(x, 0).to(DType::F64).to_vector<double>();
      const auto largest = max(x, 0).to(DType::F64).to_vector<double>();
      const auto where_largest = argmax(x, 0).to_vector<std::int64_t>();
      const auto variances = var(x.to(DType::F64), 0).to_vector<double>();
      const auto medians = median(x.to(DType::F64), 0).to_vector<double>();
      for (std::size_t j = 0; j < 37; ++j) {
        std::vector<double> column;
        for (std::size_t i = 0; i < 1111; ++i) column.push_back(values[i * 37 + j]);
        double total = 0;
        for (const double value : column) total += value;
        const double tolerance = type == DType::F16 ? 1e-3 : 1e-7;
        ASSERT_NEAR(sums[j], total, tolerance * (1 + std::abs(total))) << name(type);
        const auto at = std::max_element(column.begin(), column.end());
        ASSERT_EQ(largest[j], *at);
        ASSERT_EQ(where_largest[j], at - column.begin());
        double squares = 0;
        for (const double value : column) squares += (value - total / 1111) * (value - total / 1111);
        ASSERT_NEAR(variances[j], squares / 1111, 1e-12 * squares);
        std::nth_element(column.begin(), column.begin() + 555, column.end());
        ASSERT_EQ(medians[j], column[555]);
      }
    }
  }
}

TEST(Ops, SumsHaveTheSameBitsWhateverTheLayout) {
  const Tensor x = random_tensor<float>({613, 129}, 7);
  const Tensor scaled = multiply(x, 1.1f);
  const Tensor by_columns = scaled.transpose().contiguous().transpose();
  const auto a = sum(scaled, 0).to_vector<float>();
  EXPECT_EQ(a, sum(by_columns, 0).to_vector<float>());
  EXPECT_EQ(sum(scaled).item<float>(), sum(by_columns).item<float>());
}

TEST(Ops, SumsLoseNothing) {
  // 1 and many numbers too small for each of them to be seen beside it.
  std::vector<double> values(100001, 0x1p-60);
  values[0] = 1;
  EXPECT_EQ(sum(Tensor::from<double>(values)).item<double>(), 1 + 100000 * 0x1p-60);
  std::vector<float> floats(1 << 20, 0.1f);
  EXPECT_EQ(sum(Tensor::from<float>(floats)).item<float>(),
            static_cast<float>(static_cast<double>(0.1f) * (1 << 20)));
}

TEST(Ops, NumbersTakeTheTensorsType) {
  const Tensor bytes = Tensor::from<std::uint8_t>({1, 200});
  EXPECT_EQ(add(bytes, 100).to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{101, 44}));
  EXPECT_EQ(multiply(bytes, 0.5).dtype(), DType::F64);
  EXPECT_EQ(add(Tensor::ones({2}, DType::F16), 0.1).dtype(), DType::F16);
  EXPECT_EQ(add(Tensor::ones({2}, DType::F32), 1).dtype(), DType::F32);
  EXPECT_EQ(add(Tensor::ones({2}, DType::Bool), 1).dtype(), DType::I64);
  EXPECT_EQ(add(Tensor::ones({2}, DType::I8), true).dtype(), DType::I8);
  EXPECT_EQ(add(2, 3).item<std::int64_t>(), 5);
  EXPECT_EQ(divide(1, 4).item<double>(), 0.25);
  EXPECT_NE(message([&] { add(bytes, 256); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { add(bytes, -1); }, ErrorCategory::InvalidArgument), "");
  EXPECT_EQ(add(Tensor::zeros({1}, DType::I8), -128).item<std::int64_t>(), -128);
  EXPECT_NE(message([&] { add(Tensor::zeros({1}, DType::I8), -129); }, ErrorCategory::InvalidArgument), "");
  // Comparisons take numbers that the type cannot hold.
  EXPECT_TRUE(all(less(bytes, 1000)).item<bool>());
  EXPECT_TRUE(all(greater(bytes, -1)).item<bool>());
  EXPECT_EQ(where(Tensor::from<bool>({true, false}), bytes, 7).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{1, 7}));
}

TEST(Ops, OverlappingOperandsAreReadFirst) {
  const Tensor x = Tensor::arange(1000).to(DType::F32);
  const Tensor tail = x.slice(0, Slice{1, {}, 1});
  add_(tail, x.slice(0, Slice{{}, -1, 1}));
  const auto found = x.to_vector<float>();
  for (std::size_t i = 1; i < found.size(); ++i) ASSERT_EQ(found[i], static_cast<float>(2 * i - 1));
  const Tensor square = random_tensor<double>({40, 40}, 8);
  const Tensor expected = add(square, square.transpose());
  add_(square, square.transpose());
  EXPECT_TRUE(all(equal(square, expected)).item<bool>());
}

TEST(Ops, SoftmaxOfLongRowsAddsUpToOne) {
  const Tensor x = random_tensor<float>({3, 5000, 2}, 9);
  const Tensor p = softmax(x, 1);
  EXPECT_EQ(p.shape(), x.shape());
  for (const float total : sum(p, 1).to_vector<float>()) EXPECT_NEAR(total, 1, 1e-6);
  const Tensor difference = absolute(subtract(log(p), log_softmax(x, 1)));
  EXPECT_LT(max(where(greater(p, 1e-30), difference, 0.0)).item<float>(), 2e-5f);
}

TEST(Ops, QuantizeAsTheEngineDoes) {
  const Tensor x =
      Tensor::from<float>({0.5f, 1.5f, 2.5f, -0.5f, 126.9f, 500.0f, -500.0f, NAN, INFINITY, -INFINITY});
  const Tensor q = quantize_i8(x, 1.0);
  EXPECT_EQ(q.to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{0, 2, 2, 0, 127, 127, -128, -128, 127, -128}));
}

TEST(Ops, NameTheOperationAndTheShapes) {
  const Tensor a = Tensor::ones({2, 3}, DType::F32);
  const Tensor b = Tensor::ones({4}, DType::I8);
  const std::string mismatch = message([&] { add(a, b); }, ErrorCategory::Mismatch);
  EXPECT_NE(mismatch.find("add"), std::string::npos) << mismatch;
  EXPECT_NE(mismatch.find("(2, 3) f32, (4,) i8"), std::string::npos) << mismatch;
  EXPECT_NE(message([&] { add_(b, a); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { add_(b, Tensor::ones({2, 4}, DType::I8)); }, ErrorCategory::Mismatch), "");
  EXPECT_NE(message([&] { add_(b.broadcast_to({3, 4}), 1); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { subtract(Tensor::ones({1}, DType::Bool), true); }, ErrorCategory::Unsupported), "");
  EXPECT_NE(message([&] { bitwise_and(a, a); }, ErrorCategory::Unsupported), "");
  EXPECT_NE(message([&] { power(b, -1); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { sum(a, 2); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { sum(a, {0, -2}); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { max(Tensor::empty({0}, DType::F32)); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { quantile(a, 1.5); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { norm(a, NAN); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { softmax(a, 2); }, ErrorCategory::InvalidArgument), "");
  EXPECT_NE(message([&] { softmax_(b); }, ErrorCategory::InvalidArgument), "");
  const Tensor packed = Tensor::ones({8}, DType::I8).to(DType::I4);
  EXPECT_NE(message([&] { add(packed, 1); }, ErrorCategory::Unsupported), "");
  EXPECT_NE(message([&] { sum(packed); }, ErrorCategory::Unsupported), "");
  EXPECT_NE(message([&] { result_type(DType::I4, DType::F32); }, ErrorCategory::Unsupported), "");
  std::int8_t fixed[2] = {1, 2};
  const Tensor read_only = Tensor::borrow(fixed, DType::I8, {2}, {}, false);
  EXPECT_NE(message([&] { add_(read_only, 1); }, ErrorCategory::InvalidArgument), "");
}

}  // namespace
}  // namespace sterna
