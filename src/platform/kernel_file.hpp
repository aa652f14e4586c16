// Small text files that the kernel writes, below /proc and /sys.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sterna {

/// The text of one such file, read at once and without allocating. A file that is not there, cannot be read,
/// or is longer than kMost has no text, and so none of what it would say.
class KernelFile {
 public:
  static constexpr std::size_t kMost = 16384;  // /proc/self/status, the longest read here, has 1.5 kB

  explicit KernelFile(const char* path) noexcept;

  std::string_view text() const noexcept { return {buffer_.data(), size_}; }
  /// The number that is all of the text.
  std::optional<std::uint64_t> number() const noexcept;
  /// The number of the line that begins with `key`, which ends in its separator: "inactive_file 8192" or, in
  /// kibibytes of 1024, "VmRSS:     8 kB".
  std::optional<std::uint64_t> field(std::string_view key) const noexcept;
  /// The line that begins with `key`, without it; nothing when there is none.
  std::optional<std::string_view> line(std::string_view key) const noexcept;

 private:
  std::array<char, kMost> buffer_;
  std::size_t size_ = 0;
};

}  // namespace sterna
