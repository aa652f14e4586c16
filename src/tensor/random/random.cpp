// Tensors of random numbers: what the bits of a place become.
#include "sterna/random.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/portable_math.hpp"
#include "sterna/error.hpp"
#include "sterna/manipulation.hpp"
#include "tensor/axis.hpp"
#include "tensor/element.hpp"
#include "tensor/random/bits.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

using random::Bits;
using random::unit;

[[noreturn]] void refuse(const char* operation, std::string_view message, Error::Values values) {
  values.insert(values.begin(), {"operation", operation});
  throw Error(ErrorCategory::InvalidArgument, message, std::move(values));
}

/// f(std::type_identity<T>{}) for a float dtype.
template <class F>
void visit_float(const char* operation, DType dtype, F&& f) {
  visit_dtype(dtype, operation, [&]<class T>(std::type_identity<T> type) {
    if constexpr (kIsFloat<T>) {
      f(type);
    } else {
      refuse_dtype(operation, dtype);
    }
  });
}

/// out[2b], out[2b + 1] = make(block b).
template <class T, class Make>
void fill_pairs(const Tensor& tensor, const Bits& bits, Make&& make) {
  const auto n = static_cast<std::uint64_t>(tensor.size());
  T* const out = tensor.mutable_data<T>();
  for (std::uint64_t i = 0; i < n; i += 2) {
    const std::array<T, 2> pair = make(bits.block(i / 2));
    out[i] = pair[0];
    if (i + 1 < n) out[i + 1] = pair[1];
  }
}

/// The same for elements that depend on one number each.
template <class T, class Make>
void fill_each(const Tensor& tensor, const Bits& bits, Make&& make) {
  fill_pairs<T>(tensor, bits, [&](const std::array<std::uint64_t, 2>& two) {
    return std::array<T, 2>{make(two[0]), make(two[1])};
  });
}

template <class T>
constexpr int kMantissaBits = std::is_same_v<T, double>  ? 53
                              : std::is_same_v<T, float> ? 24
                              : std::is_same_v<T, Half>  ? 11
                                                         : 8;

/// Whether an integer dtype has every number of [low, last].
bool holds(DType dtype, std::int64_t low, std::int64_t last) {
  const int bits = info(dtype).block_bytes * 8;
  const bool is_signed = dtype >= DType::I8 && dtype <= DType::I64;
  const std::int64_t highest =
      std::numeric_limits<std::int64_t>::max() >> (is_signed ? 64 - bits : std::max(63 - bits, 0));
  return low >= (is_signed ? -highest - 1 : 0) && last <= highest;
}

/// The weights as doubles, checked, and how many are not 0.
struct Weights {
  std::vector<double> values;
  double total = 0;
  std::int64_t positive = 0;
};
Weights weights_of(const Tensor& tensor, std::int64_t n) {
  require_plain("choice", tensor.dtype());
  if (tensor.rank() != 1 || tensor.size() != n)
    throw tensor_error(ErrorCategory::Mismatch, "choice", "there is not one weight for each choice", tensor,
                       {{"choices", std::to_string(n)}});
  Weights weights{tensor.to(DType::F64).to_vector<double>()};
  for (const double w : weights.values) {
    if (!(w >= 0)) refuse("choice", "a weight is not a number ≥ 0", {{"found", std::to_string(w)}});
    weights.total += w;
    weights.positive += w > 0;
  }
  if (!std::isfinite(weights.total)) refuse("choice", "the sum of the weights is not finite", {});
  return weights;
}

/// Indices by their share, with replacement.
void choose_weighted(const Weights& weights, const Bits& bits, const Tensor& result) {
  std::vector<double> below(weights.values.size());
  std::partial_sum(weights.values.begin(), weights.values.end(), below.begin());
  // Rounding may reach the total, which no index is above.
  const auto last = std::lower_bound(below.begin(), below.end(), below.back());
  fill_each<std::int64_t>(result, bits, [&](std::uint64_t number) {
    const auto found = std::upper_bound(below.begin(), last, unit(number) * weights.total);
    return static_cast<std::int64_t>(found - below.begin());
  });
}

/// Different indices: those whose exponentially distributed times −ln u / w are the first.
void choose_different_weighted(const Weights& weights, const Bits& bits, const Tensor& result) {
  std::vector<std::pair<double, std::int64_t>> times;
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    if (weights.values[i] > 0)
      times.emplace_back(-portable_log(1 - unit(bits.number(i))) / weights.values[i],
                         static_cast<std::int64_t>(i));
  }
  const auto end = times.begin() + result.size();
  std::partial_sort(times.begin(), end, times.end());
  std::transform(times.begin(), end, result.mutable_data<std::int64_t>(),
                 [](const auto& t) { return t.second; });
}

/// The first `count` of 0 … n − 1 in random order.
std::vector<std::int64_t> shuffled(std::int64_t n, std::int64_t count, const Bits& bits) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    std::swap(order[at], order[at + bits.below(static_cast<std::uint64_t>(n - i), at)]);
  }
  order.resize(static_cast<std::size_t>(count));
  return order;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept {
  return random::philox_block(counter, key);
}

std::uint32_t Random::next_draw() {
  if (draws_ > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorCategory::Limit, "the generator has no draw left: take another seed",
                {{"operation", "random"}, {"draws", std::to_string(draws_)}});
  return static_cast<std::uint32_t>(draws_++);
}

Tensor Random::uniform(const Shape& shape, double low, double high, DType dtype) {
  if (!(low <= high) || !std::isfinite(high - low))
    refuse("uniform", "the interval is empty or not finite",
           {{"low", std::to_string(low)}, {"high", std::to_string(high)}});
  Tensor result;
  visit_float("uniform", dtype, [&]<class T>(std::type_identity<T>) {
    constexpr int kBits = kMantissaBits<T>;
    result = Tensor::empty(shape, dtype);
    const Bits bits(seed_, next_draw());
    const T first = convert_element<T>(low);
    const auto beyond = convert_element<double>(convert_element<T>(high));
    fill_each<T>(result, bits, [&](std::uint64_t number) {
      const double u =
          static_cast<double>(number >> (64 - kBits)) / static_cast<double>(std::uint64_t{1} << kBits);
      const T value = convert_element<T>(low + (high - low) * u);
      return convert_element<double>(value) < beyond ? value : first;
    });
  });
  return result;
}

Tensor Random::normal(const Shape& shape, double mean, double deviation, DType dtype) {
  if (!std::isfinite(mean) || !(deviation >= 0) || !std::isfinite(deviation))
    refuse("normal", "mean and deviation are finite, the deviation is not negative",
           {{"mean", std::to_string(mean)}, {"deviation", std::to_string(deviation)}});
  Tensor result;
  visit_float("normal", dtype, [&]<class T>(std::type_identity<T>) {
    result = Tensor::empty(shape, dtype);
    const Bits bits(seed_, next_draw());
    fill_pairs<T>(result, bits, [&](const std::array<std::uint64_t, 2>& two) {
      const double radius = std::sqrt(-2 * portable_log(1 - unit(two[0])));
      const SinCos angle = portable_sincos_turn(unit(two[1]));
      return std::array<T, 2>{convert_element<T>(mean + deviation * (radius * angle.cos)),
                              convert_element<T>(mean + deviation * (radius * angle.sin))};
    });
  });
  return result;
}

Tensor Random::integers(const Shape& shape, std::int64_t low, std::int64_t high, DType dtype) {
  if (info(dtype).kind != DTypeKind::Integer || dtype == DType::Bool) refuse_dtype("integers", dtype);
  if (low >= high || !holds(dtype, low, high - 1))
    refuse(
        "integers", low >= high ? "the interval is empty" : "the dtype does not hold the interval",
        {{"low", std::to_string(low)}, {"high", std::to_string(high)}, {"dtype", std::string(name(dtype))}});
  const Tensor result = Tensor::empty(shape, DType::I64);
  const Bits bits(seed_, next_draw());
  const std::uint64_t first = static_cast<std::uint64_t>(low);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - first;
  std::int64_t* const out = result.mutable_data<std::int64_t>();
  const auto n = static_cast<std::uint64_t>(result.size());
  for (std::uint64_t i = 0; i < n; i += 2) {
    const std::array<std::uint64_t, 2> numbers = bits.block(i / 2);
    for (std::uint64_t k = i; k < std::min(i + 2, n); ++k)
      out[k] = static_cast<std::int64_t>(first + bits.below(range, k, numbers[k - i]));
  }
  return result.to(dtype);
}

Tensor Random::bernoulli(const Shape& shape, double probability) {
  if (!(probability >= 0 && probability <= 1))
    refuse("bernoulli", "a probability lies in 0 … 1", {{"found", std::to_string(probability)}});
  Tensor result = Tensor::empty(shape, DType::Bool);
  const Bits bits(seed_, next_draw());
  fill_each<bool>(result, bits, [&](std::uint64_t number) { return unit(number) < probability; });
  return result;
}

Tensor Random::permutation(std::int64_t n) {
  if (n < 0) refuse("permutation", "a length is negative", {{"found", std::to_string(n)}});
  const std::vector<std::int64_t> order = shuffled(n, n, Bits(seed_, next_draw()));
  return Tensor::from<std::int64_t>(order);
}

void Random::shuffle_(const Tensor& tensor, std::int64_t axis) {
  require_plain("shuffle", tensor.dtype());
  const std::int64_t length = tensor.shape()[checked_axis("shuffle", axis, tensor.rank())];
  tensor.mutable_raw();  // refuses read-only storage before a draw is counted
  tensor.assign(take(tensor, permutation(length), axis));
}

Tensor Random::choice(std::int64_t n, const Shape& shape, bool replace,
                      const std::optional<Tensor>& weights) {
  if (n < 0) refuse("choice", "the number of choices is negative", {{"found", std::to_string(n)}});
  const std::int64_t count = element_count(shape);
  std::int64_t available = n;
  Weights shares;
  if (weights) {
    shares = weights_of(*weights, n);
    available = shares.positive;
  }
  if (count > 0 && (available == 0 || (!replace && count > available)))
    refuse("choice", "there are not so many choices",
           {{"found", std::to_string(available)}, {"wanted", std::to_string(count)}});
  if (count > 0 && replace && !weights) return integers(shape, 0, n);
  const Tensor result = Tensor::empty(shape, DType::I64);
  const Bits bits(seed_, next_draw());
  if (count == 0) return result;
  if (!weights) {
    const std::vector<std::int64_t> order = shuffled(n, count, bits);
    std::copy(order.begin(), order.end(), result.mutable_data<std::int64_t>());
  } else if (replace) {
    choose_weighted(shares, bits, result);
  } else {
    choose_different_weighted(shares, bits, result);
  }
  return result;
}

}  // namespace sterna
