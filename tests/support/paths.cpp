#include "support/paths.hpp"

#include <cstdlib>

namespace sterna::testing {
namespace {

const std::filesystem::path kSource = STERNA_SOURCE_DIR;

}  // namespace

std::filesystem::path fixture(const std::string& name) {
  return kSource / "tests" / "fixtures" / name;
}

std::filesystem::path bundled_model() {
  return kSource / "models" / "tales.gguf";
}

std::filesystem::path shared(const std::string& name) {
  const char* elsewhere = std::getenv("STERNA_SHARED");
  const auto root = elsewhere ? std::filesystem::path(elsewhere) : kSource.parent_path() / "shared";
  const auto path = root / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path{};
}

std::filesystem::path scratch() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  auto name = std::string(test->test_suite_name()) + "." + test->name();
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  const auto path = std::filesystem::path(STERNA_SCRATCH_DIR) / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace sterna::testing
