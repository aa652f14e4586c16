// The conversion engine: every strategy and both qualities.
#include "rows.hpp"
#include "sterna/conversion.hpp"

namespace sterna::numpy_test {
namespace {

ConversionOptions options(const Args& a, ConversionStrategy strategy) {
  const auto quality = a.flag(2) ? ConversionQuality::Precise : ConversionQuality::Fast;
  return {.strategy = strategy, .quality = quality, .chunk_bytes = static_cast<std::size_t>(a.integer(3))};
}

const Rows kRows{
    // All the ways a new tensor may be made, which the caller expects to be equal.
    {"convert",
     [](const Args& a) -> Outputs {
       static ConversionEngine one(1);
       static ConversionEngine team(2);
       const Tensor& x = a.tensor(0);
       const DType dtype = a.dtype(1);
       Outputs results{one.convert(x, dtype, options(a, ConversionStrategy::Standard)),
                       team.convert(x, dtype, options(a, ConversionStrategy::Standard)),
                       one.convert(x, dtype, options(a, ConversionStrategy::Streaming)),
                       one.convert(x, dtype, options(a, ConversionStrategy::Auto))};
       const bool shrinks = info(dtype).block_bytes <= info(x.dtype()).block_bytes;
       results.push_back(one.convert(
           x.clone(), dtype, options(a, shrinks ? ConversionStrategy::InPlace : ConversionStrategy::Auto)));
       return results;
     }},
};

}  // namespace
}  // namespace sterna::numpy_test
