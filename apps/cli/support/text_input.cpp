#include "support/text_input.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

[[noreturn]] void fail(const std::string& path, const char* reason) {
  throw Error(ErrorCategory::Io, "cannot read the file", {{"file", path}, {"reason", reason}});
}

}  // namespace

std::string read_text(const std::string& path) {
  const bool standard = path == "-";
  std::error_code ignored;
  if (!standard && std::filesystem::is_directory(path, ignored)) fail(path, "it is a directory");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> owned(
      standard ? nullptr : std::fopen(path.c_str(), "rb"), [](std::FILE* f) { return std::fclose(f); });
  if (!standard && !owned) fail(path, std::strerror(errno));
  std::FILE* file = standard ? stdin : owned.get();
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  if (std::ferror(file)) fail(standard ? "standard input" : path, std::strerror(errno));
  return text;
}

}  // namespace sterna::cli
