#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "format/byte_builder.hpp"
#include "format/gguf/gguf.hpp"
#include "format/gguf_sample.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna::gguf {
namespace {

namespace fs = std::filesystem;
using testing::write_file;

std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<OutTensor> tensors_of(const Container& container) {
  std::vector<OutTensor> tensors;
  for (const StoredTensor& tensor : container.tensors())
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                       [bytes = tensor.bytes](AtomicFile& out) { out.write(bytes); }});
  return tensors;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
}

TEST(GgufWrite, WritesTheBytesThatWereRead) {
  const std::string bytes = testing::gguf_sample().pad(32).bytes();
  const File file = parse(as_bytes(bytes), "sample");
  const auto path = testing::scratch() / "out.gguf";
  write(path, file.metadata, tensors_of(file.container));
  EXPECT_EQ(read_bytes(path), bytes);
}

TEST(GgufWrite, RewritesFilesOfOtherPrograms) {
  STERNA_REQUIRE_SHARED(in, "foreign/tales-iq2_bn-q6_k.gguf");
  const File file = read(in);
  const auto path = testing::scratch() / "out.gguf";
  unsigned long long last = 0, total = 0;
  write(path, file.metadata, tensors_of(file.container),
        [&](unsigned long long done, unsigned long long of, std::string_view) {
          EXPECT_GE(done, last);
          last = done;
          total = of;
        });
  EXPECT_EQ(last, total);
  EXPECT_GT(total, 0u);
  EXPECT_EQ(read_bytes(path), read_bytes(in));
}

TEST(GgufWrite, AlignsToTheMetadatasAlignment) {
  Metadata metadata;
  metadata.set("general.alignment", std::uint32_t{128});
  const auto fill = [](AtomicFile& out) { out.write(as_bytes("12345678")); };
  const auto path = testing::scratch() / "out.gguf";
  write(path, metadata, {{"a", DType::F32, {2}, fill}, {"b", DType::F32, {1, 2}, fill}});
  EXPECT_EQ(fs::file_size(path) % 128, 0u);
  const File file = read(path);
  EXPECT_EQ(file.container.find("b")->bytes.data() - file.container.find("a")->bytes.data(), 128);
  EXPECT_EQ(as_text(file.container.find("b")->bytes), "12345678");
  EXPECT_EQ(file.container.find("b")->shape, (std::vector<std::uint64_t>{1, 2}));
}

TEST(GgufWrite, NothingIsWrittenWhenSomethingIsWrong) {
  const auto folder = testing::scratch();
  const auto fill = [](AtomicFile& out) { out.write_zeros(16); };
  const auto expect_error = [&](ErrorCategory category, const std::string& word,
                                std::vector<OutTensor> tensors, const Metadata& metadata = {}) {
    try {
      write(folder / "out.gguf", metadata, std::move(tensors));
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.category()), to_string(category)) << error.what();
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
    EXPECT_EQ(files_in(folder), 0u) << word;
  };
  using enum ErrorCategory;
  expect_error(InvalidArgument, "twice", {{"a", DType::F32, {4}, fill}, {"a", DType::F32, {4}, fill}});
  expect_error(InvalidArgument, "dimensions", {{"a", DType::F32, {1, 1, 1, 1, 4}, fill}});
  expect_error(InvalidArgument, "unusable", {{"a", DType::F32, {4, 0}, fill}});
  expect_error(InvalidArgument, "unusable", {{"a", DType::F32, {1ull << 40, 1ull << 40}, fill}});
  expect_error(InvalidArgument, "dtype", {{"a", DType::U8, {16}, fill}});
  expect_error(InvalidArgument, "blocks", {{"a", DType::TQ2_0, {128}, fill}});
  expect_error(Internal, "filled", {{"a", DType::F32, {3}, fill}});
  expect_error(Internal, "filled", {{"a", DType::F32, {4}, fill}, {"b", DType::F32, {5}, fill}});
  Metadata metadata;
  metadata.set("general.alignment", std::uint32_t{12});
  expect_error(Format, "alignment", {}, metadata);
  const auto throws = [](AtomicFile&) { throw Error(Cancelled, "stopped"); };
  expect_error(Cancelled, "stopped", {{"a", DType::F32, {4}, throws}});
}

/// A model of three parts, one tensor each, as llama.cpp's gguf-split writes them.
struct Split {
  fs::path folder = testing::scratch();
  fs::path part(int i, int n = 3) const {
    return folder / ("m-0000" + std::to_string(i + 1) + "-of-0000" + std::to_string(n) + ".gguf");
  }
  void write_part(int i, int no, int count, int total, const std::string& tensor) const {
    Metadata metadata;
    if (i == 0) metadata.set("general.architecture", std::string("llama"));
    metadata.set("split.no", static_cast<std::uint16_t>(no));
    metadata.set("split.count", static_cast<std::uint16_t>(count));
    metadata.set("split.tensors.count", static_cast<std::int32_t>(total));
    write(part(i), metadata, {{tensor, DType::F32, {1}, [i](AtomicFile& out) {
                                 out.write(as_bytes(std::string(4, static_cast<char>('0' + i))));
                               }}});
  }
  Split() {
    for (int i = 0; i < 3; ++i) write_part(i, i, 3, 3, "t" + std::to_string(i));
  }
  void expect_error(ErrorCategory category, const std::string& word, int first = 0) const {
    try {
      read(part(first));
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.category()), to_string(category)) << error.what();
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  }
};

TEST(GgufSplit, ReadsAllParts) {
  const Split split;
  const File file = read(split.part(0));
  ASSERT_EQ(file.container.tensors().size(), 3u);
  EXPECT_EQ(as_text(file.container.find("t2")->bytes), "2222");
  EXPECT_EQ(file.container.find("t2")->file, split.part(2).string());
  EXPECT_EQ(file.container.files().size(), 3u);
  EXPECT_EQ(file.metadata.entries().size(), 1u);  // the architecture; it is a part no more
}

TEST(GgufSplit, LaterPartIsRefused) {
  Split().expect_error(ErrorCategory::InvalidArgument, "part 2 of 3", 1);
}

TEST(GgufSplit, MissingPart) {
  const Split split;
  fs::remove(split.part(2));
  split.expect_error(ErrorCategory::Io, "m-00003-of-00003.gguf");
}

TEST(GgufSplit, CyclicPart) {
  const Split split;
  fs::remove(split.part(1));
  fs::create_symlink(split.part(0), split.part(1));
  split.expect_error(ErrorCategory::Format, "not the one that its name says");
}

TEST(GgufSplit, PartOfAnotherModel) {
  const Split split;
  split.write_part(1, 1, 4, 3, "t1");
  split.expect_error(ErrorCategory::Format, "split.count");
}

TEST(GgufSplit, PartThatIsNone) {
  const Split split;
  write(split.part(1), {}, {});
  split.expect_error(ErrorCategory::Format, "does not say");
}

TEST(GgufSplit, TensorInTwoParts) {
  const Split split;
  split.write_part(2, 2, 3, 3, "t0");
  split.expect_error(ErrorCategory::Format, "lies in two parts");
}

TEST(GgufSplit, TensorMissingFromAllParts) {
  const Split split;
  split.write_part(0, 0, 3, 4, "t0");
  split.expect_error(ErrorCategory::Format, "do not hold all");
}

TEST(GgufSplit, NameWithoutTheParts) {
  const Split split;
  fs::rename(split.part(0), split.folder / "m.gguf");
  EXPECT_THROW(read(split.folder / "m.gguf"), Error);
  fs::rename(split.folder / "m.gguf", split.part(0, 4));
  EXPECT_THROW(read(split.part(0, 4)), Error);
}

}  // namespace
}  // namespace sterna::gguf
