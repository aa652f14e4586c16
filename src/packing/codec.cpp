#include "packing/codec.hpp"

#include <algorithm>
#include <array>

#include "packing/codec_rows.hpp"
#include "sterna/error.hpp"

namespace sterna {

std::span<const Codec> codec_table() noexcept {
  static const std::array table{codec::int8(), codec::two_bit(), codec::base3(), codec::aligned(),
                                codec::runs(), codec::sparse(),  codec::hybrid()};
  return table;
}

const Codec* find_codec(std::uint8_t id) noexcept {
  const auto table = codec_table();
  return id < table.size() ? &table[id] : nullptr;
}

const Codec* find_codec(std::string_view name) noexcept {
  const auto table = codec_table();
  const auto row = std::ranges::find(table, name, &Codec::name);
  return row == table.end() ? nullptr : &*row;
}

namespace codec {

Bytes take(Bytes bytes, std::uint64_t n) {
  if (n <= bytes.size()) return bytes.first(n);
  throw Error(ErrorCategory::Format, "encoded trits end too soon",
              {{"found", std::to_string(bytes.size())}, {"expected", std::to_string(n)}});
}

void bad_trit(std::size_t trit, std::string_view found) {
  throw Error(ErrorCategory::Format, "encoded trits hold what is no trit",
              {{"trit", std::to_string(trit)}, {"found", std::string(found)}});
}

}  // namespace codec
}  // namespace sterna
