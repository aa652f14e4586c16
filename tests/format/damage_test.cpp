// Whatever the bytes: an Error, or tensors that can be read. Run under the sanitizers, where a view that
// leaves its file, an overflow or a wild allocation ends the program.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <random>

#include "format/byte_builder.hpp"
#include "format/gguf/gguf.hpp"
#include "format/gguf_sample.hpp"
#include "format/safetensors/safetensors.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

namespace fs = std::filesystem;

void read_gguf(Bytes bytes) {
  const gguf::File file = gguf::parse(bytes, "damaged.gguf");
  testing::sum_bytes(file.container);
  for (const auto& [key, value] : file.metadata.entries()) gguf::type_name(value);
  gguf::detect_i2s_group(file);
}

void read_safetensors(Bytes bytes) {
  testing::sum_bytes(safetensors::parse(bytes, "damaged.safetensors"));
}

void read_index(Bytes bytes) {
  safetensors::parse_index(bytes, "damaged.json");
}

std::string safetensors_sample() {
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b.weight":{"dtype":"F32","shape":[3],"data_offsets":[12,24]},)"
      R"("c":{"dtype":"U8","shape":[2,2,2],"data_offsets":[24,32]}} )";
  return testing::ByteBuilder{}.u64(json.size()).raw(json).zeros(32).bytes();
}

struct Format {
  const char* name;
  void (*read)(Bytes bytes);
  std::string sample;
};

std::vector<Format> formats() {
  return {{"gguf", read_gguf, testing::gguf_sample().bytes()},
          {"safetensors", read_safetensors, safetensors_sample()},
          {"index", read_index,
           R"({"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})"}};
}

/// True when the bytes are read, false when they are refused with an Error; anything else is a failure. The
/// bytes lie at the very end of their own allocation.
bool reads(const Format& format, std::string_view bytes) {
  const auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), copy.get());
  try {
    format.read({copy.get(), bytes.size()});
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.category() == ErrorCategory::Format || error.category() == ErrorCategory::Unsupported)
        << error.what();
    EXPECT_FALSE(error.value("file").empty()) << error.what();
    EXPECT_LT(std::string_view(error.what()).size(), 1500u);
    return false;
  }
}

TEST(Damage, SamplesAreWhole) {
  for (const Format& format : formats()) EXPECT_TRUE(reads(format, format.sample)) << format.name;
}

TEST(Damage, TruncationAtEveryByte) {
  for (const Format& format : formats()) {
    for (std::size_t n = 0; n < format.sample.size(); ++n)
      EXPECT_FALSE(reads(format, std::string_view(format.sample).substr(0, n))) << format.name << ' ' << n;
  }
}

TEST(Damage, RandomByteFlips) {
  for (const Format& format : formats()) {
    std::mt19937_64 random(20240607);
    constexpr int kRounds = 15000;
    int read = 0;
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes = format.sample;
      for (auto flips = 1 + random() % 4; flips > 0; --flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
      read += reads(format, bytes);
    }
    EXPECT_GT(read, 0) << format.name;  // some damage does not matter
    EXPECT_LT(read, kRounds) << format.name;
  }
}

TEST(Damage, ExtremeNumbers) {
  // Every 8-byte window in turn becomes a count, length, offset or type that is out of range.
  for (const Format& format : formats()) {
    for (std::size_t at = 0; at + 8 <= format.sample.size(); ++at) {
      for (const std::uint64_t extreme :
           {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{1} << 32, (std::uint64_t{1} << 40) + 9,
            std::uint64_t{1} << 62, ~std::uint64_t{0} - 31, ~std::uint64_t{0}}) {
        std::string bytes = format.sample;
        std::memcpy(bytes.data() + at, &extreme, sizeof extreme);
        reads(format, bytes);
      }
    }
  }
}

TEST(Damage, JsonSplices) {
  // Pieces of the header cut out, doubled and swapped: text that is JSON more often than flipped bytes are.
  std::mt19937_64 random(7);
  const std::string sample = safetensors_sample();
  const std::string json = sample.substr(8, sample.size() - 40);
  const Format format{"safetensors", read_safetensors, sample};
  for (int round = 0; round < 10000; ++round) {
    std::string changed = json;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      const std::size_t from = random() % json.size();
      const std::string piece = json.substr(from, 1 + random() % 40);
      const std::size_t to = random() % changed.size();
      changed.replace(to, random() % 2 ? piece.size() : 0, random() % 3 ? piece : "");
      if (changed.empty()) changed = " ";
    }
    reads(format, testing::ByteBuilder{}.u64(changed.size()).raw(changed).zeros(32).bytes());
  }
}

void expect_io_error(const fs::path& path) {
  const auto check = [&](auto read) {
    try {
      read();
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.category()), "io") << error.what();
      EXPECT_EQ(error.value("file"), path.string()) << error.what();
    }
  };
  check([&] { gguf::read(path); });
  check([&] { safetensors::read(path); });
}

TEST(Damage, NoFileAtAll) {
  const auto folder = testing::scratch();
  expect_io_error(folder);
  expect_io_error(folder / "absent.gguf");
  expect_io_error("/dev/null");
  EXPECT_THROW(safetensors::read_folder("/dev/null"), Error);
}

TEST(Damage, EmptyFile) {
  const auto path = testing::scratch() / "empty";
  testing::write_file(path, "");
  EXPECT_THROW(gguf::read(path), Error);
  EXPECT_THROW(safetensors::read(path), Error);
}

/// Root may read every file, so while this lives it is nobody.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : was_root_(::geteuid() == 0) { EXPECT_TRUE(!was_root_ || ::seteuid(kNobody) == 0); }
  ~WithoutPrivileges() { EXPECT_TRUE(!was_root_ || ::seteuid(0) == 0); }

 private:
  static constexpr uid_t kNobody = 65534;
  bool was_root_;
};

TEST(Damage, NoPermission) {
  const auto path = testing::scratch() / "secret.gguf";
  testing::write_file(path, testing::gguf_sample().bytes());
  fs::permissions(path, fs::perms::none);
  const WithoutPrivileges nobody;
  expect_io_error(path);
}

TEST(Damage, TruncatedFilesOnDisk) {
  const auto b = testing::gguf_sample();
  const auto path = testing::scratch() / "cut.gguf";
  for (const std::size_t n : b.boundaries()) {
    if (n == b.bytes().size()) continue;
    testing::write_file(path, b.bytes().substr(0, n));
    for (const bool map : {true, false}) EXPECT_THROW(gguf::read(path, {.map = {.map = map}}), Error) << n;
  }
}

TEST(Damage, SparseFilesDoNotBecomeMemory) {
  // Half a gigabyte that takes one block on disk, as an array of 400 million bytes.
  const auto path = testing::scratch() / "sparse.gguf";
  testing::write_file(path, testing::ByteBuilder{}.header(0, 1).key("k", 9).u32(0).u64(400'000'000).bytes());
  fs::resize_file(path, 512u << 20);
  EXPECT_THROW(gguf::read(path), Error);
  const auto json = testing::scratch() / "sparse.safetensors";
  testing::write_file(json, testing::ByteBuilder{}.u64(400'000'000).raw("{").bytes());
  fs::resize_file(json, 512u << 20);
  EXPECT_THROW(safetensors::read(json), Error);
}

}  // namespace
}  // namespace sterna
