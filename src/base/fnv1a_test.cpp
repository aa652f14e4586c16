#include "base/fnv1a.hpp"

#include <gtest/gtest.h>

namespace sterna {
namespace {

TEST(Fnv1a, PublishedValues) {
  EXPECT_EQ(Fnv1a().value(), 0xcbf29ce484222325u);
  EXPECT_EQ(Fnv1a().add(as_bytes("a")).value(), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(Fnv1a().add(as_bytes("foobar")).value(), 0x85944171f73967e8u);
  EXPECT_EQ(Fnv1a().add(as_bytes("foobar")).hex(), "85944171f73967e8");
}

TEST(Fnv1a, TextsKeepTheirLimits) {
  EXPECT_NE(Fnv1a().add(std::string_view("a")).add(std::string_view("bc")).value(),
            Fnv1a().add(std::string_view("ab")).add(std::string_view("c")).value());
}

}  // namespace
}  // namespace sterna
