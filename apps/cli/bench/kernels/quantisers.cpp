// The loops of the quantisers and packings, on data in the second-level cache: beside memcpy, and beside the
// same loops one element at a time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "bench/kernels/kernel_case.hpp"
#include "packing/simd/loops.hpp"
#include "quantize/simd/loops.hpp"

namespace sterna::cli {
namespace {

/// Weights of a call: 160 KiB of floats, beyond the first-level caches of processors and within the second.
/// A whole number of rows of 2560 and of groups of every layout.
constexpr std::size_t kRows = 16;
constexpr std::size_t kCols = 2560;
constexpr std::size_t kWeights = kRows * kCols;
/// Over the same weights in a call: one takes some microseconds, and handing it to the threads another.
constexpr std::size_t kPasses = 16;
constexpr std::size_t kSums = kRows * quant::kSumLanes;
constexpr std::size_t kStride = 32;  ///< bytes of a group: I2_S, TQ2_0 and most of TQ1_0

/// Inputs and outputs of one thread.
struct Arrays {
  Arrays() {
    Random random(1);
    std::normal_distribution<float> normal;
    for (float& v : weights) v = normal(random);
    for (float& v : units) v = static_cast<float>(random() % 1000) / 1000;
    for (auto& v : trits) v = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
    for (auto& v : bytes) v = static_cast<std::uint8_t>(random());
  }
  std::vector<float> weights = std::vector<float>(kWeights);
  std::vector<float> units = std::vector<float>(kWeights);
  std::vector<std::int8_t> trits = std::vector<std::int8_t>(kWeights);
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kWeights);
  std::vector<std::byte> out = std::vector<std::byte>(kWeights * sizeof(float));

  template <class T>
  T* to() {
    return reinterpret_cast<T*>(out.data());
  }
};

/// The loops of one kind.
struct Set {
  const quant::Loops& quant;
  const packing::PackingLoops& packing;
};
Set simd() {
  return {quant::loops(), packing::loops()};
}
Set scalar() {
  return {quant::scalar_loops(), packing::scalar_loops()};
}

constexpr double kFloat = sizeof(float);
constexpr quant::CodeGrid kInt8{40, -127, 127, 0};  // of normally distributed weights some beyond either end
constexpr quant::CodeGrid kInt4{2.5f, -8, 7, 0};

struct Operation {
  std::string_view name;
  double bytes;         ///< read and written for each weight
  std::size_t results;  ///< that are compared
  void (*run)(const Set&, Arrays&);
};
constexpr std::array kOperations{
    Operation{"magnitude_sums", kFloat, kSums,
              [](const Set& k, Arrays& v) {
                std::fill_n(v.to<double>(), kSums, 0.0);
                for (std::size_t r = 0; r < kRows; ++r) {
                  k.quant.magnitude_sums(v.weights.data() + r * kCols, kCols,
                                         v.to<double>() + r * quant::kSumLanes);
                }
              }},
    Operation{
        "max_magnitude", kFloat, 1,
        [](const Set& k, Arrays& v) { *v.to<float>() = k.quant.max_magnitude(v.weights.data(), kWeights); }},
    Operation{"extremes", kFloat, 2,
              [](const Set& k, Arrays& v) {
                *v.to<quant::Extremes>() = k.quant.extremes(v.weights.data(), kWeights);
              }},
    Operation{"ternarize", kFloat + 1, kWeights,
              [](const Set& k, Arrays& v) {
                k.quant.ternarize(v.weights.data(), kWeights, 0.6f, v.to<std::int8_t>());
              }},
    Operation{
        "signs", kFloat + 1, kWeights,
        [](const Set& k, Arrays& v) { k.quant.signs(v.weights.data(), kWeights, v.to<std::int8_t>()); }},
    Operation{"encode_int8", kFloat + 1, kWeights,
              [](const Set& k, Arrays& v) {
                k.quant.encode(v.weights.data(), kWeights, kInt8, v.to<std::int8_t>());
              }},
    Operation{"encode_int4", kFloat + 1, kWeights,
              [](const Set& k, Arrays& v) {
                k.quant.encode(v.weights.data(), kWeights, kInt4, v.to<std::int8_t>());
              }},
    Operation{"encode_stochastic", 2 * kFloat + 1, kWeights,
              [](const Set& k, Arrays& v) {
                k.quant.encode_stochastic(v.weights.data(), kWeights, kInt8, v.units.data(),
                                          v.to<std::int8_t>());
              }},
    Operation{"random_units", kFloat, kWeights,
              [](const Set& k, Arrays& v) { k.quant.random_units(1, 0, kWeights, v.to<float>()); }},
    Operation{
        "decode", kFloat + 1, kWeights,
        [](const Set& k, Arrays& v) { k.quant.decode(v.trits.data(), kWeights, 0.6f, 1, v.to<float>()); }},
    Operation{"pack_i2_s", 1 + 1.0 / 4, kWeights / 4,
              [](const Set& k, Arrays& v) {
                k.packing.pack2_high(v.trits.data(), kWeights / (4 * kStride), kStride, v.to<std::uint8_t>());
              }},
    Operation{"unpack_i2_s", 1 + 1.0 / 4, kWeights,
              [](const Set& k, Arrays& v) {
                k.packing.unpack2_high(v.bytes.data(), kWeights / (4 * kStride), kStride,
                                       v.to<std::int8_t>());
              }},
    Operation{"pack_tq2_0", 1 + 1.0 / 4, kWeights / 4,
              [](const Set& k, Arrays& v) {
                k.packing.pack2_low(v.trits.data(), kWeights / (4 * kStride), kStride, v.to<std::uint8_t>());
              }},
    Operation{"unpack_tq2_0", 1 + 1.0 / 4, kWeights,
              [](const Set& k, Arrays& v) {
                k.packing.unpack2_low(v.bytes.data(), kWeights / (4 * kStride), kStride, v.to<std::int8_t>());
              }},
    Operation{"pack_base3", 1 + 1.0 / 5, kWeights / 5,
              [](const Set& k, Arrays& v) {
                k.packing.pack_base3(v.trits.data(), kWeights / (5 * kStride), kStride, v.to<std::uint8_t>());
              }},
    Operation{"unpack_base3", 1 + 1.0 / 5, kWeights,
              [](const Set& k, Arrays& v) {
                k.packing.unpack_base3(v.bytes.data(), kWeights / (5 * kStride), kStride,
                                       v.to<std::int8_t>());
              }},
    Operation{"pack_nibbles", 1 + 1.0 / 2, kWeights / 2,
              [](const Set& k, Arrays& v) {
                k.packing.pack4_low(v.trits.data(), kWeights / (2 * kStride), kStride, v.to<std::uint8_t>());
              }},
    Operation{"unpack_nibbles", 1 + 1.0 / 2, kWeights,
              [](const Set& k, Arrays& v) {
                k.packing.unpack4_low(v.bytes.data(), kWeights / (2 * kStride), kStride, v.to<std::int8_t>());
              }},
};
static_assert(kWeights % (4 * kStride) == 0 && kWeights % (5 * kStride) == 0);

constexpr std::string_view kSimd = "simd";
constexpr std::string_view kScalar = "scalar";
constexpr std::string_view kCopy = "memcpy";

void copy(Arrays& arrays) {
  std::memcpy(arrays.out.data(), arrays.weights.data(), arrays.out.size());
}

/// What runs on the arrays of every thread, pass after pass.
template <class F>
auto on_each_thread(std::vector<Arrays>& arrays, F run) {
  return [&arrays, run](ThreadPool& pool) {
    pool.parallel_for(pool.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t pass = 0; pass < kPasses; ++pass) run(arrays[i]);
      }
    });
  };
}

/// Runs both kinds and compares every byte of what they leave.
std::size_t check(const std::string& kernel, const Operation& operation, Arrays& arrays) {
  const auto run = [&](const Set& set) {
    std::fill(arrays.out.begin(), arrays.out.end(), std::byte{0x5a});
    operation.run(set, arrays);
    return arrays.out;
  };
  const std::vector<std::byte> expected = run(scalar());
  const std::vector<std::byte> found = run(simd());
  const auto [a, b] = std::mismatch(found.begin(), found.end(), expected.begin());
  if (a != found.end()) {
    throw_wrong(kernel, fmt::format("byte {}", a - found.begin()), fmt::format("{}", static_cast<int>(*a)),
                fmt::format("{}", static_cast<int>(*b)));
  }
  return operation.results;
}

void measure_operations(const KernelBenchOptions& options, Machine& machine, const Measure& measure) {
  std::vector<Arrays> arrays(machine.threads().back());
  const std::string shape = fmt::format("{}x{}x{}", kPasses, kRows, kCols);
  std::vector<KernelCase> cases;
  cases.push_back({.kernel = std::string(kCopy),
                   .shape = shape,
                   .cached_bytes = 2 * kFloat * kWeights * kPasses,
                   .each_thread = true,
                   .check =
                       [&arrays](ThreadPool&) {
                         Arrays& own = arrays.front();
                         copy(own);
                         return check_floats(kCopy, {own.to<float>(), kWeights}, own.weights);
                       },
                   .run = on_each_thread(arrays, copy)});
  for (const Operation& operation : kOperations) {
    if (!options.wants(operation.name, kSimd) && !options.wants(operation.name, kScalar)) continue;
    for (const auto& [kind, set] : {std::pair(kScalar, scalar()), std::pair(kSimd, simd())}) {
      const std::string kernel = fmt::format("{}-{}", operation.name, kind);
      cases.push_back(
          {.kernel = kernel,
           .shape = shape,
           .cached_bytes = operation.bytes * kWeights * kPasses,
           .copy = std::string(kCopy),
           .scalar = kind == kSimd ? fmt::format("{}-{}", operation.name, kScalar) : std::string(),
           .each_thread = true,
           .check = [&, kernel](ThreadPool&) { return check(kernel, operation, arrays.front()); },
           .run = on_each_thread(arrays, [&operation, loops = set](Arrays& v) { operation.run(loops, v); })});
    }
  }
  measure(cases);
}

}  // namespace

std::vector<KernelGroup> quantiser_groups(const KernelBenchOptions& options) {
  const bool wanted = std::ranges::any_of(kOperations, [&](const Operation& operation) {
    return options.wants(operation.name, kSimd) || options.wants(operation.name, kScalar);
  });
  if (!wanted) return {};
  return {
      [options](Machine& machine, const Measure& measure) { measure_operations(options, machine, measure); }};
}

}  // namespace sterna::cli
