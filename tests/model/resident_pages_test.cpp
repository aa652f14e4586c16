// What of a mapped file stays in this process's memory once a model is loaded.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "sterna/model.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

/// Bytes of a file that are resident here, by /proc/self/smaps.
std::uint64_t resident_bytes_of(const std::string& file) {
  std::ifstream smaps("/proc/self/smaps");
  std::uint64_t kilobytes = 0;
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.find('-') != first.npos) ours = line.ends_with(file);  // 7f00…-7f01… r--s … path
    if (std::uint64_t n = 0; ours && first == "Rss:" && words >> n) kilobytes += n;
  }
  return kilobytes * 1024;
}

TEST(ResidentPages, OfWhatWasRepackedAreLeft) {
  const auto model = Model::load(testing::bundled_model(), {.pack = Pack::OnePoint6Bit});
  std::uint64_t stored = 0, used = 0;
  for (const WeightReport& weight : model->weights()) {
    stored += weight.stored_bytes;
    if (weight.owned_bytes == 0) used += weight.stored_bytes;
  }
  ASSERT_LT(used + (std::uint64_t{3} << 20), stored);
  // What is used where it lies, norms and scales between, and the 64 KiB around a fault.
  EXPECT_LT(resident_bytes_of("tales.gguf"), used + (std::uint64_t{1} << 20));
}

}  // namespace
}  // namespace sterna
