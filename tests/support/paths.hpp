// Where tests find their files.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sterna::testing {

/// Small files kept in the repository.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(STERNA_SOURCE_DIR) / "tests" / "fixtures" / name;
}

/// The model in the repository.
inline std::filesystem::path bundled_model() {
  return std::filesystem::path(STERNA_SOURCE_DIR) / "models" / "tales.gguf";
}

/// Larger files that may lie beside a checkout (STERNA_SHARED names another place); empty when they do not.
inline std::filesystem::path shared(const std::string& name) {
  const char* override = std::getenv("STERNA_SHARED");
  const auto root = override ? std::filesystem::path(override)
                             : std::filesystem::path(STERNA_SOURCE_DIR).parent_path() / "shared";
  const auto path = root / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path{};
}

/// A folder of this test's own, empty, removed by the next run of the same test.
inline std::filesystem::path scratch() {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  auto name = std::string(test->test_suite_name()) + "." + test->name();
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  const auto path = std::filesystem::path(::testing::TempDir()) / "sterna-tests" / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace sterna::testing

/// Skips the test, with a reason, where the shared file is absent.
#define STERNA_REQUIRE_SHARED(variable, name)            \
  const auto variable = ::sterna::testing::shared(name); \
  if (variable.empty()) GTEST_SKIP() << "no shared file " << name
