#include "format/safetensors/safetensors.hpp"

#include <gtest/gtest.h>

#include "format/byte_builder.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna::safetensors {
namespace {

namespace fs = std::filesystem;
using testing::ByteBuilder;
using testing::write_file;

std::string file_of(const std::string& json, std::size_t data) {
  return ByteBuilder{}.u64(json.size()).raw(json).zeros(data).bytes();
}

template <class Read>
void expect_error_of(Read read, ErrorCategory category, const std::string& word) {
  try {
    read();
    ADD_FAILURE() << "no error; expected one with " << word;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.category()), to_string(category)) << error.what();
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << "\nlacks " << word;
    EXPECT_FALSE(error.value("file").empty()) << error.what();
  }
}

void expect_error(const std::string& bytes, const std::string& word,
                  ErrorCategory category = ErrorCategory::Format) {
  expect_error_of([&] { parse(as_bytes(bytes), "t.safetensors"); }, category, word);
}

TEST(Safetensors, Reads) {
  const std::string bytes = file_of(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},)"
      R"("empty":{"dtype":"I64","shape":[0,7],"data_offsets":[4,4]},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
      R"("scalar":{"dtype":"BOOL","shape":[],"data_offsets":[28,29]}}   )",
      29);
  const Container c = parse(as_bytes(bytes), "t");
  ASSERT_EQ(c.tensors().size(), 4u);
  EXPECT_EQ(c.tensors()[0].name, "a");  // by offset
  EXPECT_EQ(c.tensors()[1].name, "empty");
  EXPECT_EQ(c.find("b")->dtype, DType::F32);
  EXPECT_EQ(c.find("b")->shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(c.find("b")->bytes.size(), 24u);
  EXPECT_EQ(c.find("scalar")->bytes.data() - c.find("a")->bytes.data(), 28);
  EXPECT_EQ(parse(as_bytes(file_of("{}", 0)), "t").tensors().size(), 0u);
}

TEST(Safetensors, DamagedHeaders) {
  expect_error("", "too short");
  expect_error("1234567", "too short");
  expect_error(ByteBuilder{}.u64(3).raw("{}").bytes(), "ends inside its header");
  expect_error(ByteBuilder{}.u64(~0ull).raw("{}").bytes(), "limit");
  expect_error(ByteBuilder{}.u64(100'000'001).raw("{}").bytes(), "limit");
  expect_error(file_of("", 0), "does not begin with {");
  expect_error(file_of("[]", 0), "does not begin with {");
  expect_error(file_of(" {}", 0), "does not begin with {");
  for (const char* json : {"{", "{}x", "{\"a\"}", "{\"a\":{}", "{\"\xff\":1}"})
    expect_error(file_of(json, 0), "JSON");
  expect_error(file_of(std::string(1'000'000, '['), 0), "does not begin");
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  expect_error(file_of(deep, 0), "unknown key");
  expect_error(file_of("{\"a\":{\"shape\":" + std::string(1'000'000, '['), 0), "unexpected");
  expect_error(file_of("{\"a\":" + std::string(1'000'000, '['), 0), "unexpected");
}

TEST(Safetensors, BadTensors) {
  const auto entry = [](const std::string& body, std::size_t data = 4) {
    return file_of("{\"t\":{" + body + "}}", data);
  };
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  EXPECT_EQ(parse(as_bytes(entry(good)), "t").tensors().size(), 1u);
  expect_error(entry(good, 3), "ends inside a tensor");
  expect_error(entry(good, 5), "bytes follow");
  expect_error(entry(good + ",\"extra\":1"), "unknown key");
  expect_error(entry(good + ",\"dtype\":\"F16\""), "occurs twice");
  expect_error(entry(R"("shape":[1],"data_offsets":[0,4])"), "no dtype");
  expect_error(entry(R"("dtype":"F32","data_offsets":[0,4])"), "no shape");
  expect_error(entry(R"("dtype":"F32","shape":[1])"), "no data_offsets");
  expect_error(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "no range");
  expect_error(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "no range");
  expect_error(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), "no range");
  expect_error(entry(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "whole number");
  expect_error(entry(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), "whole number");
  expect_error(entry(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4])"), "whole number");
  expect_error(entry(R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])"), "whole number");
  expect_error(entry(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), "an array");
  expect_error(entry(R"("dtype":7,"shape":[1],"data_offsets":[0,4])"), "a string");
  expect_error(entry(R"("dtype":null,"shape":[1],"data_offsets":[0,4])"), "a string");
  expect_error(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "expected: 8 bytes");
  expect_error(entry(R"("dtype":"F32","shape":[9223372036854775808,4],"data_offsets":[0,4])"), "2^64");
  expect_error(entry(R"("dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0])", 0), "2^64");
  expect_error(entry(R"("dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4])"), "F8_E4M3",
               ErrorCategory::Unsupported);
  expect_error(file_of(R"({"t":3})", 0), "an object");
  expect_error(file_of(R"({"t":[]})", 0), "an object");
  expect_error(file_of(R"({"__metadata__":{"a":1}})", 0), "a string");
  expect_error(file_of(R"({"__metadata__":{"a":"b","a":"c"}})", 0), "occurs twice");
}

TEST(Safetensors, Layout) {
  const auto two = [](const char* first, const char* second, const char* name = "b") {
    return file_of(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + first + R"(},")" +
                       name + R"(":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                   8);
  };
  EXPECT_EQ(parse(as_bytes(two("[4,8]", "[0,4]")), "t").tensors().size(), 2u);
  expect_error(two("[0,4]", "[0,4]"), "overlaps");
  expect_error(two("[0,4]", "[3,7]"), "overlaps");
  expect_error(two("[0,4]", "[5,9]"), "hole");
  expect_error(two("[1,5]", "[5,9]"), "hole");
  expect_error(two("[0,4]", "[4,18446744073709551615]"), "ends inside");
  expect_error(two("[0,4]", "[4,8]", "a"), "occurs twice");
}

TEST(Safetensors, WritesAndReadsBack) {
  const auto path = testing::scratch() / "out.safetensors";
  const std::string data = "abcdefghijklmnop";
  const auto bytes = [&](std::size_t from, std::size_t n) { return as_bytes(data).subspan(from, n); };
  write(path, {{"byte", DType::U8, {3}, bytes(0, 3)},
               {"float \"x\"", DType::F32, {1, 2}, bytes(3, 8)},
               {"empty", DType::F16, {0}, {}},
               {"half", DType::BF16, {}, bytes(11, 2)}});
  const Container c = read(path);
  ASSERT_EQ(c.tensors().size(), 4u);
  EXPECT_EQ(as_text(c.find("float \"x\"")->bytes), data.substr(3, 8));
  EXPECT_EQ(c.find("float \"x\"")->shape, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(as_text(c.find("byte")->bytes), "abc");
  EXPECT_EQ(c.find("half")->dtype, DType::BF16);
  for (const StoredTensor& tensor : c.tensors()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % info(tensor.dtype).block_bytes, 0u);
  }
}

TEST(Safetensors, WriteChecks) {
  const auto folder = testing::scratch();
  const std::string data(8, 'x');
  const auto expect = [&](const std::vector<OutTensor>& tensors) {
    EXPECT_THROW(write(folder / "x", tensors), Error);
    EXPECT_TRUE(fs::is_empty(folder));
  };
  expect({{"a", DType::F32, {1}, as_bytes(data)}});
  expect({{"a", DType::F64, {1}, as_bytes(data)}, {"a", DType::F64, {1}, as_bytes(data)}});
  expect({{"a", DType::I2_S, {8}, as_bytes(data)}});
  expect({{"__metadata__", DType::F64, {1}, as_bytes(data)}});
  expect({{"\xff", DType::F64, {1}, as_bytes(data)}});
}

/// A folder of two shards with one tensor each.
struct Shards {
  fs::path folder = testing::scratch();
  void shard(const std::string& file, const std::vector<std::string>& names) const {
    static const std::string data(4, 'x');
    std::vector<OutTensor> tensors;
    for (const std::string& name : names) tensors.push_back({name, DType::F32, {1}, as_bytes(data)});
    write(folder / file, tensors);
  }
  void index(const std::string& json) const { write_file(folder / "model.safetensors.index.json", json); }
  Shards() {
    shard("m-1.safetensors", {"a"});
    shard("m-2.safetensors", {"b"});
    index(R"({"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})");
  }
  void expect_error(const std::string& word, ErrorCategory category = ErrorCategory::Format) const {
    expect_error_of([&] { read_folder(folder); }, category, word);
  }
};

TEST(SafetensorsFolder, ReadsShards) {
  const Shards shards;
  const Container c = read_folder(shards.folder);
  EXPECT_EQ(c.tensors().size(), 2u);
  EXPECT_EQ(c.files().size(), 2u);
  EXPECT_EQ(c.find("b")->file, (shards.folder / "m-2.safetensors").string());
}

TEST(SafetensorsFolder, TensorsBesideTheIndexAreRead) {
  const Shards shards;
  shards.shard("m-2.safetensors", {"b", "bias"});
  EXPECT_NE(read_folder(shards.folder).find("bias"), nullptr);
}

TEST(SafetensorsFolder, SingleFileComesFirst) {
  const Shards shards;
  shards.shard("model.safetensors", {"whole"});
  EXPECT_EQ(read_folder(shards.folder).tensors().size(), 1u);
}

TEST(SafetensorsFolder, NoCheckpoint) {
  const auto folder = testing::scratch();
  expect_error_of([&] { read_folder(folder); }, ErrorCategory::Io, "no safetensors");
  expect_error_of([&] { read_folder(folder / "absent"); }, ErrorCategory::Io, "no safetensors");
}

TEST(SafetensorsFolder, DamagedShards) {
  {
    const Shards shards;
    fs::remove(shards.folder / "m-2.safetensors");
    shards.expect_error("m-2.safetensors", ErrorCategory::Io);
  }
  {
    const Shards shards;
    shards.shard("m-2.safetensors", {"c"});
    shards.expect_error("in no shard");
  }
  {
    const Shards shards;
    shards.shard("m-2.safetensors", {"a", "b"});
    shards.expect_error("lies in two shards");
  }
  {
    const Shards shards;
    shards.shard("m-1.safetensors", {"b"});
    shards.shard("m-2.safetensors", {"a"});
    shards.expect_error("not in the shard");
  }
}

TEST(SafetensorsFolder, DamagedIndex) {
  const Shards shards;
  const auto expect = [&](const std::string& json, const std::string& word) {
    shards.index(json);
    shards.expect_error(word);
  };
  expect("", "JSON");
  expect("{", "JSON");
  expect("[]", "an object");
  expect("3", "an object");
  expect("{}", "names no tensors");
  expect(R"({"metadata":{"weight_map":{"a":"m-1.safetensors"}}})", "names no tensors");
  expect(R"({"weight_map":{}})", "names no tensors");
  expect(R"({"weight_map":[]})", "an object");
  expect(R"({"weight_map":"a"})", "an object");
  expect(R"({"weight_map":{"a":3}})", "a file name");
  expect(R"({"weight_map":{"a":{"b":"m-1.safetensors"}}})", "a file name");
  expect(R"({"weight_map":{"a":["m-1.safetensors"]}})", "a file name");
  expect(R"({"weight_map":{"a":"m-1.safetensors","a":"m-2.safetensors"}})", "occurs twice");
  expect(R"({"weight_map":{"a":"m-1.safetensors"},"weight_map":{"a":"m-1.safetensors"}})", "second");
  for (const char* name :
       {"../m-1.safetensors", "/etc/passwd", "sub/m.safetensors", "..", ".", "", "a\\\\b", "a\\u0000b"})
    expect(std::string(R"({"weight_map":{"a":")") + name + "\"}}", "plain file name");
  expect("{\"x\":" + std::string(1'000'000, '['), "JSON");
}

TEST(SafetensorsFolder, PublishedCheckpoints) {
  STERNA_REQUIRE_SHARED(packed, "models/tales/packed");
  EXPECT_EQ(read_folder(packed).find("model.layers.0.mlp.down_proj.weight")->dtype, DType::U8);
  STERNA_REQUIRE_SHARED(bf16, "models/tales/bf16");
  const Container c = read_folder(bf16, {.map = false});
  EXPECT_EQ(c.files().size(), 4u);
  EXPECT_EQ(c.find("model.layers.0.mlp.down_proj.weight")->shape, (std::vector<std::uint64_t>{512, 1280}));
  EXPECT_GT(testing::sum_bytes(c), 0u);
}

}  // namespace
}  // namespace sterna::safetensors
