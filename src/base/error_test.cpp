#include "sterna/error.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

TEST(Error, SaysMessageAndValuesInOneLine) {
  const Error error(ErrorCategory::Format, "unknown tensor type", {{"file", "m.gguf"}, {"found", "38\n"}});
  EXPECT_STREQ(error.what(), "unknown tensor type (file: m.gguf, found: 38?)");
  EXPECT_EQ(error.value("found"), "38\n");
  EXPECT_EQ(error.value("expected"), "");
}

TEST(Error, WithAddsOnlyWhatIsMissing) {
  const Error error =
      Error(ErrorCategory::Io, "cannot open", {{"file", "a"}}).with("file", "b").with("reason", "x");
  EXPECT_STREQ(error.what(), "cannot open (file: a, reason: x)");
}

}  // namespace
}  // namespace sterna
