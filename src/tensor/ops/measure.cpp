#include "tensor/ops/measure.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "base/clock.hpp"
#include "memory/aligned_buffer.hpp"
#include "sterna/error.hpp"
#include "tensor/ops/groups.hpp"
#include "tensor/ops/promote.hpp"

namespace sterna::ops {
namespace {

constexpr std::array<std::string_view, 5> kPromised{"add", "multiply", "relu", "exp", "quantize_i8"};
constexpr std::size_t kRepetitions = 15;

const OpRow* scalar_row(std::string_view operation) {
  for (const OpRow& row : scalar_op_table()) {
    if (row.name == operation) return &row;
  }
  return nullptr;
}

std::size_t size_of(DType type) {
  return info(type).block_bytes;
}

template <class T>
void fill_with(AlignedBuffer& buffer, std::size_t n, std::minstd_rand& random) {
  T* const out = reinterpret_cast<T*>(buffer.data());
  for (std::size_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      out[i] = std::uniform_real_distribution<T>(-8, 8)(random);
    } else {
      out[i] = static_cast<T>(random());
    }
  }
}

/// Numbers in [−8, 8), or any integers.
void fill_any(AlignedBuffer& buffer, DType type, std::size_t n, std::minstd_rand& random) {
  if (type == DType::F32) return fill_with<float>(buffer, n, random);
  if (type == DType::F64) return fill_with<double>(buffer, n, random);
  if (type == DType::Bool) {
    for (std::size_t i = 0; i < n; ++i) buffer.data()[i] = static_cast<std::byte>(random() / 7 % 2);
    return;
  }
  if (size_of(type) == 1) return fill_with<std::uint8_t>(buffer, n, random);
  if (size_of(type) == 2) return fill_with<std::uint16_t>(buffer, n, random);
  if (size_of(type) == 4) return fill_with<std::uint32_t>(buffer, n, random);
  fill_with<std::uint64_t>(buffer, n, random);
}

template <class T>
bool same_floats(const std::byte* a, const std::byte* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    T x;
    T y;
    std::memcpy(&x, a + i * sizeof(T), sizeof(T));
    std::memcpy(&y, b + i * sizeof(T), sizeof(T));
    if (std::memcmp(&x, &y, sizeof(T)) != 0 && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

bool same_results(const std::byte* a, const std::byte* b, DType type, std::size_t n) {
  if (type == DType::F32) return same_floats<float>(a, b, n);
  if (type == DType::F64) return same_floats<double>(a, b, n);
  return std::memcmp(a, b, n * size_of(type)) == 0;
}

Timing quartiles(std::array<double, kRepetitions> times) {
  std::sort(times.begin(), times.end());
  return {times[kRepetitions / 2], times[kRepetitions / 4], times[kRepetitions - 1 - kRepetitions / 4]};
}

}  // namespace

std::span<const std::string_view> promised_operations() {
  return kPromised;
}

bool comparable(std::string_view operation, DType type) {
  const OpRow* const scalar = scalar_row(operation);
  return scalar != nullptr && scalar->loops[static_cast<std::size_t>(type)] != nullptr;
}

std::vector<std::string_view> comparable_operations() {
  std::vector<std::string_view> names;
  for (const OpRow& row : scalar_op_table()) names.push_back(row.name);
  return names;
}

LoopComparison compare_loops(std::string_view operation, DType type, std::size_t bytes, double seconds) {
  if (!comparable(operation, type)) {
    throw Error(ErrorCategory::InvalidArgument, "no scalar loop to compare with",
                {{"operation", std::string(operation)}, {"dtype", std::string(name(type))}});
  }
  const OpRow& row = op_row(operation);
  const std::array<Loop, 2> loops{scalar_row(operation)->loops[static_cast<std::size_t>(type)],
                                  row.loops[static_cast<std::size_t>(type)]};
  const Types types = types_of(row.rule, type);
  const DType result = row.rule == Rule::Quantize || types.result == DType::Bool ? types.result : type;

  std::size_t element = size_of(result);
  for (int k = 0; k < row.operands; ++k)
    element += size_of(row.rule == Rule::Select && k == 0 ? DType::Bool : type);
  const std::size_t n = std::max<std::size_t>(1, bytes / element);
  std::minstd_rand random(1);
  std::vector<AlignedBuffer> operands;
  std::array<const void*, kMaxOperands> in{};
  for (int k = 0; k < row.operands; ++k) {
    operands.emplace_back(n * 8);
    fill_any(operands.back(), row.rule == Rule::Select && k == 0 ? DType::Bool : type, n, random);
    in[static_cast<std::size_t>(k)] = operands.back().data();
  }
  const AlignedBuffer out(n * 8);
  const AlignedBuffer expected(n * 8);

  LoopComparison comparison{row.name, type, n, {}, {}, false};
  loops[0](in.data(), expected.data(), n);
  loops[1](in.data(), out.data(), n);
  comparison.equal = same_results(expected.data(), out.data(), result, n);

  const double each = seconds / (2 * kRepetitions);
  std::array<std::size_t, 2> calls{};  // that take about as long as wanted
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t tried = 1;; tried *= 2) {
      const Stopwatch watch;
      for (std::size_t i = 0; i < tried; ++i) loops[k](in.data(), out.data(), n);
      const double took = watch.seconds();
      if (took < each / 4) continue;
      calls[k] = static_cast<std::size_t>(std::ceil(static_cast<double>(tried) * each / took));
      break;
    }
  }
  std::array<std::array<double, kRepetitions>, 2> times;
  for (std::size_t r = 0; r < kRepetitions; ++r) {
    for (std::size_t k = 0; k < 2; ++k) {
      const Stopwatch watch;
      for (std::size_t i = 0; i < calls[k]; ++i) loops[k](in.data(), out.data(), n);
      times[k][r] = watch.seconds() * 1e9 / static_cast<double>(calls[k] * n);
    }
  }
  comparison.scalar = quartiles(times[0]);
  comparison.simd = quartiles(times[1]);
  return comparison;
}

}  // namespace sterna::ops
