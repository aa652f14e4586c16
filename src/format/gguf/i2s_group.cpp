#include "format/gguf/i2s_group.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <span>

#include "sterna/error.hpp"

namespace sterna::gguf {
namespace {

// Enough for |z| above 40 on a small trained model, in a few milliseconds on a large one.
constexpr std::uint64_t kLayers = 8;
constexpr std::uint64_t kRows = 255;         // of a matrix whose columns are counted: what a byte counts to
constexpr std::uint64_t kRowColumns = 1024;  // of a matrix whose rows are counted

constexpr std::size_t kGroup = 128;
constexpr std::size_t kGroupBytes = kGroup / 4;
constexpr std::uint64_t kZeroTrits = 0x5555555555555555;  // code 1, 32 times

struct Pair {
  const char* vector;  ///< an F32 vector, or an I2_S matrix whose rows are counted
  const char* matrix;  ///< the I2_S matrix whose columns are counted
};
// Pairs of the same vector or matrix stand together: they are read once.
constexpr std::array kPairs{
    Pair{"attn_norm", "attn_q"},  Pair{"attn_norm", "attn_k"},      Pair{"attn_norm", "attn_v"},
    Pair{"ffn_norm", "ffn_gate"}, Pair{"ffn_norm", "ffn_up"},       Pair{"ffn_up", "ffn_down"},
    Pair{"ffn_gate", "ffn_down"}, Pair{"ffn_sub_norm", "ffn_down"}, Pair{"attn_sub_norm", "attn_output"},
};

/// Scaled to mean 0 and variance 1. Empty when the values are all equal or not all finite.
std::vector<double> standardised(std::vector<double> values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::reduce(values.begin(), values.end()) / n;
  double squares = 0;
  for (double& v : values) {
    v -= mean;
    squares += v * v;
  }
  if (!(squares > 0) || !std::isfinite(squares)) return {};
  const double scale = std::sqrt(n / squares);
  for (double& v : values) v *= scale;
  return values;
}

/// Places in ascending order, equal values sharing their mean place: no outlier counts for more than that.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> places(values.size());
  for (std::size_t begin = 0, end; begin < order.size(); begin = end) {
    for (end = begin + 1; end < order.size() && values[order[end]] == values[order[begin]];) ++end;
    for (std::size_t k = begin; k < end; ++k) places[order[k]] = static_cast<double>(begin + end - 1) / 2;
  }
  return places;
}

/// The low bit of each 2-bit field: whether the trit is not zero.
constexpr std::uint64_t nonzero_fields(std::uint64_t codes) {
  const std::uint64_t differs = codes ^ kZeroTrits;
  return (differs | differs >> 1) & kZeroTrits;
}

/// Non-zero trits of each column, over a sample of rows, with the columns in the order of groups of 128.
std::vector<double> column_densities(const StoredTensor& matrix) {
  constexpr std::uint64_t low_bits = 0x0101010101010101;
  constexpr std::size_t words = kGroupBytes / 8;
  const std::size_t groups = matrix.cols() / kGroup;
  std::vector<std::uint64_t> counts(matrix.cols() / 8);  // a byte for each column
  const std::uint64_t rows = matrix.rows();
  const std::uint64_t sampled = std::min(rows, kRows);
  for (std::uint64_t i = 0; i < sampled; ++i) {
    const std::byte* row = matrix.bytes.data() + i * rows / sampled * groups * kGroupBytes;
    for (std::size_t w = 0; w < groups * words; ++w) {
      const std::uint64_t nonzero = nonzero_fields(load_unaligned<std::uint64_t>(row + w * 8));
      std::uint64_t* to = counts.data() + w / words * 4 * words + w % words;
      for (std::size_t field = 0; field < 4; ++field)
        to[field * words] += nonzero >> (6 - 2 * field) & low_bits;
    }
  }
  std::vector<double> densities;
  for (const std::uint64_t word : counts) {
    for (unsigned byte = 0; byte < 8; ++byte)
      densities.push_back(static_cast<double>(word >> (8 * byte) & 255u));
  }
  return densities;
}

/// Non-zero trits of each row, over its first columns. The group size does not matter: it moves no weight
/// out of its 128.
std::vector<double> row_densities(const StoredTensor& matrix) {
  const std::size_t words = std::min(matrix.cols(), kRowColumns) / 32;
  std::vector<double> densities;
  for (std::uint64_t r = 0; r < matrix.rows(); ++r) {
    const std::byte* row = matrix.bytes.data() + r * (matrix.cols() / 4);
    int count = 0;
    for (std::size_t w = 0; w < words; ++w)
      count += std::popcount(nonzero_fields(load_unaligned<std::uint64_t>(row + w * 8)));
    densities.push_back(count);
  }
  return densities;
}

bool is_i2s(const StoredTensor* tensor) {
  return tensor && tensor->dtype == DType::I2_S && tensor->cols() % kGroup == 0;
}

/// One value for each of a matrix's columns, in the true order; empty when the tensor holds no such thing.
std::vector<double> column_vector(const StoredTensor* tensor) {
  if (is_i2s(tensor)) return standardised(row_densities(*tensor));
  if (!tensor || tensor->dtype != DType::F32 || tensor->rows() != 1) return {};
  std::vector<double> values;
  for (std::size_t c = 0; c < tensor->cols(); ++c) {
    values.push_back(std::abs(load_unaligned<float>(tensor->bytes.data() + c * sizeof(float))));
    if (!std::isfinite(values.back())) return {};
  }
  return standardised(ranks(values));
}

/// Where groups of 64 put what groups of 128 put at column c: the byte is the same, a 64-group's byte holds
/// columns 16 apart instead of 32.
constexpr std::size_t column_of_64(std::size_t c) {
  const std::size_t field = c % kGroup / kGroupBytes;
  const std::size_t byte = c % kGroupBytes;
  return c / kGroup * kGroup + byte / 16 * 64 + field * 16 + byte % 16;
}

/// With a vector x and the densities d of the matrix's columns, read in groups of 128, the correlation is
/// Σ x_c d_c for 128 and Σ x_π(c) d_c for 64. Their difference and their sum, each in its standard deviations
/// for a d that has nothing to do with x; the two are then uncorrelated.
struct Comparison {
  double difference = 0;
  double sum = 0;
};

Comparison compare(std::span<const double> x, std::span<const double> d) {
  double difference = 0, difference_squares = 0, sum = 0, sum_squares = 0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    const double other = x[column_of_64(c)];
    difference += (x[c] - other) * d[c];
    difference_squares += (x[c] - other) * (x[c] - other);
    sum += (x[c] + other) * d[c];
    sum_squares += (x[c] + other) * (x[c] + other);
  }
  if (difference_squares == 0 || sum_squares == 0) return {};
  return {difference / std::sqrt(difference_squares), sum / std::sqrt(sum_squares)};
}

const StoredTensor* find(const Container& container, std::uint64_t layer, const char* name) {
  return container.find("blk." + std::to_string(layer) + "." + name + ".weight");
}

}  // namespace

I2sGroupEvidence weigh_i2s_group(const Container& container) {
  std::uint64_t layers = 0;
  while (find(container, layers, kPairs[0].matrix)) ++layers;
  const std::uint64_t sampled = std::min(layers, kLayers);

  I2sGroupEvidence evidence;
  std::array<Comparison, kPairs.size()> totals;
  for (std::uint64_t i = 0; i < sampled; ++i) {
    const StoredTensor* vector = nullptr;
    const StoredTensor* matrix = nullptr;
    std::vector<double> x, d;
    for (std::size_t k = 0; k < kPairs.size(); ++k) {
      const std::uint64_t layer = i * layers / sampled;
      if (const auto* next = find(container, layer, kPairs[k].vector); next != vector || k == 0)
        x = column_vector(vector = next);
      if (const auto* next = find(container, layer, kPairs[k].matrix); next != matrix || k == 0) {
        matrix = next;
        d = is_i2s(matrix) ? standardised(column_densities(*matrix)) : std::vector<double>{};
      }
      if (d.empty() || x.size() != d.size()) continue;
      const Comparison one = compare(x, d);
      totals[k].difference += one.difference;
      totals[k].sum += one.sum;
      ++evidence.comparisons;
    }
  }
  // Whether density grows or falls with the vector is the pair's property, the same in all layers. The sum
  // tells, and how surely: it is the weight of the difference. Where nothing is related, it is a weight
  // chosen at random, and z stays standard normal.
  double weighted = 0, weights = 0;
  for (const Comparison& total : totals) {
    weighted += total.difference * total.sum;
    weights += total.sum * total.sum;
  }
  // The variance of a pair's difference is its number of layers: `sampled`, or less where some lack a tensor.
  if (weights > 0) evidence.z = weighted / std::sqrt(weights * static_cast<double>(sampled));
  return evidence;
}

std::optional<std::uint32_t> detect_i2s_group(const File& file) {
  if (const auto stated = file.metadata.unsigned_of(kI2sGroupKey)) {
    if (*stated != 64 && *stated != 128)
      throw Error(ErrorCategory::Format, "the I2_S group size is unusable",
                  {{"key", std::string(kI2sGroupKey)},
                   {"found", std::to_string(*stated)},
                   {"expected", "64 or 128"}});
    return static_cast<std::uint32_t>(*stated);
  }
  const double z = weigh_i2s_group(file.container).z;
  if (z >= kI2sGroupDecisiveZ) return 128;
  if (z <= -kI2sGroupDecisiveZ) return 64;
  return std::nullopt;
}

}  // namespace sterna::gguf
