// FNV-1a with 64 bits (Fowler, Noll & Vo 1991): tells a thing from another and damage from none, not from
// intent.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.hpp"

namespace sterna {

class Fnv1a {
 public:
  Fnv1a& add(Bytes bytes) noexcept {
    for (const std::byte byte : bytes) hash_ = (hash_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    return *this;
  }
  /// With its length, so that "a" "bc" and "ab" "c" differ.
  Fnv1a& add(std::string_view text) noexcept { return add(text.size()).add(as_bytes(text)); }
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> Fnv1a& add(T value) noexcept {
    return add(Bytes(reinterpret_cast<const std::byte*>(&value), sizeof value));
  }

  std::uint64_t value() const noexcept { return hash_; }
  /// 16 hexadecimal digits.
  std::string hex() const {
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i) text[i] = "0123456789abcdef"[hash_ >> (60 - 4 * i) & 15];
    return text;
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace sterna
