// Activations as integers: what a linear layer's input becomes, as the engine does it and in other ways.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sterna {

enum class ActivationScaling : std::uint8_t {
  Token,   ///< by the largest magnitude of each token: the engine's
  Tensor,  ///< by the largest of all tokens
  Static,  ///< by a given magnitude, from a calibration
};

struct ActivationOptions {
  int bits = 8;  ///< 8 or 4
  ActivationScaling scaling = ActivationScaling::Token;
  float range = 0;  ///< Static: the magnitude that is still represented, > 0
};

/// x ≈ code / scale.
struct QuantizedActivations {
  std::uint64_t tokens = 0;
  std::uint64_t channels = 0;
  std::vector<std::int8_t> codes;  ///< [tokens, channels]
  std::vector<float> scales;       ///< [tokens] where each has its own, else one
};

/// With M = 2^(bits−1) − 1 and r the largest magnitude, of a token or of all, or the given range:
///   scale = M / max(r, 1e-5),  code = clamp(round_half_even(x · scale), −M − 1, M)
/// |x − code / scale| is at most 1 / (2 · scale) + r · 2^−22 where |x| ≤ r, and |x| − r + that beyond. Tokens
/// in 8 bits are quantised by the engine's own kernel (FloatKernels::quantize), and in any other way to the
/// same bits where the scale is the same.
///
/// `x` is [tokens, channels], row-major. Throws InvalidArgument for another size, a number that is not finite
/// (`token`, `channel`, `found`), other bits, or a range that is not finite or not positive.
QuantizedActivations quantize_activations(std::span<const float> x, std::uint64_t tokens,
                                          std::uint64_t channels, const ActivationOptions& options = {});

/// out[i] = code / scale; `out` is [tokens, channels]. Throws InvalidArgument for another size.
void dequantize(const QuantizedActivations& activations, std::span<float> out);

}  // namespace sterna
