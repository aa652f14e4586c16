// Heads of random shapes and of every kind that might deceive a bound: the bound holds, and every logit that
// is needed is there.
#include "model/screened_head.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "base/checked.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

using Random = std::mt19937;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr DType kTypes[] = {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q6_K, DType::Q4_0};

/// A head with its kernel, and the coarse copy of it.
class Head {
 public:
  Head(DType dtype, std::size_t rows, std::size_t cols, const std::vector<float>& values)
      : kernels_(select_float_kernels()) {
    Matrix& matrix = linear.matrix;
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.dtype = dtype;
    matrix.stride = *storage_bytes(dtype, 1, cols);
    matrix.owned = AlignedBuffer(rows * matrix.stride);
    matrix.data = matrix.owned.data();
    for (std::size_t r = 0; r < rows; ++r) {
      quantize_row(dtype, values.data() + r * cols, cols, matrix.owned.data() + r * matrix.stride);
    }
  }

  std::shared_ptr<const CoarseHead> coarse(std::string_view isa = {}) const {
    ThreadPool pool(2);
    return make_coarse_head(linear, screen_kernel_of(isa.empty() ? kernels_.isa : isa), pool);
  }

  /// Makes what the kernel takes of the activations.
  void feed(const std::vector<float>& x) {
    x_ = x;
    codes_.assign(takes_codes16(linear.matrix.dtype) ? x.size() : 0, 0);
    if (!codes_.empty()) scale_ = kernels_.quantize16(x.data(), x.size(), codes_.data());
  }
  const float* x() const { return x_.data(); }
  const std::int16_t* codes() const { return codes_.empty() ? nullptr : codes_.data(); }
  float scale() const { return scale_; }

  void rows(std::size_t begin, std::size_t end, float* out) const {
    const Matrix& m = linear.matrix;
    dense_kernel(kernels_, m.dtype)({.weights = m.data,
                                     .weight_stride = m.stride,
                                     .cols = m.cols,
                                     .x = x_.data(),
                                     .x_stride = m.cols,
                                     .tokens = 1,
                                     .row_begin = begin,
                                     .row_end = end,
                                     .out = out,
                                     .out_stride = m.rows,
                                     .codes = codes(),
                                     .codes_stride = m.cols,
                                     .code_scales = &scale_});
  }

  Linear linear;

 private:
  FloatKernels kernels_;
  std::vector<float> x_;
  std::vector<std::int16_t> codes_;
  float scale_ = 1;
};

/// Screens, and compares with all logits what must be there. Returns the rows computed.
std::size_t expect_needed(const Head& head, HeadScreen& screen, const NeededLogits& needed) {
  const std::size_t rows = head.linear.matrix.rows;
  std::vector<float> all(rows), some(rows, kMinusInfinity);
  head.rows(0, rows, all.data());
  if (!screen.start(needed, head.x(), head.codes(), head.scale())) return rows;
  screen.bound(0, rows / 3);
  screen.bound(rows / 3, rows);
  for (std::size_t r = 0; r < rows; ++r) EXPECT_LE(all[r], screen.upper_bounds()[r]) << "row " << r;
  const auto compute = [&](std::span<const std::int32_t> ids) {
    for (const auto id : ids)
      head.rows(static_cast<std::size_t>(id), static_cast<std::size_t>(id) + 1, some.data());
  };
  compute(screen.best());
  compute(screen.rest(some.data()));

  std::vector<float> ranked;  // of the ids that are not asked for by name
  for (std::size_t r = 0; r < rows; ++r) {
    if (std::ranges::find(needed.always, static_cast<std::int32_t>(r)) == needed.always.end())
      ranked.push_back(all[r]);
  }
  std::ranges::sort(ranked, std::greater<>());
  double least = static_cast<double>(ranked.front()) - needed.below_best;
  if (needed.top > 0) least = std::max(least, static_cast<double>(ranked[needed.top - 1]));
  std::size_t computed = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const bool named = std::ranges::find(needed.always, static_cast<std::int32_t>(r)) != needed.always.end();
    computed += some[r] != kMinusInfinity;
    if (!named && static_cast<double>(all[r]) < least && some[r] == kMinusInfinity) continue;
    EXPECT_EQ(std::memcmp(&some[r], &all[r], sizeof(float)), 0)
        << "row " << r << ": " << some[r] << " for " << all[r];
  }
  return computed;
}

std::vector<float> normal(std::size_t n, Random& random, float deviation = 1.0f) {
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = distribution(random);
  return values;
}

/// What may be done to random weights [rows, cols].
struct Twist {
  const char* name;
  std::function<void(std::vector<float>& w, std::size_t rows, std::size_t cols, Random& random)> apply;
};

const Twist kTwists[] = {
    {"none", [](auto&, auto, auto, auto&) {}},
    {"equal rows",
     [](auto& w, auto rows, auto cols, auto&) {
       for (std::size_t r = 1; r < rows; ++r)
         std::copy_n(w.begin(), cols, w.begin() + static_cast<std::ptrdiff_t>(r * cols));
     }},
    {"pairs of equal rows",
     [](auto& w, auto rows, auto cols, auto&) {
       for (std::size_t r = 0; r < rows / 2; ++r) {
         std::copy_n(w.begin() + static_cast<std::ptrdiff_t>(r * cols), cols,
                     w.end() - static_cast<std::ptrdiff_t>((r + 1) * cols));
       }
     }},
    {"zeros", [](auto& w, auto, auto, auto&) { std::ranges::fill(w, 0.0f); }},
    {"zero rows",
     [](auto& w, auto rows, auto cols, auto& random) {
       for (std::size_t r = 0; r < rows; ++r) {
         if (random() % 2) std::fill_n(w.begin() + static_cast<std::ptrdiff_t>(r * cols), cols, 0.0f);
       }
     }},
    {"a huge row",
     [](auto& w, auto rows, auto cols, auto& random) {
       const std::size_t r = random() % rows;
       for (std::size_t k = 0; k < cols; ++k) w[r * cols + k] *= 1000;
     }},
    {"a huge weight in every row",
     [](auto& w, auto rows, auto cols, auto& random) {
       for (std::size_t r = 0; r < rows; ++r) w[r * cols + random() % cols] *= 100;
     }},
    {"a huge column",
     [](auto& w, auto rows, auto cols, auto&) {
       for (std::size_t r = 0; r < rows; ++r) w[r * cols] *= 300;
     }},
    {"tiny",
     [](auto& w, auto, auto, auto&) {
       for (float& v : w) v *= 1e-4f;
     }},
    {"signs",
     [](auto& w, auto, auto, auto&) {
       for (float& v : w) v = v < 0 ? -1.0f : 1.0f;
     }},
};

TEST(ScreenedHead, GivesEveryLogitThatIsNeeded) {
  Random random(3);
  for (const Twist& twist : kTwists) {
    for (const DType dtype : kTypes) {
      SCOPED_TRACE(std::string(twist.name) + " " + std::string(name(dtype)));
      const std::size_t block = info(dtype).block_elements;
      const std::size_t cols =
          block == 1 ? 1 + random() % 300 : block * (1 + random() % (block == 32 ? 12 : 3));
      const std::size_t rows = 100 + random() % 400;
      auto values = normal(rows * cols, random, 0.05f);
      twist.apply(values, rows, cols, random);
      Head head(dtype, rows, cols, values);
      const auto coarse = head.coarse();
      ASSERT_TRUE(coarse);
      for (int i = 0; i < 6; ++i) {
        auto x = normal(cols, random, 3.0f);
        if (i == 1) x[random() % cols] = 500;  // an outlier
        if (i == 2) x.assign(cols, 0.0f);
        if (i == 3) {  // towards a row
          dequantize_row(dtype, head.linear.matrix.data + random() % rows * head.linear.matrix.stride, cols,
                         x.data());
        }
        if (i == 4)
          for (float& v : x) v *= 1e-20f;
        if (i == 5)
          for (float& v : x) v *= 1e15f;
        head.feed(x);
        const std::vector<std::int32_t> some{static_cast<std::int32_t>(rows - 1), 3, 3, 0};
        HeadScreen screen(coarse, head.linear.matrix.stride);
        for (const NeededLogits& needed :
             {NeededLogits{1, std::numeric_limits<double>::infinity(), {}}, NeededLogits{7, 0.5, {}},
              NeededLogits{12, std::numeric_limits<double>::infinity(), some}, NeededLogits{0, 2.0, some},
              NeededLogits{0, 0.0, {}}}) {
          HeadScreen fresh(coarse, head.linear.matrix.stride);  // one that has learnt nothing
          expect_needed(head, fresh, needed);
          expect_needed(head, screen, needed);
        }
      }
    }
  }
}

TEST(ScreenedHead, ComputesFewRowsWhereOneStandsOut) {
  Random random(4);
  constexpr std::size_t kRows = 1000, kCols = 512;
  const auto values = normal(kRows * kCols, random);
  Head head(DType::Q8_0, kRows, kCols, values);
  head.feed({values.begin() + 7 * kCols, values.begin() + 8 * kCols});
  HeadScreen screen(head.coarse(), head.linear.matrix.stride);
  EXPECT_EQ(expect_needed(head, screen, {}), 1u);
  EXPECT_EQ(screen.statistics().tokens, 1u);
  EXPECT_EQ(screen.statistics().screened, 1u);
  EXPECT_EQ(screen.statistics().rows, 1u);
}

TEST(ScreenedHead, InstructionSetsGiveTheSameBounds) {
  Random random(5);
  constexpr std::size_t kRows = 70, kCols = 640;
  Head head(DType::F16, kRows, kCols, normal(kRows * kCols, random));
  head.feed(normal(kCols, random));
  std::vector<float> expected;
  for (const ScreenKernel& row : screen_kernels()) {
    if (!supported(row.required)) continue;
    HeadScreen screen(head.coarse(row.isa), head.linear.matrix.stride);
    ASSERT_TRUE(screen.start({}, head.x(), head.codes(), head.scale()));
    screen.bound(0, kRows);
    const std::vector<float> found(screen.upper_bounds().begin(), screen.upper_bounds().end());
    if (expected.empty()) expected = found;
    EXPECT_EQ(found, expected) << row.isa;
  }
}

TEST(ScreenedHead, LeavesTheRestToTheWholeHead) {
  Random random(6);
  constexpr std::size_t kRows = 200, kCols = 64;
  Head head(DType::F32, kRows, kCols, normal(kRows * kCols, random));
  const auto coarse = head.coarse();
  HeadScreen screen(coarse, head.linear.matrix.stride);
  const auto starts = [&](std::vector<float> x, const NeededLogits& needed = {}) {
    head.feed(x);
    return screen.start(needed, head.x(), head.codes(), head.scale());
  };
  EXPECT_TRUE(starts(std::vector<float>(kCols, 1.0f)));
  EXPECT_FALSE(starts(std::vector<float>(kCols, 1.0f), {.top = 26}));  // more than an eighth
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -kMinusInfinity, 3e37f}) {
    auto x = std::vector<float>(kCols, 1.0f);
    x[9] = bad;
    EXPECT_FALSE(starts(x)) << bad;
  }
}

TEST(ScreenedHead, PausesWhileItDoesNotPay) {
  constexpr std::size_t kRows = 200, kCols = 64;
  Head head(DType::Q8_0, kRows, kCols, std::vector<float>(kRows * kCols, 0.25f));  // ties: every row is kept
  head.feed(std::vector<float>(kCols, 1.0f));
  HeadScreen screen(head.coarse(), head.linear.matrix.stride);
  for (int i = 0; i < 1000; ++i) expect_needed(head, screen, {});
  EXPECT_EQ(screen.statistics().tokens, 1000u);
  EXPECT_LT(screen.statistics().screened, 25u);
  EXPECT_EQ(screen.statistics().rows, kRows * screen.statistics().screened);
}

TEST(ScreenedHead, PausesWhereRowsApartCostMoreThanAllTogether) {
  constexpr std::size_t kRows = 100, kCols = 2560, kTokens = 200;
  // The first rows tie and are kept, the others are far below. With the copy 40 rows are fewer bytes than the
  // head, but take longer.
  const auto screened = [&](std::size_t kept) {
    std::vector<float> values(kRows * kCols, -0.25f);
    std::fill_n(values.begin(), kept * kCols, 0.25f);
    Head head(DType::Q8_0, kRows, kCols, values);
    head.feed(std::vector<float>(kCols, 1.0f));
    HeadScreen screen(head.coarse(), head.linear.matrix.stride);
    for (std::size_t i = 0; i < kTokens; ++i) expect_needed(head, screen, {});
    EXPECT_EQ(screen.statistics().rows, kept * screen.statistics().screened);
    return screen.statistics().screened;
  };
  EXPECT_EQ(screened(10), kTokens);
  EXPECT_LT(screened(40), kTokens / 10);
}

TEST(ScreenedHead, IsNotMadeWhereItCannotBeRight) {
  constexpr std::size_t kRows = 20, kCols = 32;
  Random random(8);
  const auto values = normal(kRows * kCols, random);
  Head biased(DType::F32, kRows, kCols, values);
  biased.linear.bias.assign(kRows, 1.0f);
  EXPECT_FALSE(biased.coarse());
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kMinusInfinity, 1e30f}) {
    Head head(DType::F32, kRows, kCols, values);
    std::memcpy(head.linear.matrix.owned.data() + 13 * head.linear.matrix.stride, &bad, sizeof bad);
    EXPECT_FALSE(head.coarse()) << bad;
  }
  EXPECT_TRUE(Head(DType::F32, kRows, kCols, values).coarse());
}

}  // namespace
}  // namespace sterna
