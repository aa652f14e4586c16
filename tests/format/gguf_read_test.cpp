#include <gtest/gtest.h>

#include <functional>

#include "format/byte_builder.hpp"
#include "format/gguf/gguf.hpp"
#include "format/gguf/types.hpp"
#include "format/gguf_sample.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna::gguf {
namespace {

using testing::ByteBuilder;

File parse_bytes(const std::string& bytes) {
  return parse(as_bytes(bytes), "test.gguf");
}

/// Parses and expects an error of the category whose line contains all the words.
void expect_error(const ByteBuilder& b, ErrorCategory category, const std::vector<std::string>& words) {
  try {
    parse_bytes(b.bytes());
    ADD_FAILURE() << "no error; expected one with " << words.front();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.category()), to_string(category)) << error.what();
    EXPECT_EQ(error.value("file"), "test.gguf") << error.what();
    for (const std::string& word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << error.what() << "\nlacks " << word;
  }
}

TEST(GgufRead, EveryValueType) {
  for (const std::uint32_t version : {2u, 3u}) {
    const std::string bytes = testing::gguf_sample(version).bytes();
    const File file = parse_bytes(bytes);
    EXPECT_EQ(file.version, version);
    const Metadata& m = file.metadata;
    ASSERT_EQ(m.entries().size(), 16u);
    EXPECT_EQ(std::get<std::uint8_t>(*m.find("u8")), 200);
    EXPECT_EQ(std::get<std::int8_t>(*m.find("i8")), -100);
    EXPECT_EQ(std::get<std::uint16_t>(*m.find("u16")), 60000);
    EXPECT_EQ(std::get<std::int16_t>(*m.find("i16")), -30000);
    EXPECT_EQ(std::get<std::uint32_t>(*m.find("u32")), 4000000000u);
    EXPECT_EQ(std::get<std::int32_t>(*m.find("i32")), -2000000000);
    EXPECT_EQ(std::get<float>(*m.find("f32")), 1.5f);
    EXPECT_EQ(std::get<bool>(*m.find("bool")), true);
    EXPECT_EQ(std::get<std::string>(*m.find("string")), "h\xc3\xa9llo \xff");
    EXPECT_EQ(std::get<std::uint64_t>(*m.find("u64")), 1ull << 63);
    EXPECT_EQ(std::get<std::int64_t>(*m.find("i64")), -(1ll << 62));
    EXPECT_EQ(std::get<double>(*m.find("f64")), -2.25);
    EXPECT_EQ(*m.strings_of("strings"), (StringTable{"a", "", "ccc"}));
    EXPECT_EQ(*m.floats_of("scores"), (std::vector<float>{0.5f, -1.0f}));
    EXPECT_EQ(*m.integers_of("types"), (std::vector<std::int64_t>{1, -7, 3}));
    const auto& nested = std::get<std::vector<Array>>(*m.array_of("nested"));
    ASSERT_EQ(nested.size(), 2u);
    EXPECT_EQ(std::get<std::vector<bool>>(nested[0]), (std::vector<bool>{true, false}));
    const auto& inner = std::get<std::vector<Array>>(nested[1]);
    EXPECT_EQ(std::get<std::vector<std::uint16_t>>(inner.at(0)), (std::vector<std::uint16_t>{42}));
    EXPECT_EQ(type_name(*m.find("nested")), "array of array");
  }
}

TEST(GgufRead, Tensors) {
  const std::string bytes = testing::gguf_sample().bytes();
  const File file = parse_bytes(bytes);
  const Container& c = file.container;
  ASSERT_EQ(c.tensors().size(), 5u);
  EXPECT_EQ(c.find("absent"), nullptr);
  const StoredTensor& dense = *c.find("dense");
  EXPECT_EQ(dense.dtype, DType::F16);
  EXPECT_EQ(dense.shape, (std::vector<std::uint64_t>{3, 2, 4}));  // outermost first
  EXPECT_EQ(dense.rows(), 6u);
  EXPECT_EQ(dense.cols(), 4u);
  EXPECT_EQ(dense.bytes.size(), 48u);
  EXPECT_EQ(dense.file, "test.gguf");
  EXPECT_EQ(c.find("ternary")->bytes.size(), 64u);
  EXPECT_EQ(c.find("scalar")->bytes.size(), 8u);
  for (const StoredTensor& tensor : c.tensors()) {  // the sample fills each with its offset
    for (const std::byte byte : tensor.bytes) ASSERT_EQ(byte, tensor.bytes[0]) << tensor.name;
  }
  EXPECT_EQ(c.find("tq2")->bytes[0], std::byte{160});
}

TEST(GgufRead, TypedReadsCheck) {
  const std::string bytes = testing::gguf_sample().bytes();
  const File file = parse_bytes(bytes);
  const Metadata& m = file.metadata;
  EXPECT_EQ(m.unsigned_of("u64"), 1ull << 63);
  EXPECT_EQ(m.unsigned_of("u8"), 200u);
  EXPECT_EQ(m.unsigned_of("absent"), std::nullopt);
  EXPECT_EQ(m.float_of("f64"), -2.25);
  EXPECT_EQ(m.float_of("f32"), 1.5);
  EXPECT_EQ(m.bool_of("bool"), true);
  EXPECT_EQ(m.array_of("absent"), nullptr);
  const std::vector<std::function<void()>> wrong{
      [&] { m.unsigned_of("i8"); },    [&] { m.unsigned_of("bool"); },  [&] { m.unsigned_of("f32"); },
      [&] { m.float_of("u32"); },      [&] { m.bool_of("u8"); },        [&] { m.string_of("strings"); },
      [&] { m.array_of("string"); },   [&] { m.strings_of("scores"); }, [&] { m.floats_of("types"); },
      [&] { m.integers_of("scores"); }};
  for (const auto& read : wrong) {
    try {
      read();
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Format);
      EXPECT_FALSE(error.value("key").empty());
      EXPECT_FALSE(error.value("expected").empty());
    }
  }
}

TEST(GgufRead, MetadataSetReplacesAndErases) {
  Metadata m;
  m.set("a", std::uint32_t{1});
  m.set("b", std::string("x"));
  m.set("a", Array(std::vector<float>{2.0f}));
  ASSERT_EQ(m.entries().size(), 2u);
  EXPECT_EQ(m.entries()[0].first, "a");
  EXPECT_EQ(m.floats_of("a")->size(), 1u);
  m.erase("a");
  EXPECT_EQ(m.find("a"), nullptr);
  EXPECT_EQ(m.entries().size(), 1u);
}

TEST(GgufRead, NotAGgufFile) {
  expect_error(ByteBuilder{}, ErrorCategory::Format, {"not a GGUF file", "empty"});
  expect_error(ByteBuilder{}.raw("GG"), ErrorCategory::Format, {"not a GGUF file"});
  expect_error(ByteBuilder{}.raw("tjgg").u64(0).u64(0), ErrorCategory::Format, {"not a GGUF file", "tjgg"});
  expect_error(ByteBuilder{}.raw("GGUF"), ErrorCategory::Format, {"ends inside"});
}

TEST(GgufRead, Versions) {
  EXPECT_EQ(parse_bytes(ByteBuilder{}.header(0, 0, 2).bytes()).version, 2u);
  expect_error(ByteBuilder{}.header(0, 0, 0), ErrorCategory::Format, {"version 0"});
  expect_error(ByteBuilder{}.header(0, 0, 1), ErrorCategory::Unsupported, {"version 1"});
  expect_error(ByteBuilder{}.header(0, 0, 4), ErrorCategory::Unsupported, {"version 4", "newer"});
  expect_error(ByteBuilder{}.header(0, 0, 0x03000000), ErrorCategory::Unsupported, {"big-endian"});
}

TEST(GgufRead, CountsAreCheckedBeforeAllocating) {
  constexpr auto huge = ~std::uint64_t{0};
  expect_error(ByteBuilder{}.header(huge, 0), ErrorCategory::Format, {"tensors", "18446744073709551615"});
  expect_error(ByteBuilder{}.header(0, huge), ErrorCategory::Format, {"metadata entries"});
  expect_error(ByteBuilder{}.header(0, 1).u64(huge).zeros(64), ErrorCategory::Format, {"ends inside"});
  for (std::uint32_t type = 0; type <= 12; ++type)
    expect_error(ByteBuilder{}.header(0, 1).key("k", 9).u32(type).u64(1ull << 40).zeros(64),
                 ErrorCategory::Format, {"array elements", "key: k"});
}

TEST(GgufRead, BadMetadata) {
  expect_error(ByteBuilder{}.header(0, 1).key("k", 13).u64(0), ErrorCategory::Format, {"value type", "13"});
  expect_error(ByteBuilder{}.header(0, 1).key("k", 9).u32(13).u64(0).u64(0), ErrorCategory::Format,
               {"value type"});
  expect_error(ByteBuilder{}.header(0, 1).key("k", 7).number<std::uint8_t>(2), ErrorCategory::Format,
               {"boolean"});
  expect_error(ByteBuilder{}.header(0, 1).key("k", 9).u32(7).u64(1).number<std::uint8_t>(2),
               ErrorCategory::Format, {"boolean"});
  expect_error(ByteBuilder{}.header(0, 2).key("k", 4).u32(1).key("k", 4).u32(2), ErrorCategory::Format,
               {"occurs twice", "key: k"});
  ByteBuilder deep;
  deep.header(0, 1).key("k", 9);
  for (int i = 0; i < 100000; ++i) deep.u32(9).u64(1);
  expect_error(deep.u32(0).u64(0), ErrorCategory::Format, {"nested"});
}

TEST(GgufRead, Alignment) {
  const auto file = [](std::uint64_t alignment, std::size_t padded_to) {
    ByteBuilder b;
    b.header(2, 1).key("general.alignment", 10).u64(alignment);
    b.tensor("a", {3}, 0, 0).tensor("b", {1}, 0, padded_to).pad(padded_to).zeros(padded_to + 4);
    return b;
  };
  for (const std::size_t alignment : {16, 64, 4096})
    EXPECT_EQ(parse_bytes(file(alignment, alignment).bytes()).container.find("b")->bytes.size(), 4u);
  for (const std::uint64_t alignment : {0ull, 1ull, 4ull, 24ull, 1ull << 40})
    expect_error(file(alignment, 32), ErrorCategory::Format, {"general.alignment", "power of two"});
  expect_error(ByteBuilder{}.header(0, 1).key("general.alignment", 8).text("32"), ErrorCategory::Format,
               {"general.alignment", "wrong type"});
}

ByteBuilder one_tensor(const std::vector<std::uint64_t>& dimensions, std::uint32_t type, std::size_t bytes,
                       std::uint64_t offset = 0) {
  ByteBuilder b;
  return b.header(1, 0).tensor("t", dimensions, type, offset).pad(32).zeros(bytes);
}

TEST(GgufRead, BadTensors) {
  const auto expect_format = [](const ByteBuilder& b, const std::string& word) {
    expect_error(b, ErrorCategory::Format, {word, "tensor: t"});
  };
  expect_format(one_tensor({1, 1, 1, 1, 1}, 0, 4), "too many dimensions");
  expect_format(one_tensor({4, 0}, 0, 64), "dimension is 0");
  expect_format(one_tensor({1ull << 32, 1ull << 32}, 0, 64), "does not fit its type");
  expect_format(one_tensor({1ull << 62}, 28, 64), "does not fit its type");
  expect_format(one_tensor({31}, 2, 64), "multiples of 32");
  expect_format(one_tensor({4}, 0, 16, 8), "not aligned");
  expect_format(one_tensor({4}, 0, 16, 32), "behind the end");
  expect_format(one_tensor({4}, 0, 16, 0ull - 32), "behind the end");
  expect_format(one_tensor({4}, 0, 15), "ends inside a tensor");
  expect_format(one_tensor({128}, 36, 63), "ends inside a tensor");  // I2_S: n/4 + 32
  EXPECT_EQ(parse_bytes(one_tensor({128}, 36, 64).bytes()).container.tensors().size(), 1u);
}

TEST(GgufRead, TensorsThatDoNotFollowEachOther) {
  const auto two = [](std::uint64_t first, std::uint64_t second, const char* name = "b") {
    ByteBuilder b;
    return b.header(2, 0).tensor("a", {16}, 0, first).tensor(name, {16}, 0, second).pad(32).zeros(256);
  };
  EXPECT_EQ(parse_bytes(two(0, 64).bytes()).container.tensors().size(), 2u);
  EXPECT_EQ(parse_bytes(two(64, 0).bytes()).container.tensors().size(), 2u);  // any order
  expect_error(two(0, 32), ErrorCategory::Format, {"overlaps", "tensor: a"});
  expect_error(two(0, 0), ErrorCategory::Format, {"overlaps"});
  expect_error(two(0, 96), ErrorCategory::Format, {"gap", "tensor: a"});
  expect_error(two(0, 64, "a"), ErrorCategory::Format, {"name occurs twice"});
}

TEST(GgufRead, UnsupportedTypesSayWhatToDo) {
  for (const TensorType& row : tensor_types()) {
    if (row.dtype) continue;
    expect_error(one_tensor({256}, row.id, 1024), ErrorCategory::Unsupported,
                 {std::string(row.name), std::string(row.advice), "tensor: t", "TQ2_0"});
  }
  expect_error(one_tensor({256}, 38, 1024), ErrorCategory::Unsupported, {"TL1", "tile sizes", "I2_S"});
  expect_error(one_tensor({256}, 12, 1024), ErrorCategory::Unsupported, {"Q4_K", "Q8_0"});
  expect_error(one_tensor({256}, 77, 1024), ErrorCategory::Unsupported, {"unknown tensor type", "type 77"});
  expect_error(one_tensor({256}, 0xffffffff, 1024), ErrorCategory::Unsupported, {"4294967295"});
}

TEST(GgufRead, TypeNumbersWithTwoMeaningsAreToldApartBySize) {
  expect_error(one_tensor({128, 32}, 42, 32 * 34), ErrorCategory::Unsupported, {"blocks of 128"});
  EXPECT_EQ(parse_bytes(one_tensor({128, 32}, 42, 32 * 36).bytes()).container.tensors()[0].bytes.size(),
            32u * 36);
  ByteBuilder b;
  b.header(2, 0).tensor("t", {32, 32}, 36, 0).tensor("u", {1}, 0, 32 * 18).pad(32).zeros(32 * 18 + 4);
  expect_error(b, ErrorCategory::Unsupported, {"IQ4_NL_4_4", "tensor: t"});
}

TEST(GgufRead, TypeTableIsOneToOne) {
  for (const DTypeInfo& row : dtype_table()) {
    const auto type = type_of_dtype(row.dtype);
    if (type) {
      EXPECT_EQ(dtype_of_type(*type), row.dtype) << row.name;
    } else {
      // Unsigned and bool exist in safetensors alone, packed elements in memory alone.
      EXPECT_TRUE(row.kind == DTypeKind::Integer || row.kind == DTypeKind::Packed) << row.name;
    }
  }
}

TEST(GgufRead, FilesOfOtherPrograms) {
  const std::vector<std::pair<std::string, DType>> files{{"tales-i2_s-f16", DType::I2_S},
                                                         {"tales-tq1_0-f16", DType::TQ1_0},
                                                         {"tales-iq2_bn-q6_k", DType::IQ2_BN}};
  for (const auto& [name, dtype] : files) {
    STERNA_REQUIRE_SHARED(path, "foreign/" + name + ".gguf");
    const File file = read(path);
    EXPECT_EQ(file.metadata.string_of("general.architecture"), "bitnet-b1.58");
    EXPECT_EQ(file.metadata.strings_of("tokenizer.ggml.tokens")->size(), 4096u);
    EXPECT_EQ(file.metadata.integers_of("tokenizer.ggml.token_type")->size(), 4096u);
    EXPECT_EQ(file.container.tensors().size(), 68u);
    EXPECT_EQ(file.container.find("blk.5.ffn_down.weight")->dtype, dtype);
    EXPECT_EQ(file.container.find("blk.5.ffn_down.weight")->shape, (std::vector<std::uint64_t>{512, 1280}));
    EXPECT_GT(testing::sum_bytes(file.container), 0u);
  }
}

}  // namespace
}  // namespace sterna::gguf
