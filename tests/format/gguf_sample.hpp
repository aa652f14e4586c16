// A small GGUF file with one of everything.
#pragma once

#include "format/byte_builder.hpp"

namespace sterna::testing {

/// All 13 value types, arrays of strings and of arrays, five tensors.
inline ByteBuilder gguf_sample(std::uint32_t version = 3) {
  ByteBuilder b;
  b.header(5, 16, version);
  b.key("u8", 0).number<std::uint8_t>(200);
  b.key("i8", 1).number<std::int8_t>(-100);
  b.key("u16", 2).number<std::uint16_t>(60000);
  b.key("i16", 3).number<std::int16_t>(-30000);
  b.key("u32", 4).u32(4000000000u);
  b.key("i32", 5).number<std::int32_t>(-2000000000);
  b.key("f32", 6).number<float>(1.5f);
  b.key("bool", 7).number<std::uint8_t>(1);
  b.key("string", 8).text("h\xc3\xa9llo \xff");  // not UTF-8
  b.key("u64", 10).u64(1ull << 63);
  b.key("i64", 11).number<std::int64_t>(-(1ll << 62));
  b.key("f64", 12).number<double>(-2.25);
  b.key("strings", 9).u32(8).u64(3).text("a").text("").text("ccc");
  b.key("scores", 9).u32(6).u64(2).number<float>(0.5f).number<float>(-1.0f);
  b.key("types", 9).u32(5).u64(3).number<std::int32_t>(1).number<std::int32_t>(-7).number<std::int32_t>(3);
  b.key("nested", 9).u32(9).u64(2);
  b.u32(7).u64(2).number<std::uint8_t>(1).number<std::uint8_t>(0);
  b.u32(9).u64(1).u32(2).u64(1).number<std::uint16_t>(42);
  b.tensor("norm", {3}, 0, 0);            // 12 bytes
  b.tensor("dense", {4, 2, 3}, 1, 32);    // 48 bytes
  b.tensor("ternary", {128, 1}, 36, 96);  // 32 + 32 bytes
  b.tensor("tq2", {256}, 35, 160);        // 66 bytes
  b.tensor("scalar", {}, 28, 256);        // 8 bytes
  b.pad(32);
  const std::size_t data = b.bytes().size();
  const auto at = [&](std::size_t offset, std::size_t bytes) {
    b.zeros(data + offset - b.bytes().size()).raw(std::string(bytes, static_cast<char>(offset)));
  };
  at(0, 12);
  at(32, 48);
  at(96, 64);
  at(160, 66);
  at(256, 8);
  return b;
}

}  // namespace sterna::testing
