// Files made by hand, field by field, right and wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.hpp"
#include "format/container.hpp"

namespace sterna::testing {

/// Appends little-endian fields and remembers where each one ends.
class ByteBuilder {
 public:
  template <class T>
  ByteBuilder& number(std::type_identity_t<T> value) {
    return raw({reinterpret_cast<const char*>(&value), sizeof value});
  }
  ByteBuilder& u32(std::uint32_t value) { return number<std::uint32_t>(value); }
  ByteBuilder& u64(std::uint64_t value) { return number<std::uint64_t>(value); }
  ByteBuilder& raw(std::string_view bytes) {
    bytes_ += bytes;
    boundaries_.push_back(bytes_.size());
    return *this;
  }
  ByteBuilder& zeros(std::size_t n) { return raw(std::string(n, '\0')); }
  ByteBuilder& pad(std::size_t alignment) {
    return zeros((alignment - bytes_.size() % alignment) % alignment);
  }

  // GGUF
  ByteBuilder& text(std::string_view text) { return u64(text.size()).raw(text); }
  ByteBuilder& header(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
    return raw("GGUF").u32(version).u64(tensors).u64(entries);
  }
  ByteBuilder& key(std::string_view key, std::uint32_t type) { return text(key).u32(type); }
  /// Dimensions as in the file: innermost first.
  ByteBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type,
                      std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t n : dimensions) u64(n);
    return u32(type).u64(offset);
  }

  const std::string& bytes() const { return bytes_; }
  const std::vector<std::size_t>& boundaries() const { return boundaries_; }

 private:
  std::string bytes_;
  std::vector<std::size_t> boundaries_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Touches every byte of every tensor; under the address sanitizer a view that leaves its file ends the test.
inline std::uint64_t sum_bytes(const Container& container) {
  std::uint64_t sum = 0;
  for (const StoredTensor& tensor : container.tensors()) {
    for (const std::byte byte : tensor.bytes) sum += static_cast<std::uint64_t>(byte);
  }
  return sum;
}

}  // namespace sterna::testing
