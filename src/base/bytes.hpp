// Byte ranges, and a cursor that reads little-endian values from one and cannot leave it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

static_assert(
    std::endian::native == std::endian::little,
    "Sterna reads little-endian files by copying; a big-endian port needs byte swaps in base/bytes.hpp");

namespace sterna {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A value at an address of any alignment.
template <class T>
inline T load_unaligned(const void* from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Reads forward through a byte range. Every read answers nothing when the bytes do not suffice, and then
/// leaves the cursor where it was; the caller turns that into an error that names the file and the field.
class ByteCursor {
 public:
  explicit ByteCursor(Bytes bytes) noexcept : bytes_(bytes) {}

  std::size_t offset() const noexcept { return offset_; }
  std::size_t remaining() const noexcept { return bytes_.size() - offset_; }

  template <class T>
  std::optional<T> read() noexcept {
    if (remaining() < sizeof(T)) return std::nullopt;
    const T value = load_unaligned<T>(bytes_.data() + offset_);
    offset_ += sizeof(T);
    return value;
  }

  /// The next n bytes, where they lie.
  std::optional<Bytes> take(std::uint64_t n) noexcept {
    if (remaining() < n) return std::nullopt;
    const Bytes taken = bytes_.subspan(offset_, n);
    offset_ += n;
    return taken;
  }

 private:
  Bytes bytes_;
  std::size_t offset_ = 0;
};

}  // namespace sterna
