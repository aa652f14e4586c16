// Timings that are remembered, and real ones.
#include "backend/timing.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "sterna/error.hpp"
#include "sterna/version.hpp"
#include "support/paths.hpp"
#include "support/variable.hpp"

namespace sterna {
namespace {

const Question kQuestion{Operation::Ternary, DType::I2_S, Batch::One, true};

std::vector<Candidate> candidates_for(const Question& question) {
  std::vector<Candidate> candidates;
  for (const Backend& row : backend_table()) {
    if (!row.why_not().empty()) continue;
    for (const std::string_view variant : row.variants()) {
      candidates.push_back({&row, variant, {}});
      row.provide(variant, question.operation, candidates.back().kernels);
    }
  }
  return candidates;
}

class Remembering : public ::testing::Test {
 protected:
  Timings timings(unsigned threads = 1) {
    return Timings(
        [this](const Question&, std::span<const Candidate> candidates) {
          ++measured_;
          return std::vector<Timing>(candidates.size(), Timing{measured_ * 1e-6, measured_ * 2e-6});
        },
        ChoiceCache(path_), threads);
  }

  std::filesystem::path path_ = testing::scratch() / "folder" / "backends";
  int measured_ = 0;
  std::vector<Candidate> candidates_ = candidates_for(kQuestion);
};

TEST_F(Remembering, MeasuresOnceForEachQuestion) {
  const auto first = timings().of(kQuestion, candidates_);
  EXPECT_FALSE(first.remembered);
  const auto again = timings().of(kQuestion, candidates_);
  EXPECT_TRUE(again.remembered);
  ASSERT_EQ(again.of.size(), candidates_.size());
  EXPECT_DOUBLE_EQ(again.of.back().median, 1e-6);
  EXPECT_DOUBLE_EQ(again.of.back().slow, 2e-6);
  EXPECT_EQ(measured_, 1);
  for (const Question& other : {Question{Operation::Dense, DType::I2_S, Batch::One, true},
                                {Operation::Ternary, DType::TQ1_0, Batch::One, true},
                                {Operation::Ternary, DType::I2_S, Batch::Few, true},
                                {Operation::Ternary, DType::I2_S, Batch::One, false}}) {
    EXPECT_FALSE(timings().of(other, candidates_).remembered) << to_string(other);
  }
  EXPECT_FALSE(timings(2).of(kQuestion, candidates_).remembered) << "another number of threads";
  EXPECT_EQ(measured_, 6);
}

TEST_F(Remembering, TheKeyNamesVersionAndMachine) {
  const std::string key = measured_key(3, "question");
  EXPECT_TRUE(key.starts_with("sterna " STERNA_VERSION "; ")) << key;
  EXPECT_NE(key.find(cpu_info().name), std::string::npos) << key;
  EXPECT_TRUE(key.ends_with("3 threads; question")) << key;
  // What another machine, or another version, has measured is not this one's answer.
  timings().of(kQuestion, candidates_);
  const auto lines = ChoiceCache(path_).read();
  ASSERT_EQ(lines.size(), 1u);
  std::filesystem::remove(path_);
  ChoiceCache(path_).remember("sterna 0.0.9" + lines.begin()->first.substr(12), lines.begin()->second);
  EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered);
}

TEST_F(Remembering, OtherCandidatesAreAnotherQuestion) {
  timings().of(kQuestion, candidates_);
  auto more = candidates_;
  more.push_back(candidates_.front());
  EXPECT_FALSE(timings().of(kQuestion, more).remembered);
  EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered) << "the line is now that of the longer list";
  auto other = candidates_;
  other.front().variant = "vax";
  EXPECT_FALSE(timings().of(kQuestion, other).remembered);
}

TEST_F(Remembering, WhatIsDamagedIsMeasuredAgainAndRewritten) {
  timings().of(kQuestion, candidates_);
  const std::string key = ChoiceCache(path_).read().begin()->first;
  const std::string line = *ChoiceCache(path_).find(key);
  for (const std::string& nonsense :
       {std::string(), line.substr(0, line.size() - 4), line + "; ", line + "; simd/vax 1 2", line.substr(1),
        name_of(candidates_[0]), name_of(candidates_[0]) + " nan 1", name_of(candidates_[0]) + " -1 2",
        std::string("\xff\xfe"), std::string(5000, ';')}) {
    ChoiceCache(path_).remember(key, nonsense);
    EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered) << nonsense.substr(0, 60);
    EXPECT_TRUE(timings().of(kQuestion, candidates_).remembered) << nonsense.substr(0, 60);
  }
  std::ofstream(path_, std::ios::binary) << "\x7f"
                                         << "ELF, or what else a disk may hold";
  EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered);
  EXPECT_TRUE(timings().of(kQuestion, candidates_).remembered);
  // Replaced as a whole: nothing else is left beside it.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_.parent_path()), {}), 1);
}

TEST_F(Remembering, WithoutADiskEverythingIsMeasured) {
  path_ = "/proc/sterna/backends";
  EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered);
  EXPECT_FALSE(timings().of(kQuestion, candidates_).remembered);
}

TEST(Stopwatches, TimeEveryOperation) {
  Stopwatches stopwatches(2);
  for (const Question& question : {Question{Operation::Ternary, DType::TQ1_0, Batch::One, true},
                                   {Operation::Ternary, DType::I2_S, Batch::Few, true},
                                   {Operation::Dense, DType::Q6_K, Batch::One, true},
                                   {Operation::Dense, DType::BF16, Batch::Many, true},
                                   {Operation::Attention, DType::F32, Batch::One, true},
                                   {Operation::Attention, DType::F32, Batch::Many, true},
                                   {Operation::Elementwise, DType::F32, Batch::One, true},
                                   {Operation::Reduction, DType::F32, Batch::One, true},
                                   {Operation::Quantize, DType::F32, Batch::One, true}}) {
    const auto candidates = candidates_for(question);
    const auto timings = stopwatches(question, candidates);
    ASSERT_EQ(timings.size(), candidates.size());
    for (const Timing& timing : timings) {
      EXPECT_GT(timing.median, 0) << to_string(question);
      EXPECT_GE(timing.slow, timing.median) << to_string(question);
    }
  }
}

// These two fill buffers larger than the caches.
TEST(SlowStopwatches, TimeProductsFromBeyondTheCache) {
  Stopwatches stopwatches(2);
  const Question question{Operation::Ternary, DType::I2_S, Batch::One, false};
  for (int again = 0; again < 2; ++again) {
    for (const Timing& timing : stopwatches(question, candidates_for(question))) EXPECT_GT(timing.median, 0);
  }
}

TEST(SlowCapabilities, AreMeasuredAndRemembered) {
  const testing::Variable cache("XDG_CACHE_HOME", testing::scratch().c_str());
  EXPECT_EQ(backends().back().capabilities, std::nullopt);
  const Capabilities measured = measure_capabilities("scalar");
  EXPECT_GT(measured.read_bytes, 1e7);
  EXPECT_GT(measured.integer_ops, 1e6);
  EXPECT_GT(measured.float_ops, 1e6);
  const auto remembered = backends().back().capabilities;
  ASSERT_TRUE(remembered);
  EXPECT_NEAR(remembered->integer_ops / measured.integer_ops, 1, 1e-3);  // four digits are written
  for (const auto& [key, line] : backend_cache().read()) {
    for (const char* nonsense : {"", "1 2", "1 2 3 4", "1 2 nan", "0 1 1", "x"}) {
      backend_cache().remember(key, nonsense);
      EXPECT_EQ(backends().back().capabilities, std::nullopt) << nonsense;
    }
  }
  EXPECT_THROW(measure_capabilities("vax"), Error);
}

}  // namespace
}  // namespace sterna
