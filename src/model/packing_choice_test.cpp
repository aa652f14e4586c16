#include "model/packing_choice.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "backend/dispatch.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

constexpr std::uint64_t kBillion = 1'000'000'000;  // 250 MB in 2 bits: beyond the caches of most machines
const Dispatch kDispatch = make_dispatch({.backend = "highest-priority"});
const PackingQuestion kQuestion{
    .rows = 1024, .cols = 2560, .weights = 100 * kBillion, .kernels = &kDispatch.of(1)};

TEST(PackingChoice, EveryLayoutHasAKernelAndItsType) {
  for (const RepackLayout& layout : repack_layouts()) {
    EXPECT_NE(select_ternary_kernel(layout.dtype), nullptr) << layout.name;
    EXPECT_EQ(layout_like(layout.dtype), &layout);
  }
  EXPECT_EQ(layout_like(DType::TQ2_0), layout_like(DType::I2_S));
  EXPECT_EQ(layout_like(DType::IQ2_BN), nullptr);
  EXPECT_EQ(layout_like(DType::F32), nullptr);
  EXPECT_EQ(smallest_layout().name, "1.6bit");
}

TEST(PackingChoice, MeasuresEveryLayout) {
  ThreadPool pool(2);
  const auto speeds = measure_layouts(kQuestion, pool);
  ASSERT_EQ(speeds.size(), repack_layouts().size());
  for (const double speed : speeds) EXPECT_GT(speed, 1e6);
}

TEST(PackingChoice, TakesMatricesOfAnyShape) {
  ThreadPool pool(1);
  for (const auto& [rows, cols] : {std::pair<std::uint64_t, std::uint64_t>{1, 1}, {3, 130}, {17, 28672}}) {
    for (const double speed : measure_layouts(
             {.rows = rows, .cols = cols, .weights = rows * cols, .kernels = &kDispatch.of(1)}, pool)) {
      EXPECT_GT(speed, 0);
    }
  }
}

TEST(PackingChoice, IsMeasuredOnceAndRemembered) {
  const ChoiceCache cache(testing::scratch() / "packings");
  ThreadPool pool(1);
  const PackingChoice first = choose_layout(kQuestion, pool, cache);
  EXPECT_TRUE(first.why.starts_with("measured: 2bit ")) << first.why;
  const PackingChoice again = choose_layout(kQuestion, pool, cache);
  EXPECT_EQ(again.why, "remembered: " + first.why.substr(first.why.find("2bit")));
  EXPECT_EQ(again.layout, first.layout);
  const auto lines = remembered_layouts(cache);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("1 threads; 1024 x 2560: " + std::string(first.layout->name)), std::string::npos)
      << lines[0];
  // Another number of threads, shape or kernel is another question.
  ThreadPool two(2);
  EXPECT_TRUE(choose_layout(kQuestion, two, cache).why.starts_with("measured"));
  PackingQuestion generic = kQuestion;
  generic.rows = 64;
  const Dispatch scalar = make_dispatch({.backend = "scalar"});
  generic.kernels = &scalar.of(1);
  EXPECT_TRUE(choose_layout(generic, pool, cache).why.starts_with("measured"));
  EXPECT_EQ(remembered_layouts(cache).size(), 3u);
}

TEST(PackingChoice, WhatIsRememberedIsTakenAndNonsenseMeasuredAgain) {
  const auto path = testing::scratch() / "packings";
  const ChoiceCache cache(path);
  ThreadPool pool(1);
  choose_layout(kQuestion, pool, cache);
  const std::string key = cache.read().begin()->first;
  for (const RepackLayout& layout : repack_layouts()) {
    cache.remember(key, std::string(layout.name) + " for a test");
    const PackingChoice choice = choose_layout(kQuestion, pool, cache);
    EXPECT_EQ(choice.layout, &layout);
    EXPECT_EQ(choice.why, "remembered: for a test");
  }
  for (const char* nonsense : {"", "3bit 1.0", "2bit", " 2bit 1.0"}) {
    cache.remember(key, nonsense);
    EXPECT_TRUE(choose_layout(kQuestion, pool, cache).why.starts_with("measured")) << nonsense;
  }
  std::ofstream(path, std::ios::binary) << "\x7f"
                                        << "ELF, or what else a disk may hold";
  EXPECT_TRUE(choose_layout(kQuestion, pool, cache).why.starts_with("measured"));
  EXPECT_TRUE(choose_layout(kQuestion, pool, cache).why.starts_with("remembered"));
}

TEST(PackingChoice, AModelInTheCacheIsNotMeasured) {
  const ChoiceCache cache(testing::scratch() / "packings");
  ThreadPool pool(1);
  const PackingChoice choice = choose_layout(
      {.rows = 256, .cols = 256, .weights = 256 * 256, .kernels = &kDispatch.of(1)}, pool, cache);
  if (choice.why.starts_with("measured")) GTEST_SKIP() << "this processor tells of no cache";
  EXPECT_EQ(choice.layout->name, "2bit");
  EXPECT_TRUE(cache.read().empty());
}

}  // namespace
}  // namespace sterna
