#include "sterna/tensor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "sterna/error.hpp"
#include "sterna/manipulation.hpp"

namespace sterna {
namespace {

// What NumPy does too is compared with NumPy (tests/tensor/numpy); here is what it has not.

template <class F>
std::optional<ErrorCategory> category_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.category();
  }
  return std::nullopt;
}

Tensor counting(const Shape& shape, DType dtype = DType::I32) {
  return Tensor::arange(element_count(shape)).to(dtype).reshape(shape);
}

TEST(Dims, HoldManyAndCompare) {
  Dims dims{1, 2, 3, 4, 5, 6};
  dims.push_back(7);  // beyond the inline values
  dims.insert(0, 0);
  EXPECT_EQ(dims, (Dims{0, 1, 2, 3, 4, 5, 6, 7}));
  dims.erase(3);
  const Dims copy = dims;
  const Dims moved = std::move(dims);
  EXPECT_EQ(copy, moved);
  EXPECT_EQ(to_string(moved), "(0, 1, 2, 4, 5, 6, 7)");
  EXPECT_EQ(to_string(Dims{5}), "(5,)");
  EXPECT_EQ(to_string(Dims{}), "()");
  for (std::int64_t n = 7; n < 100; ++n) EXPECT_EQ(Dims::filled(static_cast<std::size_t>(n), n).back(), n);
}

TEST(Tensor, ViewsShareStorage) {
  const Tensor a = counting({4, 6});
  const Tensor column = a.index({Slice{}, 2});
  EXPECT_TRUE(column.shares_storage_with(a));
  EXPECT_EQ(column.data<std::int32_t>(), a.data<std::int32_t>() + 2);
  EXPECT_EQ(column.to_vector<std::int32_t>(), (std::vector<std::int32_t>{2, 8, 14, 20}));
  column.fill(-1);
  EXPECT_EQ(a.index({3, 2}).item<int>(), -1);
  EXPECT_TRUE(a.reshape({2, -1}).shares_storage_with(a));
  EXPECT_TRUE(a.transpose().reshape({6, 2, 2}).shares_storage_with(a));
  EXPECT_FALSE(a.transpose().reshape({24}).shares_storage_with(a));
  EXPECT_EQ(category_of([&] { a.transpose().view({24}); }), ErrorCategory::InvalidArgument);
  EXPECT_TRUE(a.contiguous().shares_storage_with(a));
  EXPECT_FALSE(a.clone().shares_storage_with(a));
  EXPECT_TRUE(a.to(DType::I32).shares_storage_with(a));
}

TEST(Tensor, OverlapIsByAddress) {
  const Tensor a = counting({10});
  EXPECT_TRUE(a.slice(0, {0, 6}).may_overlap(a.slice(0, {5, 10})));
  EXPECT_FALSE(a.slice(0, {0, 5}).may_overlap(a.slice(0, {5, 10})));
  EXPECT_TRUE(a.slice(0, {9, {}, -1}).may_overlap(a.slice(0, {9, 10})));
  int values[4] = {1, 2, 3, 4};
  const Tensor b = Tensor::borrow(values, DType::I32, {4});
  EXPECT_TRUE(b.may_overlap(Tensor::borrow(values + 3, DType::I32, {1})));
}

TEST(Tensor, AssignBetweenOverlappingViewsIsAsIfCopied) {
  const Tensor a = counting({6});
  a.slice(0, {1, 6}).assign(a.slice(0, {0, 5}));
  EXPECT_EQ(a.to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 0, 1, 2, 3, 4}));
  const Tensor b = counting({5});
  b.assign(b.slice(0, {{}, {}, -1}));
  EXPECT_EQ(b.to_vector<std::int32_t>(), (std::vector<std::int32_t>{4, 3, 2, 1, 0}));
}

TEST(Tensor, BorrowsAndReleasesOnce) {
  int released = 0;
  float values[6] = {1, 2, 3, 4, 5, 6};
  {
    Tensor a = Tensor::borrow(values, DType::F32, {2, 3}, [&] { ++released; });
    const Tensor view = a.transpose();
    a = Tensor();
    EXPECT_EQ(released, 0);
    view.select(0, 0).fill(9);
  }
  EXPECT_EQ(released, 1);
  EXPECT_EQ(values[3], 9);
  const Tensor constant = Tensor::borrow(values, DType::F32, {6}, {}, false);
  EXPECT_EQ(category_of([&] { constant.fill(1); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([&] { constant.mutable_data<float>(); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([&] { constant.assign({Tensor::from<std::int64_t>({1})}, 1); }),
            ErrorCategory::InvalidArgument);
  EXPECT_EQ(values[1], 2);
  EXPECT_EQ(category_of([&] { Tensor::borrow(nullptr, DType::F32, {6}); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([&] {
              constant.broadcast_to({2, 6}).clone().broadcast_to({3, 2, 6}).fill(1);
            }),
            ErrorCategory::InvalidArgument);
}

TEST(Tensor, RefusesElementsOutsideTheStorage) {
  const auto storage = Storage::allocate(40);
  const auto make = [&](Shape shape, Strides strides, std::int64_t offset, DType dtype = DType::F32) {
    return category_of([&] { Tensor(storage, dtype, std::move(shape), std::move(strides), offset); });
  };
  EXPECT_EQ(make({10}, {1}, 0), std::nullopt);
  EXPECT_EQ(make({10}, {-1}, 9), std::nullopt);
  EXPECT_EQ(make({0, 1000}, {1, 1}, 50), std::nullopt);
  EXPECT_EQ(make({11}, {1}, 0), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({10}, {1}, 1), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({10}, {-1}, 8), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({2}, {std::numeric_limits<std::int64_t>::max()}, 1), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({3}, {std::numeric_limits<std::int64_t>::max()}, 0), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({1}, {1}, std::numeric_limits<std::int64_t>::max()), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({2, 2}, {1}, 0), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({-1}, {1}, 0), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({81}, {1}, 0, DType::I4), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({80}, {1}, 0, DType::I4), std::nullopt);
  EXPECT_EQ(make({4, 2}, {1, 4}, 0, DType::I4), ErrorCategory::InvalidArgument);
  EXPECT_EQ(make({4}, {1}, 1, DType::I4), ErrorCategory::InvalidArgument);
  const std::int64_t huge = std::int64_t{1} << 40;
  EXPECT_EQ(category_of([&] { Tensor::empty({huge, huge}, DType::U8); }), ErrorCategory::Limit);
  EXPECT_EQ(category_of([&] { Tensor::empty({huge, huge, 0}, DType::U8); }), ErrorCategory::Limit);
}

TEST(Tensor, ErrorsNameOperationShapesAndDtypes) {
  const Tensor a = counting({2, 3}, DType::F16);
  try {
    a.reshape({4, 2});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.value("operation"), "reshape");
    EXPECT_EQ(error.value("shape"), "(2, 3)");
    EXPECT_EQ(error.value("dtype"), "f16");
    EXPECT_EQ(error.value("asked"), "(4, 2)");
  }
  EXPECT_EQ(category_of([&] { a.data<float>(); }), ErrorCategory::Mismatch);
  EXPECT_EQ(category_of([&] { a.item(); }), ErrorCategory::InvalidArgument);
}

TEST(Tensor, ConvertsFloatsToIntegersBySaturation) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor a = Tensor::from<double>({-inf, -1e300, -128.9, -0.5, 0.9, 127.5, 1e300, inf, std::nan("")});
  EXPECT_EQ(a.to(DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{-128, -128, -128, 0, 0, 127, 127, 127, 0}));
  EXPECT_EQ(a.to(DType::U64).to_vector<std::uint64_t>(),
            (std::vector<std::uint64_t>{0, 0, 0, 0, 0, 127, ~std::uint64_t{0}, ~std::uint64_t{0}, 0}));
  EXPECT_EQ(a.to(DType::I64).to_vector<std::int64_t>()[1], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(a.to(DType::Bool).to_vector<bool>(), (std::vector<bool>{1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(Tensor, RoundsOnceToTheHalfTypes) {
  // Just above a tie of float16, and just above one of bfloat16: a float in between would round to the tie.
  const Tensor a = Tensor::from<double>({1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40});
  EXPECT_EQ(static_cast<float>(a.to(DType::F16).to_vector<Half>()[0]), 1 + 0x1p-10f);
  EXPECT_EQ(static_cast<float>(a.to(DType::BF16).to_vector<BFloat16>()[1]), 1 + 0x1p-7f);
  const std::int64_t tie = (std::int64_t{1} << 40) + (std::int64_t{1} << 32);
  const Tensor b =
      Tensor::from<std::int64_t>({tie, tie + 1, -tie - 1, std::numeric_limits<std::int64_t>::min()});
  const auto rounded = b.to(DType::BF16).to_vector<BFloat16>();
  EXPECT_EQ(static_cast<float>(rounded[0]), 0x1p40f);
  EXPECT_EQ(static_cast<float>(rounded[1]), 0x1p40f + 0x1p33f);
  EXPECT_EQ(static_cast<float>(rounded[2]), -0x1p40f - 0x1p33f);
  EXPECT_EQ(static_cast<float>(rounded[3]), -0x1p63f);
}

TEST(Packed, EveryValueComesBack) {
  struct Case {
    DType dtype;
    int low, high;
  };
  for (const Case c :
       {Case{DType::I4, -8, 7}, {DType::U4, 0, 15}, {DType::Ternary2, -1, 1}, {DType::Ternary1_6, -1, 1}}) {
    for (std::int64_t n = 0; n < 40; ++n) {
      std::vector<std::int8_t> values;
      for (std::int64_t i = 0; i < n; ++i)
        values.push_back(static_cast<std::int8_t>(c.low + (i * 7 + n) % (c.high - c.low + 1)));
      const Tensor plain = Tensor::from<std::int8_t>(values);
      const Tensor packed = plain.to(c.dtype);
      EXPECT_EQ(packed.bytes(), static_cast<std::size_t>(
                                    std::ceil(static_cast<double>(n) * info(c.dtype).bits() / 8 - 1e-9)));
      EXPECT_EQ(packed.to(DType::I8).to_vector<std::int8_t>(), values) << name(c.dtype) << n;
      EXPECT_EQ(packed.to(DType::F32).to(c.dtype).to(DType::I8).to_vector<std::int8_t>(), values);
    }
  }
}

TEST(Packed, BytesAreAsDocumented) {
  const auto bytes = [](DType dtype, std::initializer_list<std::int8_t> values) {
    const Tensor packed = Tensor::from<std::int8_t>(values).to(dtype);
    const auto* raw = reinterpret_cast<const std::uint8_t*>(packed.raw());
    return std::vector<int>(raw, raw + packed.bytes());
  };
  EXPECT_EQ(bytes(DType::I4, {-1, 3, -8}), (std::vector<int>{0x3f, 0x08}));
  EXPECT_EQ(bytes(DType::U4, {15, 3, 9}), (std::vector<int>{0x3f, 0x09}));
  EXPECT_EQ(bytes(DType::Ternary2, {-1, 0, 1, 1, 0}), (std::vector<int>{0b10100100, 1}));
  EXPECT_EQ(bytes(DType::Ternary1_6, {1, 1, 1, 1, 1, -1, 0}), (std::vector<int>{242, 3}));
  EXPECT_EQ(bytes(DType::Binary1, {1, -1, 1, 1, -1, -1, -1, 1, 1}), (std::vector<int>{0b10001101, 1}));
}

TEST(Packed, SaturatesAndRefuses) {
  const Tensor wide = Tensor::from<float>({-300, -0.5f, 0, 0.9f, 1.5f, 300, std::nanf("")});
  EXPECT_EQ(wide.to(DType::I4).to(DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{-8, 0, 0, 0, 1, 7, 0}));
  EXPECT_EQ(wide.to(DType::U4).to(DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{0, 0, 0, 0, 1, 15, 0}));
  EXPECT_EQ(wide.to(DType::Ternary2).to(DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{-1, 0, 0, 0, 1, 1, 0}));
  EXPECT_EQ(wide.to(DType::Binary1).to(DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{-1, -1, 1, 1, 1, 1, 1}));
  std::uint8_t bad[] = {0x03, 243};
  EXPECT_EQ(category_of([&] { Tensor::borrow(bad, DType::Ternary2, {2}).to(DType::I8); }),
            ErrorCategory::Format);
  EXPECT_EQ(category_of([&] { Tensor::borrow(bad + 1, DType::Ternary1_6, {2}).to(DType::I8); }),
            ErrorCategory::Format);

  const Tensor rows = counting({4, 6}).to(DType::U4);
  EXPECT_EQ(rows.slice(0, {1, 3}).to(DType::I32).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15}));
  EXPECT_EQ(category_of([&] { rows.transpose(); }), ErrorCategory::Unsupported);
  EXPECT_EQ(category_of([&] { rows.slice(1, {0, 2}); }), ErrorCategory::Unsupported);
  EXPECT_EQ(category_of([&] { rows.index({Tensor::from<std::int64_t>({1})}); }), ErrorCategory::Unsupported);
  EXPECT_EQ(rows.reshape({24}).size(), 24);
  EXPECT_EQ(category_of([&] {
              Tensor::empty({2, 256}, DType::IQ2_BN).select(0, 1);
            }),
            ErrorCategory::Unsupported);
  EXPECT_EQ(Tensor::empty({2, 256}, DType::Q8_0).select(0, 1).bytes(), 8u * 34);
  EXPECT_EQ(category_of([&] { Tensor::empty({2, 33}, DType::Q8_0); }), ErrorCategory::InvalidArgument);
  EXPECT_EQ(category_of([&] { Tensor::zeros({2, 32}, DType::Q8_0); }), ErrorCategory::Unsupported);
}

}  // namespace
}  // namespace sterna
