#include "support/budget.hpp"

#include <gtest/gtest.h>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

TEST(Budget, IsReadAsPeopleWriteIt) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  for (const auto& [text, bytes] : std::initializer_list<Case>{{"12MB", 12'000'000},
                                                               {"12 mb", 12'000'000},
                                                               {"12MiB", 12 * 1048576},
                                                               {"1.5GB", 1'500'000'000},
                                                               {"4.1GB", 4'100'000'000},
                                                               {"0.5KiB", 512},
                                                               {"800kB", 800'000},
                                                               {"17", 17},
                                                               {"17.9B", 17},
                                                               {"60%", 600},
                                                               {"33.35%", 333},
                                                               {"150%", 1500}}) {
    EXPECT_EQ(parse_budget(text, 1000), bytes) << text;
  }
}

TEST(Budget, RefusesAnythingElse) {
  for (const char* text : {"", "MB", "-3MB", "0", "0%", "1e6", "12M", "12MBs", "12  MB", " 12MB", "nan",
                           "inf", "60%%", "1,5GB", "99999999TB", "0x10"}) {
    try {
      parse_budget(text, 1000);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::InvalidArgument);
      EXPECT_EQ(error.value("found"), text);
    }
  }
}

}  // namespace
}  // namespace sterna::cli
