// The loops of the tables against those compiled for one element at a time, and the float functions against
// double.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/half.hpp"
#include "tensor/ops/convert.hpp"
#include "tensor/ops/half.hpp"
#include "tensor/ops/promote.hpp"
#include "tensor/ops/reduce_row.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {
namespace {

using Bytes8 = std::vector<std::uint64_t>;  // memory for elements of any type

std::size_t size_of(DType type) {
  return info(type).block_bytes;
}

/// n elements of a type: every special value, then random bits or random numbers of ordinary size.
Bytes8 elements(DType type, std::size_t n, std::minstd_rand& random) {
  Bytes8 memory(n + 1);
  const auto put = [&](std::size_t i, const auto& value) {
    std::memcpy(reinterpret_cast<std::byte*>(memory.data()) + i * sizeof(value), &value, sizeof(value));
  };
  constexpr double kSpecial[] = {0.0,  -0.0,  1,      -1,   0.5,   -1.5,     2.5,       88.7,
                                 -103, 127.5, -128.5, 1e30, 1e-40, INFINITY, -INFINITY, NAN};
  for (std::size_t i = 0; i < n; ++i) {
    const bool special = random() % 3 == 0;
    const double ordinary =
        special ? kSpecial[random() % std::size(kSpecial)]
                : std::ldexp(static_cast<double>(random()) / 2e9 - 0.5, static_cast<int>(random() % 12) - 3);
    const std::uint64_t bits = std::uint64_t{random()} << 33 ^ std::uint64_t{random()} << 11 ^ random();
    if (type == DType::F32) {
      put(i, static_cast<float>(ordinary));
    } else if (type == DType::F64) {
      put(i, ordinary);
    } else if (type == DType::Bool) {
      put(i, static_cast<std::uint8_t>(bits & 1));
    } else if (size_of(type) == 1) {
      put(i, static_cast<std::uint8_t>(special ? bits % 9 : bits));
    } else if (size_of(type) == 2) {
      put(i, static_cast<std::uint16_t>(special ? bits % 20 : bits));
    } else if (size_of(type) == 4) {
      put(i, static_cast<std::uint32_t>(special ? bits % 40 : bits));
    } else {
      put(i, special ? bits % 70 : bits);
    }
  }
  return memory;
}

DType result_of(const OpRow& row, DType computed) {
  const Types types = types_of(row.rule, computed);
  return row.rule == Rule::Quantize || types.result == DType::Bool ? types.result : computed;
}

/// Equal bits, or NaN both.
bool same(const std::byte* a, const std::byte* b, DType type) {
  if (std::memcmp(a, b, size_of(type)) == 0) return true;
  if (type == DType::F32) {
    float x[2];
    std::memcpy(&x[0], a, 4);
    std::memcpy(&x[1], b, 4);
    return std::isnan(x[0]) && std::isnan(x[1]);
  }
  if (type == DType::F64) {
    double x[2];
    std::memcpy(&x[0], a, 8);
    std::memcpy(&x[1], b, 8);
    return std::isnan(x[0]) && std::isnan(x[1]);
  }
  return false;
}

TEST(OpTable, VectorsGiveTheBitsOfScalars) {
  std::minstd_rand random(1);
  int compared = 0;
  for (const OpRow& scalar : scalar_op_table()) {
    const OpRow& row = op_row(scalar.name);
    ASSERT_EQ(row.operands, scalar.operands);
    for (std::size_t t = 0; t < kPlainTypes; ++t) {
      const auto type = static_cast<DType>(t);
      ASSERT_EQ(row.loops[t] == nullptr, scalar.loops[t] == nullptr);
      if (row.loops[t] == nullptr) continue;
      ++compared;
      for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{16},
                                  std::size_t{61}, std::size_t{300}}) {
        Bytes8 in[3];
        const void* pointers[3] = {};
        for (int k = 0; k < row.operands; ++k) {
          in[k] = elements(row.rule == Rule::Select && k == 0 ? DType::Bool : type, n, random);
          pointers[k] = in[k].data();
        }
        const DType result = result_of(row, type);
        Bytes8 vector(n + 1, 0x5555555555555555);
        Bytes8 one(n + 1, 0x5555555555555555);
        row.loops[t](pointers, vector.data(), n);
        scalar.loops[t](pointers, one.data(), n);
        const auto* const a = reinterpret_cast<const std::byte*>(vector.data());
        const auto* const b = reinterpret_cast<const std::byte*>(one.data());
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_TRUE(same(a + i * size_of(result), b + i * size_of(result), result))
              << row.name << ' ' << name(type) << " n " << n << " i " << i;
        }
        ASSERT_EQ(a[n * size_of(result)], std::byte{0x55}) << row.name << " writes past the end";
        if (n == 0 || size_of(result) != size_of(type)) continue;
        // In place of an operand; where the first is Bool, of the second.
        const int at = row.rule == Rule::Select ? 1 : 0;
        row.loops[t](pointers, in[at].data(), n);
        const auto* const c = reinterpret_cast<const std::byte*>(in[at].data());
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_TRUE(same(c + i * size_of(result), b + i * size_of(result), result))
              << row.name << ' ' << name(type) << " in place";
        }
      }
    }
  }
  EXPECT_GT(compared, 200);
}

TEST(ReduceTable, VectorsGiveTheBitsOfScalars) {
  std::minstd_rand random(2);
  const std::span<const ReduceRow> rows = reduce_table();
  const std::span<const ReduceRow> scalars = scalar_reduce_table();
  ASSERT_EQ(rows.size(), scalars.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t t = 0; t < kPlainTypes; ++t) {
      const Reducer& vector = rows[r].reducers[t];
      const Reducer& scalar = scalars[r].reducers[t];
      if (vector.begin == nullptr) continue;
      for (const std::size_t n :
           {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{100}, std::size_t{515}}) {
        const Bytes8 in = elements(static_cast<DType>(t), n, random);
        std::byte results[2][8] = {};
        for (int k = 0; k < 2; ++k) {
          const Reducer& reducer = k == 0 ? vector : scalar;
          ReduceState state;
          state.parameter = rows[r].name == "norm_p" ? 3 : 0;
          reducer.begin(state);
          reducer.add(state, in.data(), n);
          if (reducer.again != nullptr) {
            reducer.again(state, n);
            reducer.add(state, in.data(), n);
          }
          reducer.finish(state, n, results[k]);
        }
        const auto type = static_cast<DType>(t);
        const bool wide = rows[r].rule == ReduceRule::Index || rows[r].rule == ReduceRule::Count;
        ASSERT_TRUE(same(results[0], results[1], wide ? DType::I64 : type))
            << rows[r].name << ' ' << name(type) << " n " << n;
      }
    }
  }
}

/// Units in the last place of the float nearest to `exact` that `value` is away from it.
double ulps(float value, double exact) {
  const auto nearest = static_cast<float>(exact);
  if (std::isnan(nearest)) return std::isnan(value) ? 0 : INFINITY;
  if (std::isinf(nearest) || std::isinf(value)) return value == nearest ? 0 : INFINITY;
  const float magnitude = std::abs(nearest);
  const double unit =
      static_cast<double>(std::nextafter(magnitude, INFINITY)) - static_cast<double>(magnitude);
  return std::abs(static_cast<double>(value) - exact) / unit;
}

struct Accuracy {
  const char* name;
  double (*exact)(double);
  double bound;  // found by this test with a step of 1, that is, over all floats, and rounded up
};
const Accuracy kAccuracy[] = {
    {"exp", [](double x) { return std::exp(x); }, 2},
    {"log", [](double x) { return std::log(x); }, 2},
    {"tanh", [](double x) { return std::tanh(x); }, 2},
    {"sigmoid", [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, 2},
    {"silu", [](double x) { return x < 0 ? x * std::exp(x) / (1 + std::exp(x)) : x / (1 + std::exp(-x)); },
     2},
    {"gelu", [](double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }, 2},
    {"gelu_tanh",
     [](double x) {
       const double u = 2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
       return u < 0 ? x * std::exp(u) / (1 + std::exp(u)) : x / (1 + std::exp(-u));
     },
     2},
};

TEST(FloatFunctions, AreWithinTheirBounds) {
  constexpr std::uint32_t kStep = 7919;
  for (const Accuracy& row : kAccuracy) {
    const Loop loop = op_row(row.name).loops[static_cast<std::size_t>(DType::F32)];
    double worst = 0;
    float at = 0;
    std::vector<float> x;
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += kStep) {
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }
    std::vector<float> y(x.size());
    const void* const in[] = {x.data()};
    loop(in, y.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(y[i], row.exact(static_cast<double>(x[i])));
      if (error > worst) {
        worst = error;
        at = x[i];
      }
    }
    EXPECT_LE(worst, row.bound) << row.name << " at " << at;
    RecordProperty(row.name, std::to_string(worst));
    std::printf("%s: %.3f ulp at %g\n", row.name, worst, static_cast<double>(at));
  }
}

TEST(Conversions, HalfFloatsAreThoseOfBase) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> wide(all.size());
  f16_to_f32_loop(all.data(), wide.data(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto expected = std::bit_cast<std::uint32_t>(f16_to_f32(all[i]));
    const std::uint32_t quiet = (expected & 0x7fffffff) > 0x7f800000 ? 0x400000 : 0;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), expected | quiet) << i;
    float one;
    f16_to_f32_loop(&all[i], &one, 1);  // not in a vector
    ASSERT_EQ(std::bit_cast<std::uint32_t>(one), expected | quiet) << i;
  }
  std::vector<float> floats;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 4099)
    floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  std::vector<std::uint16_t> halves(floats.size());
  f32_to_f16_loop(floats.data(), halves.data(), floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(halves[i], f32_to_f16(floats[i])) << floats[i];
  }
}

TEST(Conversions, RoundOnceOnTheWayToHalfFloats) {
  const double just_above_half = 1 + 0x1p-11 + 0x1p-40;  // to float first it would be a tie, and go down
  std::uint16_t out;
  converter(DType::F64, DType::F16)(&just_above_half, &out, 1);
  EXPECT_EQ(f16_to_f32(out), 1 + 0x1p-10f);
  const double large = 1e300;
  converter(DType::F64, DType::F16)(&large, &out, 1);
  EXPECT_EQ(f16_to_f32(out), INFINITY);
  const std::int64_t integer =
      (std::int64_t{1} << 40) + (std::int64_t{1} << 32) + 1;  // a tie of BF16, but for the 1
  converter(DType::I64, DType::BF16)(&integer, &out, 1);
  EXPECT_EQ(bf16_to_f32(out), static_cast<float>((std::int64_t{1} << 40) + (std::int64_t{1} << 33)));
}

TEST(Promotion, IsNumPys) {
  const auto meets = [](DType a, DType b, DType c) {
    return common_type(a, b) == c && common_type(b, a) == c;
  };
  using enum DType;
  EXPECT_TRUE(meets(Bool, U8, U8));
  EXPECT_TRUE(meets(I8, U8, I16));
  EXPECT_TRUE(meets(I16, U8, I16));
  EXPECT_TRUE(meets(I32, U32, I64));
  EXPECT_TRUE(meets(I8, U64, F64));
  EXPECT_TRUE(meets(F16, I8, F16));
  EXPECT_TRUE(meets(F16, U16, F32));
  EXPECT_TRUE(meets(F32, I32, F64));
  EXPECT_TRUE(meets(F32, I16, F32));
  EXPECT_TRUE(meets(F64, F16, F64));
  EXPECT_TRUE(meets(F16, BF16, F32));
  EXPECT_TRUE(meets(BF16, U8, BF16));
  EXPECT_EQ(float_type(I8), F16);
  EXPECT_EQ(float_type(U16), F32);
  EXPECT_EQ(float_type(U32), F64);
}

}  // namespace
}  // namespace sterna::ops
