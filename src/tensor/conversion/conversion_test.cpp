#include "sterna/conversion.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "sterna/error.hpp"

namespace sterna {
namespace {

using enum ConversionStrategy;

constexpr auto kPrecise = ConversionQuality::Precise;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor random_bits(const Shape& shape, DType dtype, std::mt19937_64& random) {
  // Of a packed dtype, not every byte has a value.
  if (info(dtype).kind == DTypeKind::Packed) return random_bits(shape, DType::I8, random).to(dtype);
  const Tensor tensor = Tensor::zeros(shape, dtype);
  std::byte* const bytes = tensor.mutable_raw();
  const unsigned values = dtype == DType::Bool ? 2 : 256;
  for (std::size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<std::byte>(random() % values);
  return tensor;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous(), y = b.contiguous();
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.size() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0);
}

std::string obstacle(const Tensor& x, DType dtype, ConversionStrategy strategy) {
  ConversionEngine engine;
  try {
    engine.convert(x, dtype, {.strategy = strategy});
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
    return std::string(error.value("reason"));
  }
  return "";
}

TEST(Conversion, EveryStrategyGivesTheSameBits) {
  std::mt19937_64 random(11);
  ConversionEngine one(1), team(3);
  int pairs = 0;
  for (const DTypeInfo& from : dtype_table()) {
    for (const DTypeInfo& to : dtype_table()) {
      if (from.kind == DTypeKind::Block || from.kind == DTypeKind::Ternary || to.kind == DTypeKind::Block ||
          to.kind == DTypeKind::Ternary)
        continue;
      ++pairs;
      for (const auto quality : {ConversionQuality::Fast, kPrecise}) {
        for (const Shape& shape : {Shape{0}, Shape{1}, Shape{7, 11}, Shape{1931}}) {
          const Tensor x = random_bits(shape, from.dtype, random);
          const Tensor expected = one.convert(x, to.dtype, {.strategy = Standard, .quality = quality});
          const auto check = [&](const Tensor& found, std::string_view how) {
            EXPECT_TRUE(same_bits(found, expected)) << from.name << " to " << to.name << ' ' << how;
          };
          if (quality == ConversionQuality::Fast) check(x.to(to.dtype), "Tensor::to");
          check(team.convert(x, to.dtype, {.strategy = Standard, .quality = quality}), "by three");
          check(one.convert(x, to.dtype, {.quality = quality}), "auto");
          for (const std::size_t chunk : {1, 200, 1 << 20})
            check(one.convert(x, to.dtype, {.strategy = Streaming, .quality = quality, .chunk_bytes = chunk}),
                  "streaming");
          if (from.is_plain() && to.bits() <= from.bits())
            check(one.convert(x.clone(), to.dtype, {.strategy = InPlace, .quality = quality}), "in place");
          if (from.dtype == to.dtype) check(one.convert(x, to.dtype, {.strategy = ZeroCopy}), "zero-copy");
          if (!from.is_plain()) continue;
          const Tensor strided = x.broadcast_to(shape).transpose().slice(0, {.step = -1});
          const ConversionOptions standard{.strategy = Standard, .quality = quality};
          const ConversionOptions streaming{.strategy = Streaming, .quality = quality, .chunk_bytes = 300};
          EXPECT_TRUE(same_bits(one.convert(strided.contiguous(), to.dtype, standard),
                                one.convert(strided, to.dtype, standard)));
          EXPECT_TRUE(
              same_bits(one.convert(strided, to.dtype, standard), one.convert(strided, to.dtype, streaming)));
        }
      }
    }
  }
  EXPECT_EQ(pairs, 18 * 18);
}

TEST(Conversion, PreciseRoundsHalfToEvenAndSaturates) {
  ConversionEngine engine;
  const ConversionOptions precise{.quality = kPrecise};
  const Tensor x =
      Tensor::from<float>({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 2.7f, 300, -300, kNan, kInfinity, -kInfinity});
  EXPECT_EQ(engine.convert(x, DType::I8, precise).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{0, 2, 2, 0, -2, 3, 127, -128, 0, 127, -128}));
  EXPECT_EQ(engine.convert(x, DType::I8).to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{0, 1, 2, 0, -1, 2, 127, -128, 0, 127, -128}));
  for (const DType half : {DType::F16, DType::BF16}) {
    EXPECT_EQ(engine.convert(Tensor::from<float>({2.5f, -3.5f, 1e30f}).to(half), DType::I32, precise)
                  .to_vector<std::int32_t>(),
              (std::vector<std::int32_t>{2, -4, std::numeric_limits<std::int32_t>::max()}));
  }
  const Tensor whole = Tensor::from<std::int64_t>({300, -1, 255, std::numeric_limits<std::int64_t>::min()});
  EXPECT_EQ(engine.convert(whole, DType::U8, precise).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{255, 0, 255, 0}));
  EXPECT_EQ(engine.convert(whole, DType::U8).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{44, 255, 255, 0}));
  EXPECT_EQ(
      engine.convert(Tensor::from<std::uint64_t>({~0ull, 5}), DType::I64, precise).to_vector<std::int64_t>(),
      (std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(), 5}));
  const auto trits = [&](const ConversionOptions& options) {
    return engine.convert(Tensor::from<float>({0.5f, 0.6f, -0.7f, 9, kNan}), DType::Ternary2, options)
        .to(DType::I8)
        .to_vector<std::int8_t>();
  };
  EXPECT_EQ(trits(precise), (std::vector<std::int8_t>{0, 1, -1, 1, 0}));
  EXPECT_EQ(trits({}), (std::vector<std::int8_t>{0, 0, 0, 1, 0}));
  EXPECT_EQ(engine.convert(Tensor::from<float>({-0.1f, 0.1f, -0.0f}), DType::Binary1, precise)
                .to(DType::I8)
                .to_vector<std::int8_t>(),
            (std::vector<std::int8_t>{-1, 1, 1}));
}

TEST(Conversion, ZeroCopySharesTheStorage) {
  ConversionEngine engine;
  const ConversionOptions zero_copy{.strategy = ZeroCopy};
  const Tensor flags = Tensor::from<bool>({true, false, true, true}, Shape{2, 2});
  for (const DType dtype : {DType::Bool, DType::U8, DType::I8}) {
    const Tensor view = flags.transpose().slice(0, {.start = 1});
    const Tensor shared = engine.convert(view, dtype, zero_copy);
    EXPECT_EQ(shared.raw(), view.raw());
    EXPECT_EQ(shared.strides(), view.strides());
    EXPECT_TRUE(shared.shares_storage_with(flags));
    EXPECT_EQ(engine.convert(view, dtype).raw(), view.raw());  // what Auto chooses
  }
  const std::string reason = "not every value has the same bits in both dtypes";
  EXPECT_EQ(obstacle(flags.to(DType::U8), DType::Bool, ZeroCopy), reason);
  EXPECT_EQ(obstacle(flags.to(DType::I8), DType::U8, ZeroCopy), reason);
  EXPECT_EQ(obstacle(flags.to(DType::F16), DType::BF16, ZeroCopy), reason);
  EXPECT_NE(engine.convert(flags, DType::Bool, {.strategy = Standard}).raw(), flags.raw());
}

TEST(Conversion, InPlaceKeepsThePlaceAndTheOrder) {
  ConversionEngine engine;
  std::vector<double> values(5000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 251) - 125;
  for (const DType dtype : {DType::I64, DType::F32, DType::F16, DType::I8, DType::I4, DType::Ternary1_6}) {
    Tensor x = Tensor::from<double>(values, Shape{50, 100}).slice(0, {.start = 3});
    const Tensor expected = x.to(dtype);
    const std::byte* const place = x.raw();
    const Tensor found = engine.convert(std::move(x), dtype, {.strategy = InPlace});
    EXPECT_EQ(found.raw(), place) << name(dtype);
    EXPECT_TRUE(same_bits(found, expected)) << name(dtype);
  }
  // Auto does it where elements keep their size.
  Tensor x = Tensor::from<double>(values);
  const std::byte* const place = x.raw();
  EXPECT_EQ(conversion_strategy(x, DType::I64), InPlace);
  EXPECT_EQ(conversion_strategy(x, DType::F32), Standard);
  EXPECT_EQ(engine.convert(std::move(x), DType::U64).raw(), place);
}

TEST(Conversion, InPlaceSaysWhyNot) {
  Tensor x = Tensor::ones({4, 4}, DType::F32);
  float memory[4] = {};
  EXPECT_EQ(obstacle(x, DType::I32, InPlace), "other tensors share the storage");
  EXPECT_EQ(obstacle(Tensor::ones({4}, DType::F32), DType::F64, InPlace),
            "the elements would not fit their places");
  EXPECT_EQ(obstacle(Tensor::ones({4, 4}, DType::F32).transpose(), DType::I8, InPlace),
            "the tensor is not contiguous");
  EXPECT_EQ(obstacle(Tensor::ones({4}, DType::I4), DType::I4, InPlace), "the source is packed");
  EXPECT_EQ(obstacle(Tensor::borrow(memory, DType::F32, {4}), DType::I32, InPlace),
            "the memory is not the library's own");
  // In a batch, too, where the second tensor could not follow: the first is as it was.
  ConversionEngine engine;
  const Tensor y = Tensor::ones({3}, DType::F32);
  const float* const kept = y.data<float>();
  std::vector<Tensor> both;
  both.push_back(Tensor::ones({3}, DType::F32));
  both.push_back(y);
  EXPECT_THROW(engine.convert(std::move(both), DType::I32, {.strategy = InPlace}), Error);
  EXPECT_EQ(kept[0], 1);
  EXPECT_EQ(engine.counters().in_place, 0u);
}

TEST(Conversion, BatchesAreTheTensorsOneByOne) {
  std::mt19937_64 random(5);
  ConversionEngine one(1), team(2);
  std::vector<Tensor> batch;
  for (int i = 0; i < 40; ++i) {
    Tensor x =
        random_bits({static_cast<std::int64_t>(random() % 300), 7}, i % 3 ? DType::F32 : DType::I16, random);
    batch.push_back(i % 2 ? x : x.transpose());
  }
  batch.push_back(random_bits({400000}, DType::F32, random));  // more than one piece
  const std::vector<Tensor> found = team.convert(batch, DType::F16);
  ASSERT_EQ(found.size(), batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i)
    EXPECT_TRUE(same_bits(found[i], one.convert(batch[i], DType::F16))) << i;

  const Tensor damaged = Tensor::empty({4}, DType::Ternary2);
  *damaged.mutable_raw() = std::byte{0xFF};
  for (ConversionEngine* engine : {&one, &team}) {
    try {
      engine->convert({batch[0], damaged, damaged}, DType::F32);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      EXPECT_EQ(error.value("tensor"), "1");
      EXPECT_EQ(error.value("element"), "0");
    }
    EXPECT_THROW(engine->convert({batch[0], Tensor::empty({32}, DType::Q8_0)}, DType::F32), Error);
  }
}

TEST(Conversion, StreamsWithOneChunkOfMemory) {
  std::mt19937_64 random(3);
  ConversionEngine engine;
  for (const DType to : {DType::F16, DType::Ternary2, DType::F64}) {
    const Tensor x = random_bits({331, 17}, DType::F32, random).transpose();
    const Tensor expected = x.to(to);
    std::string bytes;
    std::int64_t next = 0;
    const std::byte* place = nullptr;
    engine.stream(x, to,
                  [&](const Tensor& chunk, std::int64_t first) {
                    EXPECT_EQ(first, next);
                    if (!place) place = chunk.raw();
                    EXPECT_EQ(chunk.raw(), place);
                    EXPECT_LE(chunk.size(), 1000 / 4);
                    next += chunk.size();
                    bytes.append(reinterpret_cast<const char*>(chunk.raw()), chunk.bytes());
                  },
                  {.chunk_bytes = 1000});
    EXPECT_EQ(next, x.size());
    ASSERT_EQ(bytes.size(), expected.bytes());
    EXPECT_EQ(std::memcmp(bytes.data(), expected.raw(), bytes.size()), 0) << name(to);
  }
  const Tensor x = Tensor::ones({1000}, DType::F32);
  const auto stop = [](const Tensor&, std::int64_t) { throw std::runtime_error("enough"); };
  EXPECT_THROW(engine.stream(x, DType::I8, stop), std::runtime_error);
}

TEST(Conversion, CountsBytesMovedAndShared) {
  ConversionEngine engine;
  const ConversionCounters before = conversion_counters();
  const Tensor x = Tensor::ones({100}, DType::F32);
  engine.convert(x, DType::F32);
  engine.convert(x, DType::F16);
  engine.convert(x, DType::F64, {.strategy = Streaming});
  engine.convert(Tensor::ones({100}, DType::F32), DType::I32);
  x.to(DType::I8);
  x.to(DType::F32);
  const ConversionCounters own = engine.counters();
  EXPECT_EQ(own.zero_copy, 1u);
  EXPECT_EQ(own.standard, 1u);
  EXPECT_EQ(own.streaming, 1u);
  EXPECT_EQ(own.in_place, 1u);
  EXPECT_EQ(own.bytes_shared, 400u);
  EXPECT_EQ(own.bytes_moved, 200u + 800 + 400);
  const ConversionCounters after = conversion_counters();
  EXPECT_EQ(after.bytes_shared - before.bytes_shared, 800u);
  EXPECT_EQ(after.bytes_moved - before.bytes_moved, 1500u);
  EXPECT_EQ(after.zero_copy - before.zero_copy, 2u);
  EXPECT_EQ(after.standard - before.standard, 2u);
}

}  // namespace
}  // namespace sterna
