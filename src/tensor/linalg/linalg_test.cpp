#include "sterna/linalg.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "sterna/error.hpp"
#include "sterna/manipulation.hpp"
#include "sterna/ops.hpp"
#include "sterna/random.hpp"
#include "tensor/linalg/blas.hpp"

namespace sterna {
namespace {

// Small shapes are compared with NumPy (tests/tensor/numpy). Here are errors, and sizes at which blocks and
// threads matter.

// OpenBLAS waits for its threads by spinning and yielding, which beside other tests takes far longer than the
// products.
struct OneThread : testing::Environment {
  void SetUp() override { linalg_threads(1); }
};
const testing::Environment* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);

template <class F>
std::optional<Error> error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <class T>
Tensor naive_product(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(0);
  const std::int64_t n = b.size(1);
  const std::int64_t k = a.size(1);
  const Tensor rows = a.contiguous();
  const Tensor columns = b.transpose().contiguous();
  const Tensor c = Tensor::zeros({m, n}, dtype_of<T>());
  const T* const x = rows.data<T>();
  const T* const y = columns.data<T>();
  T* const z = c.mutable_data<T>();
  // Integers modulo 2^64, so modulo 2^bits.
  using Sum = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
  for (std::int64_t i = 0; i < m * n; ++i) {
    Sum sum = 0;
    for (std::int64_t j = 0; j < k; ++j)
      sum += static_cast<Sum>(x[i / n * k + j]) * static_cast<Sum>(y[i % n * k + j]);
    z[i] = static_cast<T>(sum);
  }
  return c;
}

TEST(Matmul, LargeFloatsInEveryLayout) {
  Random random(1);
  const std::int64_t m = 130, k = 257, n = 190;
  for (const bool a_turned : {false, true}) {
    for (const bool b_turned : {false, true}) {
      const Tensor a = a_turned ? random.normal({k, m}).transpose() : random.normal({m, k});
      const Tensor b = b_turned ? random.normal({n, k + 3}).transpose().slice(0, {3, {}})
                                : random.normal({k, n + 5}).slice(1, {2, n + 2});
      linalg_threads(a_turned && b_turned ? 2 : 1);
      const Tensor expected = naive_product<float>(a, b);
      const Tensor magnitude = naive_product<float>(absolute(a), absolute(b));
      // (k + 2)·ε·Σ|a·b|, ε of float.
      const Tensor bound = multiply(magnitude, static_cast<double>(k + 2) * 0x1p-23);
      EXPECT_TRUE(all(less_equal(absolute(subtract(matmul(a, b), expected)), bound)).item<bool>());
    }
  }
  linalg_threads(1);
}

TEST(Matmul, LargeIntegersWrap) {
  Random random(2);
  const auto check = [&]<class T>(T) {
    const DType dtype = dtype_of<T>();
    const Tensor a = random.integers({37, 150}, std::numeric_limits<std::int32_t>::min(), 1 << 30).to(dtype);
    const Tensor b = random.integers({150, 1100}, -1, std::int64_t{1} << 40).to(dtype);
    const Tensor expected = naive_product<T>(a, b);
    const Tensor turned = matmul(b.transpose(), a.transpose()).transpose();
    EXPECT_TRUE(all(equal(matmul(a, b), expected)).template item<bool>()) << name(dtype);
    EXPECT_TRUE(all(equal(turned, expected)).template item<bool>()) << name(dtype);
  };
  check(std::int8_t{});
  check(std::uint16_t{});
  check(std::int32_t{});
  check(std::int64_t{});
}

TEST(Matmul, MultipliesWhereTheMatrixLies) {
  using linalg::layout_of;
  const auto is = [](std::optional<linalg::Layout> layout, bool transposed, int pitch) {
    return layout && layout->transposed == transposed && layout->pitch == pitch;
  };
  EXPECT_TRUE(is(layout_of(3, 4, 4, 1), false, 4));
  EXPECT_TRUE(is(layout_of(3, 4, 10, 1), false, 10));
  EXPECT_TRUE(is(layout_of(3, 4, 1, 3), true, 3));
  EXPECT_TRUE(is(layout_of(1, 4, -7, 1), false, 4));
  EXPECT_TRUE(is(layout_of(1, 4, 0, 5), true, 5));
  EXPECT_TRUE(is(layout_of(3, 1, 2, 0), false, 2));
  EXPECT_FALSE(layout_of(3, 4, 3, 1));   // rows overlap
  EXPECT_FALSE(layout_of(3, 4, -4, 1));  // upwards
  EXPECT_FALSE(layout_of(3, 4, 0, 1));   // repeated
  EXPECT_FALSE(layout_of(3, 4, 8, 2));
  EXPECT_FALSE(layout_of(3, 4, std::int64_t{1} << 31, 1));  // beyond BLAS's int
}

TEST(Matmul, NamesOperationAndShapes) {
  const auto error = error_of([] {
    matmul(Tensor::ones({2, 3}, DType::F32), Tensor::ones({2, 3}, DType::I8));
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->category(), ErrorCategory::Mismatch);
  EXPECT_EQ(error->value("operation"), "matmul");
  EXPECT_EQ(error->value("operands"), "(2, 3) f32, (2, 3) i8");
  EXPECT_EQ(error_of([] {
              matmul(Tensor::ones({2, 2, 2}, DType::F32), Tensor::ones({3, 2, 2}, DType::F32));
            })->category(),
            ErrorCategory::Mismatch);
  EXPECT_EQ(error_of([] {
              matmul(Tensor::ones({2, 2}, DType::I4), Tensor::ones({2, 2}, DType::F32));
            })->category(),
            ErrorCategory::Unsupported);
}

TEST(Linalg, ManyThreadsAtOnce) {
  Random random(3);
  const Tensor a = random.normal({96, 96}, 0, 1, DType::F64);
  const Tensor x = inv(a);
  std::vector<Tensor> found(4);
  std::vector<std::thread> threads;
  for (Tensor& each : found) threads.emplace_back([&] { each = matmul(a, inv(a)); });
  for (std::thread& each : threads) each.join();
  const double bound = 96 * 0x1p-52 * norm(a).item<double>() * norm(x).item<double>();
  for (const Tensor& each : found)
    EXPECT_LE(norm(subtract(each, Tensor::eye(96, DType::F64))).item<double>(), bound);
}

TEST(Linalg, SaysWhichMatrixIsSingular) {
  const Tensor a = Tensor::eye(3, DType::F64).broadcast_to({2, 3, 3}).clone();
  a.index({1, 2}).fill(0);
  const auto error = error_of([&] { inv(a); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->category(), ErrorCategory::InvalidArgument);
  EXPECT_EQ(error->message(), "the matrix is singular");
  EXPECT_EQ(error->value("operation"), "inv");
  EXPECT_EQ(error->value("shape"), "(2, 3, 3)");
  EXPECT_EQ(error->value("matrix"), "1");
  EXPECT_EQ(error->value("info"), "3");
  EXPECT_EQ(error_of([&] { solve(a, Tensor::ones({3}, DType::F64)); })->value("operation"), "solve");
  EXPECT_EQ(det(a).to_vector<double>(), (std::vector<double>{1, 0}));
}

// Everything but products, of a square matrix.
using Function = void (*)(const Tensor&);
constexpr Function kFactorizations[] = {
    [](const Tensor& a) { solve(a, Tensor::ones({a.size(0)}, DType::F64)); },
    [](const Tensor& a) { lstsq(a, Tensor::ones({a.size(0)}, DType::F64)); },
    [](const Tensor& a) { inv(a); },
    [](const Tensor& a) { det(a); },
    [](const Tensor& a) { slogdet(a); },
    [](const Tensor& a) { lu(a); },
    [](const Tensor& a) { qr(a); },
    [](const Tensor& a) { cholesky(a); },
    [](const Tensor& a) { svd(a); },
    [](const Tensor& a) { svdvals(a); },
    [](const Tensor& a) { eigh(a); },
    [](const Tensor& a) { eigvalsh(a); },
    [](const Tensor& a) { eig(a); },
    [](const Tensor& a) { eigvals(a); },
    [](const Tensor& a) { matrix_norm(a, MatrixNorm::Nuclear); },
    [](const Tensor& a) { cond(a); },
    [](const Tensor& a) { cond(a, MatrixNorm::One); },
    [](const Tensor& a) { matrix_rank(a); },
    [](const Tensor& a) { pinv(a); },
};

TEST(Linalg, ExtremeNumbersEnd) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
  const Tensor extremes =
      Tensor::from<double>({0, 1, -kLargest, kLargest, kSmallest, -kSmallest, 1e-200, 1e200});
  Random random(4);
  for (int i = 0; i < 100; ++i) {
    const std::int64_t n = random.integers({}, 1, 7).item<std::int64_t>();
    const Tensor a = take(extremes, random.choice(8, {n, n}));
    for (const auto function : kFactorizations) {
      const auto error = error_of([&] { function(a); });  // anything but an Error ends the test
      EXPECT_TRUE(!error || error->category() == ErrorCategory::InvalidArgument) << error->what();
    }
  }
}

TEST(Linalg, RefusesWhatHasNoAnswer) {
  const Tensor negative = Tensor::from<double>({1, 0, 0, -1}, Shape{2, 2});
  EXPECT_EQ(error_of([&] { cholesky(negative); })->message(), "the matrix is not positive definite");
  EXPECT_EQ(error_of([&] { cholesky(negative); })->value("info"), "2");
  const Tensor infinite = Tensor::full({2, 2}, std::numeric_limits<double>::infinity());
  const Tensor vector = Tensor::ones({2}, DType::F64);
  for (const auto function : kFactorizations) {
    EXPECT_EQ(error_of([&] { function(infinite); })->category(), ErrorCategory::InvalidArgument);
    EXPECT_EQ(error_of([&] { function(vector); })->category(), ErrorCategory::Mismatch);
    EXPECT_EQ(error_of([&] {
                function(Tensor::ones({2, 2}, DType::Ternary2));
              })->category(),
              ErrorCategory::Unsupported);
  }
}

TEST(Linalg, DeterminantsBeyondTheWay) {
  // 1e200 · 1e200 · 1e-300 overflows on the way to 1e100.
  const Tensor a = Tensor::from<double>({1e200, 0, 0, 0, 1e200, 0, 0, 0, 1e-300}, Shape{3, 3});
  EXPECT_NEAR(det(a).item<double>() / 1e100, 1, 1e-14);
  EXPECT_NEAR(slogdet(multiply(a, 1e100)).logabs.item<double>(), 400 * std::log(10.0), 1e-11);
}

TEST(Einsum, RefusesMalformedSubscripts) {
  const Tensor a = Tensor::ones({2, 3}, DType::F32);
  const Tensor b = Tensor::ones({3, 4}, DType::F32);
  const char* const malformed[] = {"",        "ij",        "ij,jk,kl",      "ij,jk->ii", "ij,jk->iz",
                                   "ij,j->i", "i1,jk",     "ij,jk->ik->ik", "ij,jk->",   "i.j,jk",
                                   "ij..,jk", "......,jk", "ij,jk-",        "ij,jk>ik",  "ij,jk- >ik",
                                   "é,jk",    "ij,jkl",    "ij,jk->i,k"};
  for (const std::string_view text : malformed) {
    const auto error = error_of([&] { einsum(text, {a, b}); });
    if (text == "ij,jk->") {  // the sum of everything is well formed
      EXPECT_FALSE(error);
      continue;
    }
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->category(), ErrorCategory::InvalidArgument) << text;
    EXPECT_EQ(error->value("operation"), "einsum");
    EXPECT_EQ(error->value("subscripts"), text);
  }
  EXPECT_EQ(error_of([&] { einsum("ij,ij", {a, b}); })->category(), ErrorCategory::Mismatch);
  EXPECT_EQ(error_of([&] { einsum("ii", {a}); })->category(), ErrorCategory::Mismatch);
}

TEST(Linalg, Threads) {
  linalg_threads(2);
  EXPECT_EQ(linalg_threads(), 2);
  linalg_threads(1);
  EXPECT_EQ(linalg_threads(), 1);
  EXPECT_EQ(error_of([] { linalg_threads(0); })->category(), ErrorCategory::InvalidArgument);
}

}  // namespace
}  // namespace sterna
