#include "format/gguf/i2s_group.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <limits>
#include <random>

#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna::gguf {
namespace {

/// The 2-bit code of element e, and where groups of `group` weights put it.
std::size_t byte_of(std::size_t e, std::size_t group) {
  return e / group * (group / 4) + e % (group / 4);
}
unsigned shift_of(std::size_t e, std::size_t group) {
  return static_cast<unsigned>(6 - 2 * (e % group / (group / 4)));
}

/// Tensors with their own bytes.
class Tensors {
 public:
  void add(const std::string& name, DType dtype, std::vector<std::uint64_t> shape,
           std::vector<std::byte> bytes) {
    bytes_.push_back(std::move(bytes));
    ASSERT_TRUE(container_.add({name, dtype, std::move(shape), bytes_.back(), "test"}));
  }
  void add_matrix(const std::string& name, std::uint64_t rows, std::uint64_t cols,
                  const std::vector<unsigned>& codes, std::size_t group) {
    std::vector<std::byte> bytes(rows * cols / 4 + 32);
    for (std::size_t e = 0; e < codes.size(); ++e)
      bytes[byte_of(e, group)] |= static_cast<std::byte>(codes[e] << shift_of(e, group));
    add(name, DType::I2_S, {rows, cols}, std::move(bytes));
  }
  void add_vector(const std::string& name, const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    add(name, DType::F32, {values.size()}, {bytes.begin(), bytes.end()});
  }
  const Container& container() const { return container_; }

 private:
  std::deque<std::vector<std::byte>> bytes_;
  Container container_;
};

/// Two layers; a column's share of non-zero trits is 0.6 + `relation` times its norm weight in [-1, 1].
Tensors planted(double relation, std::size_t group, std::uint64_t cols = 512, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  Tensors tensors;
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    std::vector<float> norm(cols);
    for (float& v : norm) v = static_cast<float>(2 * uniform() - 1);
    std::vector<float> weights(norm);
    for (float& v : weights) v += 2;
    tensors.add_vector(prefix + "attn_norm.weight", weights);
    for (const char* name : {"attn_q", "attn_k", "attn_v"}) {
      std::vector<unsigned> codes(64 * cols);
      for (std::size_t e = 0; e < codes.size(); ++e) {
        const double share = 0.6 + relation * static_cast<double>(norm[e % cols]);
        codes[e] = uniform() < share ? (uniform() < 0.5 ? 0 : 2) : 1;
      }
      tensors.add_matrix(prefix + name + ".weight", 64, cols, codes, group);
    }
  }
  return tensors;
}

TEST(I2sGroup, FollowsThePlantedRelationWhateverItsSign) {
  for (const double relation : {0.2, -0.2}) {
    EXPECT_GT(weigh_i2s_group(planted(relation, 128).container()).z, kI2sGroupDecisiveZ);
    EXPECT_LT(weigh_i2s_group(planted(relation, 64).container()).z, -kI2sGroupDecisiveZ);
  }
  EXPECT_EQ(weigh_i2s_group(planted(0.2, 128).container()).comparisons, 6u);
}

TEST(I2sGroup, RandomWeightsAreUndecidedAndZIsStandardNormal) {
  double sum = 0, squares = 0;
  constexpr int n = 100;
  for (int seed = 0; seed < n; ++seed) {
    const Tensors tensors = planted(0, seed % 2 ? 64 : 128, 256, static_cast<std::uint64_t>(seed));
    const double z = weigh_i2s_group(tensors.container()).z;
    EXPECT_LT(std::abs(z), kI2sGroupDecisiveZ);
    sum += z;
    squares += z * z;
  }
  EXPECT_LT(std::abs(sum / n), 0.4);  // four standard errors
  EXPECT_GT(squares / n, 0.5);
  EXPECT_LT(squares / n, 1.6);
}

TEST(I2sGroup, UndecidedWithoutEvidence) {
  EXPECT_EQ(detect_i2s_group(File{}), std::nullopt);
  EXPECT_EQ(weigh_i2s_group(planted(0.2, 128, 576).container()).comparisons, 0u);  // 576 = 4.5 · 128
  Tensors constant, damaged;
  const std::vector<unsigned> codes(64 * 128, 2);
  for (Tensors* tensors : {&constant, &damaged})
    tensors->add_matrix("blk.0.attn_q.weight", 64, 128, codes, 128);
  constant.add_vector("blk.0.attn_norm.weight", std::vector<float>(128, 1.0f));
  std::vector<float> norm(128, 1.0f);
  for (std::size_t i = 0; i < norm.size(); i += 3) norm[i] = std::numeric_limits<float>::quiet_NaN();
  damaged.add_vector("blk.0.attn_norm.weight", norm);
  EXPECT_EQ(weigh_i2s_group(constant.container()).comparisons, 0u);
  EXPECT_EQ(weigh_i2s_group(damaged.container()).comparisons, 0u);
}

TEST(I2sGroup, TheFilesOwnStatementComesFirst) {
  const Tensors tensors = planted(0.2, 128);
  File file;
  file.container = tensors.container();
  EXPECT_EQ(detect_i2s_group(file), 128u);
  file.metadata.set(std::string(kI2sGroupKey), std::uint32_t{64});
  EXPECT_EQ(detect_i2s_group(file), 64u);
  file.metadata.set(std::string(kI2sGroupKey), std::uint32_t{32});
  EXPECT_THROW(detect_i2s_group(file), Error);
}

TEST(I2sGroup, TrainedModel) {
  STERNA_REQUIRE_SHARED(path, "foreign/tales-i2_s-f16.gguf");
  const File file = read(path);
  const I2sGroupEvidence evidence = weigh_i2s_group(file.container);
  RecordProperty("z128", std::to_string(evidence.z));
  EXPECT_GT(evidence.z, 30);
  EXPECT_EQ(detect_i2s_group(file), 128u);

  // The same weights as an ARM build would have written them, and as a model without sub-norms.
  Tensors arm, arm_llama;
  for (const StoredTensor& tensor : file.container.tensors()) {
    std::vector<std::byte> bytes(tensor.bytes.begin(), tensor.bytes.end());
    if (tensor.dtype == DType::I2_S) {
      const std::size_t elements = tensor.rows() * tensor.cols();
      std::fill_n(bytes.begin(), elements / 4, std::byte{0});
      for (std::size_t e = 0; e < elements; ++e) {
        const unsigned code = static_cast<unsigned>(tensor.bytes[byte_of(e, 128)]) >> shift_of(e, 128) & 3;
        bytes[byte_of(e, 64)] |= static_cast<std::byte>(code << shift_of(e, 64));
      }
    }
    if (tensor.name.find("sub_norm") == tensor.name.npos)
      arm_llama.add(tensor.name, tensor.dtype, tensor.shape, bytes);
    arm.add(tensor.name, tensor.dtype, tensor.shape, std::move(bytes));
  }
  EXPECT_LT(weigh_i2s_group(arm.container()).z, -30);
  EXPECT_LT(weigh_i2s_group(arm_llama.container()).z, -15);
  File arm_file;
  arm_file.container = arm.container();
  EXPECT_EQ(detect_i2s_group(arm_file), 64u);
}

}  // namespace
}  // namespace sterna::gguf
