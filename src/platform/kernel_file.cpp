#include "platform/kernel_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>

#include "platform/file_descriptor.hpp"

namespace sterna {
namespace {

/// Digits at the start of the text, which is left at what follows them.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

KernelFile::KernelFile(const char* path) noexcept {
  const FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return;
  std::size_t size = 0;
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer_.data() + size, buffer_.size() - size);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    size += static_cast<std::size_t>(n);
    if (size == buffer_.size()) return;  // there may be more
  }
  size_ = size;
}

std::optional<std::uint64_t> KernelFile::number() const noexcept {
  std::string_view rest = text();
  const auto value = take_number(rest);
  return rest.empty() || rest == "\n" ? value : std::nullopt;
}

std::optional<std::string_view> KernelFile::line(std::string_view key) const noexcept {
  for (std::string_view rest = text(); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (line.starts_with(key)) return line.substr(key.size());
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
  }
  return std::nullopt;
}

std::optional<std::uint64_t> KernelFile::field(std::string_view key) const noexcept {
  auto rest = line(key);
  if (!rest) return std::nullopt;
  rest->remove_prefix(std::min(rest->find_first_not_of(" \t"), rest->size()));
  const auto value = take_number(*rest);
  if (!value || rest->empty()) return value;
  constexpr std::uint64_t kKibi = 1024;
  if (*rest != " kB" || *value > std::numeric_limits<std::uint64_t>::max() / kKibi) return std::nullopt;
  return *value * kKibi;
}

}  // namespace sterna
