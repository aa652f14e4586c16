// Where tests find their files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace sterna::testing {

/// Small files kept in the repository: tests/fixtures/NAME.
std::filesystem::path fixture(const std::string& name);

/// The model in the repository.
std::filesystem::path bundled_model();

/// Larger files that may lie beside a checkout (STERNA_SHARED names another place); empty when they do not.
std::filesystem::path shared(const std::string& name);

/// A folder of this test's own, empty, removed by the next run of the same test.
std::filesystem::path scratch();

}  // namespace sterna::testing

/// Skips the test, with a reason, where the shared file is absent.
#define STERNA_REQUIRE_SHARED(variable, name)            \
  const auto variable = ::sterna::testing::shared(name); \
  if (variable.empty()) GTEST_SKIP() << "no shared file " << name
