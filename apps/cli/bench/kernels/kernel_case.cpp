#include "bench/kernels/kernel_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/checked.hpp"
#include "sterna/error.hpp"

namespace sterna::cli {

std::vector<KernelGroup> ternary_groups(const KernelBenchOptions& options);
std::vector<KernelGroup> dense_groups(const KernelBenchOptions& options);
std::vector<KernelGroup> attention_groups(const KernelBenchOptions& options);
std::vector<KernelGroup> float_groups(const KernelBenchOptions& options);
std::vector<KernelGroup> quantiser_groups(const KernelBenchOptions& options);

namespace {

constexpr std::array kFamilies{
    KernelFamily{"ternary products", ternary_groups}, KernelFamily{"dense products", dense_groups},
    KernelFamily{"attention", attention_groups},      KernelFamily{"float operations", float_groups},
    KernelFamily{"quantisers", quantiser_groups},
};

// A cache that replaces lines at random keeps 2 % of a walk through four times its size (h = e^(−4 (1 − h))),
// one that replaces the oldest none.
std::size_t beyond_caches() {
  return std::max<std::size_t>(std::size_t{256} << 20, 4 * last_level_cache_bytes());
}

}  // namespace

std::span<const KernelFamily> kernel_families() noexcept {
  return kFamilies;
}

bool KernelBenchOptions::wants(std::string_view operation, std::string_view isa) const {
  return filter.empty() || filter == operation || filter == isa ||
         filter == fmt::format("{}-{}", operation, isa);
}

Copies::Copies(Machine& machine, Bytes original)
    : memory_(machine.memory().data()),
      size_(round_up<std::size_t>(original.size(), AlignedBuffer::kAlignment)),
      count_(std::min(machine.memory().size(), beyond_caches()) / size_) {
  if (count_ == 0) {
    throw Error(ErrorCategory::Limit, "the machine has too little memory for this benchmark",
                {{"found", std::to_string(machine.memory().size())}, {"expected", std::to_string(size_)}});
  }
  ThreadPool& pool = machine.pool(machine.threads().back());
  pool.parallel_for(count_, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) {
      std::memcpy(memory_ + i * size_, original.data(), original.size());
    }
  });
}

const std::byte* Copies::next() noexcept {
  at_ = (at_ + 1) % count_;
  return memory_ + at_ * size_;
}

std::vector<FloatKernels> wanted_float_kernels(const KernelBenchOptions& options,
                                               std::string_view operation) {
  std::vector<FloatKernels> wanted;
  for (const FloatKernels& row : float_kernels()) {
    if (row.add == nullptr) continue;  // a row without slots runs the next one's
    if (supported(row.required) && options.wants(operation, row.isa)) {
      wanted.push_back(select_float_kernels(row.isa));
    }
  }
  return wanted;
}

void throw_wrong(std::string_view kernel, std::string what, std::string found, std::string expected) {
  throw Error(ErrorCategory::Internal, "a kernel computes something else than the reference",
              {{"kernel", std::string(kernel)},
               {"at", std::move(what)},
               {"found", std::move(found)},
               {"expected", std::move(expected)}});
}

std::size_t check_floats(std::string_view kernel, std::span<const float> found,
                         std::span<const float> expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i])) continue;
    throw_wrong(kernel, fmt::format("element {}", i), fmt::format("{}", found[i]),
                fmt::format("{}", expected[i]));
  }
  return expected.size();
}

}  // namespace sterna::cli
