#include "support/bundled_model.hpp"

#include <cstdlib>
#include <system_error>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

namespace fs = std::filesystem;

fs::path executable_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

}  // namespace

fs::path bundled_model() {
  if (const char* named = std::getenv("STERNA_MODEL"); named && *named) return named;
  const fs::path folder = executable_folder();
  if (!folder.empty()) {
    const fs::path installed = folder.parent_path() / "share" / "sterna" / "tales.gguf";
    if (is_there(installed)) return installed;
    for (fs::path up = folder; up.has_relative_path(); up = up.parent_path()) {
      if (is_there(up / "models" / "tales.gguf")) return up / "models" / "tales.gguf";
    }
  }
  throw Error(ErrorCategory::InvalidArgument,
              "no model is given and the bundled one is not beside the program: name one with -m or in "
              "STERNA_MODEL");
}

}  // namespace sterna::cli
