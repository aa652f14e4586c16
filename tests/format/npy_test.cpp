// .npy and .npz: what is written, what is read, and what is refused. tests/tensor/numpy compares with NumPy.
#include "sterna/npy.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>

#include "format/byte_builder.hpp"
#include "format/npy/header.hpp"
#include "platform/process_memory.hpp"
#include "sterna/conversion.hpp"
#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

namespace fs = std::filesystem;
using testing::scratch;
using testing::write_file;

std::string file_of(std::string_view dict, std::string_view elements, int version = 1) {
  std::string text("\x93NUMPY");
  text += {static_cast<char>(version), '\0'};
  const std::size_t length = dict.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) text += static_cast<char>(length >> (8 * i) & 0xFF);
  return text + std::string(dict) + std::string(elements);
}

Tensor parse(std::string_view file) {
  return parse_npy(as_bytes(file), "a.npy");
}

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The category of the error, and that its text has `says`.
void expect_error(ErrorCategory category, std::string_view says, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << says;
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(says), std::string_view::npos) << error.what();
    EXPECT_FALSE(error.value("file").empty()) << error.what();
  }
}

constexpr std::string_view kThree = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n";

TEST(Npy, WritesWhatNumPyWrites) {
  const fs::path path = scratch() / "a.npy";
  write_npy(path, Tensor::from<std::uint8_t>({7, 8, 9}));
  const std::string dict(kThree.substr(0, kThree.size() - 1));
  EXPECT_EQ(bytes_of(path), file_of(dict + std::string(117 - dict.size(), ' ') + "\n", "\x07\x08\x09"));
  write_npy(path, Tensor::scalar(1.5));
  EXPECT_NE(bytes_of(path).find("{'descr': '<f8', 'fortran_order': False, 'shape': (), }"),
            std::string::npos);
  const Tensor matrix = Tensor::arange(6).reshape({2, 3});
  write_npy(path, matrix.transpose());
  EXPECT_NE(bytes_of(path).find("'fortran_order': True, 'shape': (3, 2), }"), std::string::npos);
  EXPECT_EQ(std::memcmp(bytes_of(path).data() + 128, matrix.raw(), 48), 0);
}

TEST(Npy, ReadsTheForms) {
  const std::vector<std::uint8_t> expected{7, 8, 9};
  const auto values = [](std::string_view dict, int version = 1) {
    return parse(file_of(dict, "\x07\x08\x09", version)).to_vector<std::uint8_t>();
  };
  for (const int version : {1, 2, 3}) EXPECT_EQ(values(kThree, version), expected);
  EXPECT_EQ(values("{\"shape\":(3L,),'fortran_order':True,'descr':'<u1'}"), expected);
  EXPECT_EQ(values("  {'descr' : '>u1' ,\n 'fortran_order' : False , 'shape' : ( 3 , ) }  \n\n"), expected);
  EXPECT_EQ(values("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 3)}"), expected);

  const Tensor swapped = parse(file_of("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2)}",
                                       std::string_view("\x00\x01\x00\x02\xFF\xFF\x01\x00", 8)));
  EXPECT_EQ(swapped.to_vector<std::int16_t>(), (std::vector<std::int16_t>{1, -1, 2, 256}));
  EXPECT_EQ(swapped.strides(), (Strides{1, 2}));
  EXPECT_EQ(parse(file_of("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 5)}", "")).shape(),
            (Shape{0, 5}));
}

TEST(Npy, RefusesOtherArrays) {
  const auto refused = [](ErrorCategory category, std::string_view says, std::string_view descr) {
    const std::string dict = "{'descr': " + std::string(descr) + ", 'fortran_order': False, 'shape': (3,), }";
    expect_error(category, says, [&] { parse(file_of(dict, "\x07\x08\x09")); });
  };
  using enum ErrorCategory;
  refused(Unsupported, "Python objects", "'|O'");
  refused(Unsupported, "records", "[('x', '<f4'), ('y', '<i2')]");
  refused(Unsupported, "records", "('<f4', (2,))");
  refused(Unsupported, "complex", "'<c8'");
  refused(Unsupported, "text", "'<U3'");
  refused(Unsupported, "byte strings", "'|S1'");
  refused(Unsupported, "raw records", "'|V2'");
  refused(Unsupported, "dates", "'<M8[ns]'");
  refused(Unsupported, "'=f4'", "'=f4'");
  refused(Unsupported, "'f4'", "'f4'");
  refused(Unsupported, "'|f4'", "'|f4'");
  refused(Unsupported, "'<f16'", "'<f16'");
  refused(Unsupported, "''", "''");
  refused(Format, "a string", "u1");
}

TEST(Npy, RefusesDamage) {
  const auto refused = [](std::string_view says, std::string_view dict,
                          std::string_view elements = "\x07\x08\x09") {
    expect_error(ErrorCategory::Format, says, [&] { parse(file_of(dict, elements)); });
  };
  refused("cut off", kThree, "\x07\x08");
  refused("goes on", kThree, "\x07\x08\x09\x0A");
  refused("lacks a key", "{'descr': '|u1', 'shape': (3,)}");
  refused("lacks a key", "{}");
  refused("occurs twice", "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (3,)}");
  refused("unknown key", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), 'x': 1}");
  refused("comma after the only", "{'descr': '|u1', 'fortran_order': False, 'shape': (3)}");
  for (const char* shape :
       {"(3,,)", "(,)", "[3]", "(-3,)", "(03,)", "(3.0,)", "(3 1,)", "(0x3,)", "(3,", "3"})
    refused("damaged", "{'descr': '|u1', 'fortran_order': False, 'shape': " + std::string(shape) + "}");
  refused("damaged", "{'descr': '|u1', 'fortran_order': 0, 'shape': (3,)}");
  refused("damaged", "{'descr': '|u\\x31', 'fortran_order': False, 'shape': (3,)}");
  refused("damaged", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} x");
  refused("damaged", "{'descr': '|u1' 'fortran_order': False, 'shape': (3,)}");
  refused("too large", "{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,)}");
  refused("larger than any file",
          "{'descr': '<u8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}");
  refused("larger than any file",
          "{'descr': '<u8', 'fortran_order': False, 'shape': (4611686018427387904, 4, 0)}");
  std::string axes;
  for (int i = 0; i < 65; ++i) axes += "1, ";
  refused("too many axes", "{'descr': '|u1', 'fortran_order': False, 'shape': (" + axes + ")}");
  refused("neither false nor true", "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}",
          std::string_view("\x00\x01\x02", 3));
  for (const int version : {0, 4, 255})
    expect_error(ErrorCategory::Unsupported, "version",
                 [&] { parse(file_of(kThree, "\x07\x08\x09", version)); });
  expect_error(ErrorCategory::Unsupported, "longer than",
               [&] { parse(file_of(std::string(kThree) + std::string(70000, ' '), "\x07\x08\x09", 2)); });
  expect_error(ErrorCategory::Format, "no .npy", [&] { parse("not an array"); });
}

TEST(Npy, MapsTheFile) {
  const fs::path path = scratch() / "a.npy";
  const Tensor x = Tensor::arange(12).reshape({3, 4}).to(DType::F32);
  write_npy(path, x.transpose());
  Tensor mapped = read_npy(path, {.map = true});
  EXPECT_EQ(mapped.storage()->owner(), Storage::Owner::Mapped);
  EXPECT_EQ(mapped.to_vector<float>(), x.transpose().to_vector<float>());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(mapped.raw()) % 64, 0u);
  EXPECT_THROW(mapped.mutable_raw(), Error);
  EXPECT_TRUE(read_npy(path).writable());
  fs::remove(path);  // the pages stay
  const Tensor view = mapped.select(0, 1);
  mapped = {};
  EXPECT_EQ(view.to_vector<float>(), x.transpose().select(0, 1).to_vector<float>());

  write_file(path, file_of("{'descr': '<i4', 'fortran_order': False, 'shape': (1,)}", "\x01\x02\x03\x04"));
  expect_error(ErrorCategory::Unsupported, "not aligned", [&] { read_npy(path, {.map = true}); });
  EXPECT_EQ(read_npy(path).item<std::int32_t>(), 0x04030201);
  write_file(path, file_of("{'descr': '>i4', 'fortran_order': False, 'shape': (1,)}", "\x01\x02\x03\x04"));
  expect_error(ErrorCategory::Unsupported, "big-endian", [&] { read_npy(path, {.map = true}); });
}

TEST(Npy, StreamsAMappedFileInBoundedMemory) {
  const fs::path path = scratch() / "large.npy";
  constexpr std::int64_t kElements = std::int64_t{12} << 20;  // 48 MiB of F32
  write_npy(path, Tensor::full({kElements}, 2.5f, DType::F32));
  const Tensor mapped = read_npy(path, {.map = true});
  EXPECT_EQ(conversion_strategy(mapped, DType::F16), ConversionStrategy::Streaming);
  ConversionEngine engine;
  std::uint64_t sum = 0, before = 0, most = 0;
  engine.stream(mapped, DType::I8, [&](const Tensor& chunk, std::int64_t first) {
    const std::uint64_t now = resident_bytes();
    if (first == 0) before = now;
    most = std::max(most, now);
    for (const std::int8_t value :
         std::span(chunk.data<std::int8_t>(), static_cast<std::size_t>(chunk.size())))
      sum += static_cast<std::uint64_t>(value);
  });
  EXPECT_EQ(sum, 2u * kElements);
  // A chunk is 1 MiB, and the kernel maps up to 2 MiB around what is read.
  if (before > 0) {
    EXPECT_LT(most - before, std::uint64_t{12} << 20);
  }
  EXPECT_EQ(mapped.select(0, 5).item<float>(), 2.5f);  // pages given back come again
}

TEST(Npy, WritesWholeFilesOrNone) {
  const fs::path folder = scratch();
  for (const DType dtype : {DType::BF16, DType::Ternary2, DType::Q8_0}) {
    const Tensor x = Tensor::empty({64}, dtype);
    EXPECT_THROW(write_npy(folder / "a.npy", x), Error);
    EXPECT_THROW(write_npz(folder / "a.npz", std::vector<NamedTensor>{{"x", x}}), Error);
  }
  EXPECT_THROW(write_npy(folder / "a.npy", Tensor::zeros(Shape::filled(65, 1), DType::I8)), Error);
  const Tensor x = Tensor::zeros({2}, DType::I8);
  EXPECT_THROW(write_npz(folder / "a.npz", {}), Error);
  EXPECT_THROW(write_npz(folder / "a.npz", std::vector<NamedTensor>{{"", x}}), Error);
  EXPECT_THROW(write_npz(folder / "a.npz", std::vector<NamedTensor>{{"x", x}, {"x", x}}), Error);
  EXPECT_THROW(write_npz(folder / "a.npz", std::vector<NamedTensor>{{"\xFF\xFE", x}}), Error);
  EXPECT_THROW(write_npz(folder / "none" / "a.npz", std::vector<NamedTensor>{{"x", x}}), Error);
  EXPECT_TRUE(fs::is_empty(folder));
}

std::vector<NamedTensor> some_tensors() {
  return {{"weights", Tensor::arange(60).reshape({3, 20}).transpose()},
          {"ünïcode/name", Tensor::from<bool>({true, false})},
          {"empty", Tensor::zeros({0, 4}, DType::F16)},
          {"zeros", Tensor::zeros({5000}, DType::F32)}};
}

TEST(Npz, ComesBack) {
  const fs::path path = scratch() / "a.npz";
  const std::vector<NamedTensor> tensors = some_tensors();
  for (const bool compress : {false, true}) {
    write_npz(path, tensors, compress);
    const std::string bytes = bytes_of(path);
    EXPECT_EQ(bytes.size() < 5000, compress) << bytes.size();
    const auto found = read_npz(path);
    ASSERT_EQ(found.size(), tensors.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].name, tensors[i].name);
      EXPECT_EQ(found[i].tensor.dtype(), tensors[i].tensor.dtype());
      EXPECT_EQ(found[i].tensor.shape(), tensors[i].tensor.shape());
      EXPECT_EQ(found[i].tensor.to(DType::F64).to_vector<double>(),
                tensors[i].tensor.to(DType::F64).to_vector<double>());
    }
    write_npz(path, tensors, compress);
    EXPECT_EQ(bytes_of(path), bytes);  // no time of the day in it
  }
  const auto chosen = read_npz(path, {.names = {"zeros", "weights"}});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[1].name, "weights");
  expect_error(ErrorCategory::Mismatch, "missing", [&] { read_npz(path, {.names = {"missing"}}); });
}

TEST(Npz, RefusesToInflateBeyondTheLimit) {
  const fs::path path = scratch() / "bomb.npz";
  write_npz(path,
            std::vector<NamedTensor>{{"a", Tensor::zeros({3 << 20}, DType::U8)},
                                     {"b", Tensor::zeros({3 << 20}, DType::U8)}},
            true);
  EXPECT_LT(fs::file_size(path), 10000u);
  expect_error(ErrorCategory::Limit, "at most 5000000", [&] { read_npz(path, {.max_inflated = 5'000'000}); });
  EXPECT_EQ(read_npz(path, {.names = {"b"}, .max_inflated = 5'000'000}).size(), 1u);
  EXPECT_EQ(read_npz(path, {.max_inflated = 7'000'000}).size(), 2u);
}

// --- damage: whatever the bytes, an Error or tensors

struct Sample {
  const char* name;
  void (*read)(Bytes bytes);
  std::string bytes;
};

void touch(const Tensor& tensor) {
  [[maybe_unused]] volatile std::byte touched{};
  for (std::size_t i = 0; i < tensor.bytes(); ++i) touched = tensor.raw()[i];
}
void read_one(Bytes bytes) {
  touch(parse_npy(bytes, "damaged.npy"));
}
void read_many(Bytes bytes) {
  for (const NamedTensor& each : parse_npz(bytes, "damaged.npz", {.max_inflated = 1 << 24}))
    touch(each.tensor);
}

std::vector<Sample> samples() {
  const fs::path path = scratch() / "sample";
  std::vector<Sample> result;
  result.push_back({"v1", read_one, file_of(kThree, "\x07\x08\x09")});
  result.push_back(
      {"v3", read_one,
       file_of("{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }", std::string(24, 'x'), 3)});
  const std::vector<NamedTensor> tensors{{"a", Tensor::arange(9).to(DType::I16)},
                                         {"b", Tensor::ones({2, 3}, DType::Bool)}};
  for (const bool compress : {false, true}) {
    write_npz(path, tensors, compress);
    result.push_back({compress ? "deflated" : "stored", read_many, bytes_of(path)});
  }
  return result;
}

bool reads(const Sample& sample, std::string_view bytes) {
  // At the very end of an allocation of their own.
  const auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), copy.get());
  try {
    sample.read({copy.get(), bytes.size()});
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.category() == ErrorCategory::Format || error.category() == ErrorCategory::Unsupported ||
                error.category() == ErrorCategory::Limit)
        << error.what();
    EXPECT_FALSE(error.value("file").empty()) << error.what();
    EXPECT_LT(std::string_view(error.what()).size(), 1000u);
    return false;
  }
}

TEST(NpyDamage, TruncationAtEveryByte) {
  for (const Sample& sample : samples()) {
    EXPECT_TRUE(reads(sample, sample.bytes)) << sample.name;
    for (std::size_t n = 0; n < sample.bytes.size(); ++n)
      EXPECT_FALSE(reads(sample, std::string_view(sample.bytes).substr(0, n))) << sample.name << ' ' << n;
  }
}

TEST(NpyDamage, RandomByteFlips) {
  for (const Sample& sample : samples()) {
    std::mt19937_64 random(99);
    constexpr int kRounds = 12000;
    int read = 0;
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes = sample.bytes;
      for (auto flips = 1 + random() % 3; flips > 0; --flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
      read += reads(sample, bytes);
    }
    EXPECT_GT(read, 0) << sample.name;  // some damage does not matter
    EXPECT_LT(read, kRounds) << sample.name;
  }
}

TEST(NpyDamage, EveryBitOfAStoredArrayIsUnderItsCrc) {
  const Sample stored = samples()[2];
  const std::size_t begin = stored.bytes.find("\x93NUMPY");
  for (std::size_t bit = 0; bit < 8 * (128 + 18); ++bit) {  // header and elements of "a"
    std::string bytes = stored.bytes;
    bytes[begin + bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(reads(stored, bytes)) << bit;
  }
}

TEST(NpyDamage, ExtremeNumbers) {
  for (const Sample& sample : samples()) {
    for (std::size_t at = 0; at + 8 <= sample.bytes.size(); ++at) {
      for (const std::uint64_t extreme :
           {std::uint64_t{0}, std::uint64_t{0x7FFFFFFF}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
        for (const std::size_t width : {2, 4, 8}) {
          std::string bytes = sample.bytes;
          std::memcpy(bytes.data() + at, &extreme, width);
          reads(sample, bytes);
        }
      }
    }
  }
}

TEST(NpyDamage, NoFileAtAll) {
  for (const fs::path& path : {scratch(), scratch() / "absent", fs::path("/dev/null")}) {
    expect_error(ErrorCategory::Io, path.string(), [&] { read_npy(path); });
    expect_error(ErrorCategory::Io, path.string(), [&] { read_npz(path); });
  }
  const fs::path empty = scratch() / "empty";
  write_file(empty, "");
  expect_error(ErrorCategory::Format, "no .npy", [&] { read_npy(empty, {.map = true}); });
  expect_error(ErrorCategory::Format, "archive", [&] { read_npz(empty); });
}

}  // namespace
}  // namespace sterna
