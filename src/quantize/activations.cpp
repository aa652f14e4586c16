#include "quantize/activations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/checked.hpp"
#include "kernels/kernel_table.hpp"
#include "quantize/simd/loops.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr float kSmallestRange = 1e-5f;  // as FloatKernels::quantize has it

void check(std::span<const float> x, std::uint64_t tokens, std::uint64_t channels,
           const ActivationOptions& options) {
  if (checked_mul(tokens, channels) != x.size()) {
    throw Error(ErrorCategory::InvalidArgument, "activations do not fit their shape",
                {{"shape", fmt::format("[{}, {}]", tokens, channels)}, {"found", std::to_string(x.size())}});
  }
  if (options.bits != 8 && options.bits != 4) {
    throw Error(ErrorCategory::InvalidArgument, "activations cannot have this many bits",
                {{"found", std::to_string(options.bits)}, {"expected", "8 or 4"}});
  }
  if (options.scaling == ActivationScaling::Static && !(options.range > 0 && std::isfinite(options.range))) {
    throw Error(ErrorCategory::InvalidArgument, "a range of activations is not a positive number",
                {{"found", fmt::format("{}", options.range)}});
  }
  if (std::isfinite(quant::loops().max_magnitude(x.data(), x.size()))) return;
  const auto bad = std::find_if(x.begin(), x.end(), [](float v) { return !std::isfinite(v); });
  const auto at = static_cast<std::uint64_t>(bad - x.begin());
  throw Error(ErrorCategory::InvalidArgument, "an activation is not finite",
              {{"token", std::to_string(at / channels)},
               {"channel", std::to_string(at % channels)},
               {"found", fmt::format("{}", *bad)}});
}

/// The codes of some activations with the largest magnitude `range`; returns their scale.
float encode_with(float range, int bits, std::span<const float> x, std::int8_t* codes) {
  const auto most = static_cast<float>((1 << (bits - 1)) - 1);
  const float scale = most / std::max(range, kSmallestRange);
  quant::loops().encode(x.data(), x.size(), {scale, -most - 1, most, 0}, codes);
  return scale;
}

}  // namespace

QuantizedActivations quantize_activations(std::span<const float> x, std::uint64_t tokens,
                                          std::uint64_t channels, const ActivationOptions& options) {
  check(x, tokens, channels, options);
  QuantizedActivations result{tokens, channels, std::vector<std::int8_t>(x.size()), {}};
  const auto magnitude = [](std::span<const float> of) {
    return quant::loops().max_magnitude(of.data(), of.size());
  };
  if (options.scaling != ActivationScaling::Token) {
    const float range = options.scaling == ActivationScaling::Static ? options.range : magnitude(x);
    result.scales = {encode_with(range, options.bits, x, result.codes.data())};
    return result;
  }
  static const FloatKernels kKernels = select_float_kernels();
  for (std::uint64_t t = 0; t < tokens; ++t) {
    const std::span<const float> token = x.subspan(t * channels, channels);
    std::int8_t* codes = result.codes.data() + t * channels;
    result.scales.push_back(options.bits == 8
                                ? kKernels.quantize(token.data(), channels, channels, codes).scale
                                : encode_with(magnitude(token), options.bits, token, codes));
  }
  return result;
}

void dequantize(const QuantizedActivations& activations, std::span<float> out) {
  if (out.size() != activations.codes.size()) {
    throw Error(
        ErrorCategory::InvalidArgument, "room for activations has another size",
        {{"found", std::to_string(out.size())}, {"expected", std::to_string(activations.codes.size())}});
  }
  const bool one = activations.scales.size() == 1;
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    out[i] =
        static_cast<float>(activations.codes[i]) / activations.scales[one ? 0 : i / activations.channels];
  }
}

}  // namespace sterna
