#include "quantize/integers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "quantize/absmean.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr bool is_usable(float scale) {
  return scale >= std::numeric_limits<float>::min();
}

IntegerScale binary(std::span<const float> group, const IntegerFormat&) {
  if (group.empty()) return {0, 0};
  const double sum = sum_magnitudes(group.data(), 1, group.size());
  const auto scale = static_cast<float>(sum / static_cast<double>(group.size()));
  return {is_usable(scale) ? scale : 0, 0};
}

IntegerScale symmetric(std::span<const float> group, const IntegerFormat& format) {
  const float scale =
      quant::loops().max_magnitude(group.data(), group.size()) / static_cast<float>(format.most);
  return {is_usable(scale) ? scale : 0, 0};
}

IntegerScale asymmetric(std::span<const float> group, const IntegerFormat& format) {
  const quant::Extremes range = quant::loops().extremes(group.data(), group.size());
  const double width = static_cast<double>(range.most) - static_cast<double>(range.least);
  const auto scale = static_cast<float>(width / (format.most - format.least));
  if (!is_usable(scale)) return {0, 0};
  const double zero = std::nearbyint(format.least - static_cast<double>(range.least) / scale);
  return {scale, static_cast<std::int32_t>(std::clamp<double>(zero, format.least, format.most))};
}

constexpr IntegerFormat symmetric_of(std::string_view name, int bits) {
  const auto most = static_cast<std::int8_t>((1 << (bits - 1)) - 1);
  return {name, bits, false, static_cast<std::int8_t>(-most), most, symmetric};
}
constexpr IntegerFormat asymmetric_of(std::string_view name, int bits) {
  const int half = 1 << (bits - 1);
  return {name, bits, true, static_cast<std::int8_t>(-half), static_cast<std::int8_t>(half - 1), asymmetric};
}

constexpr std::array kFormats{
    IntegerFormat{"binary", 1, false, -1, 1, binary},
    symmetric_of("int2", 2),
    symmetric_of("int3", 3),
    symmetric_of("int4", 4),
    symmetric_of("int8", 8),
    asymmetric_of("int2-asymmetric", 2),
    asymmetric_of("int3-asymmetric", 3),
    asymmetric_of("int4-asymmetric", 4),
    asymmetric_of("int8-asymmetric", 8),
};

}  // namespace

std::span<const IntegerFormat> integer_formats() noexcept {
  return kFormats;
}

const IntegerFormat* find_integer_format(std::string_view name) noexcept {
  const auto at = std::find_if(kFormats.begin(), kFormats.end(),
                               [&](const IntegerFormat& format) { return format.name == name; });
  return at == kFormats.end() ? nullptr : &*at;
}

IntegerMatrix quantize_integers(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols,
                                const IntegerFormat& format, const Grain& grain, const Rounding& rounding) {
  if (format.bits == 1 && rounding.mode == RoundingMode::Stochastic) {
    throw Error(ErrorCategory::InvalidArgument, "binary codes have no stochastic rounding");
  }
  const Groups groups = groups_of(weights, rows, cols, grain);
  IntegerMatrix matrix{&format, rows, cols, grain, std::vector<std::int8_t>(weights.size()), {}};
  matrix.scales.reserve(groups.count);
  for (std::uint64_t g = 0; g < groups.count; ++g) {
    const std::uint64_t first = g * groups.size;
    const std::span<const float> group = weights.subspan(first, groups.size);
    std::int8_t* codes = matrix.codes.data() + first;
    const IntegerScale chosen = format.choose(group, format);
    matrix.scales.push_back(chosen);
    if (format.bits == 1) {
      quant::loops().signs(group.data(), group.size(), codes);
    } else if (chosen.scale > 0) {
      const quant::CodeGrid grid{1 / chosen.scale, static_cast<float>(format.least - chosen.zero),
                                 static_cast<float>(format.most - chosen.zero), chosen.zero};
      encode(group, grid, rounding, first, codes);
    }
  }
  return matrix;
}

void dequantize(const IntegerMatrix& matrix, std::span<float> out) {
  if (out.size() != matrix.codes.size()) {
    throw Error(ErrorCategory::InvalidArgument, "room for a matrix has another size",
                {{"found", std::to_string(out.size())}, {"expected", std::to_string(matrix.codes.size())}});
  }
  const std::uint64_t groups = matrix.scales.size();
  const std::uint64_t size = groups == 0 ? 0 : out.size() / groups;
  for (std::uint64_t g = 0; g < groups; ++g) {
    quant::loops().decode(matrix.codes.data() + g * size, size, matrix.scales[g].scale, matrix.scales[g].zero,
                          out.data() + g * size);
  }
}

}  // namespace sterna
