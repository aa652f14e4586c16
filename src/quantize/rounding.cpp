#include "quantize/rounding.hpp"

#include <algorithm>

namespace sterna {

void encode(std::span<const float> x, const quant::CodeGrid& grid, const Rounding& rounding,
            std::uint64_t first, std::int8_t* codes) {
  const quant::Loops& loops = quant::loops();
  if (rounding.mode == RoundingMode::Nearest) {
    loops.encode(x.data(), x.size(), grid, codes);
    return;
  }
  constexpr std::size_t kAtATime = 1024;  // 4 KiB beside the weights in the first-level cache
  float units[kAtATime];
  for (std::size_t i = 0; i < x.size(); i += kAtATime) {
    const std::size_t n = std::min(kAtATime, x.size() - i);
    loops.random_units(rounding.seed, first + i, n, units);
    loops.encode_stochastic(x.data() + i, n, grid, units, codes + i);
  }
}

}  // namespace sterna
