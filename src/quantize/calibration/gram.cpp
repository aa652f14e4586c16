// A tile of the product, compiled for every instruction set, and what deals the tiles.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quantize/calibration/gram.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sterna::HWY_NAMESPACE {

/// tile[i, j] = Σ a[t, i]·b[t, j]; a, b [rows, 16], tile [16, 16].
void gram_tile(const float* a, const float* b, std::size_t rows, float* tile) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> d;
  const std::size_t lanes = hn::Lanes(d);
  // Eight sums hide the latency of an addition, and fit the registers of every instruction set.
  for (std::size_t i = 0; i < 16; i += 8) {
    for (std::size_t j = 0; j < 16; j += lanes) {
      auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
      for (std::size_t t = 0; t < rows; ++t) {
        const float* x = a + t * 16 + i;
        const auto y = hn::LoadU(d, b + t * 16 + j);
        s0 = hn::Add(s0, hn::Mul(hn::Set(d, x[0]), y));
        s1 = hn::Add(s1, hn::Mul(hn::Set(d, x[1]), y));
        s2 = hn::Add(s2, hn::Mul(hn::Set(d, x[2]), y));
        s3 = hn::Add(s3, hn::Mul(hn::Set(d, x[3]), y));
        s4 = hn::Add(s4, hn::Mul(hn::Set(d, x[4]), y));
        s5 = hn::Add(s5, hn::Mul(hn::Set(d, x[5]), y));
        s6 = hn::Add(s6, hn::Mul(hn::Set(d, x[6]), y));
        s7 = hn::Add(s7, hn::Mul(hn::Set(d, x[7]), y));
      }
      float* out = tile + i * 16 + j;
      hn::StoreU(s0, d, out);
      hn::StoreU(s1, d, out + 16);
      hn::StoreU(s2, d, out + 32);
      hn::StoreU(s3, d, out + 48);
      hn::StoreU(s4, d, out + 64);
      hn::StoreU(s5, d, out + 80);
      hn::StoreU(s6, d, out + 96);
      hn::StoreU(s7, d, out + 112);
    }
  }
}

}  // namespace sterna::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "base/checked.hpp"
#include "quantize/calibration/gram.hpp"

namespace sterna {
namespace {
constexpr std::size_t kPanel = 16;
}
HWY_EXPORT(gram_tile);

GramRows::GramRows(std::size_t channels) : channels_(channels), panels_(round_up(channels, kPanel) * kRows) {}

void GramRows::push(const float* row) {
  for (std::size_t c = 0; c < channels_; c += kPanel)
    std::copy_n(row + c, std::min(kPanel, channels_ - c), panels_.data() + c * kRows + rows_ * kPanel);
  ++rows_;
}

void GramRows::add_to(float* sum, ThreadPool& pool) {
  const std::size_t panels = ceil_div(channels_, kPanel);
  // Tile n is the n-th of those on and above the diagonal, row by row.
  pool.parallel_for(panels * (panels + 1) / 2, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    std::size_t p = 0, before = 0;
    while (begin - before >= panels - p) before += panels - p++;
    std::size_t q = p + (begin - before);
    float tile[kPanel * kPanel];
    for (std::size_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(gram_tile)
      (panels_.data() + p * kRows * kPanel, panels_.data() + q * kRows * kPanel, rows_, tile);
      const std::size_t rows = std::min(kPanel, channels_ - p * kPanel);
      const std::size_t cols = std::min(kPanel, channels_ - q * kPanel);
      for (std::size_t i = 0; i < rows; ++i) {
        float* out = sum + (p * kPanel + i) * channels_ + q * kPanel;
        for (std::size_t j = 0; j < cols; ++j) out[j] += tile[i * kPanel + j];
      }
      if (++q == panels) q = ++p;
    }
  });
  rows_ = 0;
}

void finish_gram(float* sum, std::size_t channels, std::uint64_t rows) {
  const auto n = static_cast<double>(rows);
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = i; j < channels; ++j) {
      const auto mean = static_cast<float>(sum[i * channels + j] / n);
      sum[i * channels + j] = sum[j * channels + i] = mean;
    }
  }
}

}  // namespace sterna
#endif
