// Which ternary layout a matrix gets when it is repacked, by measurement.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.hpp"
#include "platform/choice_cache.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// A layout that matrices may be repacked to; every one has kernels on every machine.
struct RepackLayout {
  Pack pack;              ///< the option that asks for it
  std::string_view name;  ///< "2bit"
  DType dtype;
};
std::span<const RepackLayout> repack_layouts() noexcept;
/// The layout of the same bits a weight: that of 2 bits for TQ2_0. Null for a type without kernels.
const RepackLayout* layout_like(DType dtype) noexcept;
/// The one of the fewest bits a weight.
const RepackLayout& smallest_layout() noexcept;

/// What is to be packed: the shape that most of the model's ternary bytes have, and all its ternary weights.
struct PackingQuestion {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t weights = 0;
  const Kernels* kernels = nullptr;  ///< those for one token
};

/// Weights a second that each of repack_layouts() multiplies by one token, on all threads of the pool, from
/// beyond the caches as far as the model is larger than they are. Takes less than 200 ms, most of it spent
/// multiplying, where a matrix takes less than 20.
std::vector<double> measure_layouts(const PackingQuestion& question, ThreadPool& pool);

struct PackingChoice {
  const RepackLayout* layout;
  std::string why;
};
/// The layout that decodes fastest: remembered in `cache`, or measured and remembered. A model whose 2-bit
/// weights fit the last-level cache is not bound by memory: it gets 2 bits, which take fewer instructions,
/// unmeasured.
PackingChoice choose_layout(const PackingQuestion& question, ThreadPool& pool, const ChoiceCache& cache);
/// What choose_layout remembers for this machine, one line each: "6912 x 2560, 2 threads: 2bit (2bit 80.1,
/// …)".
std::vector<std::string> remembered_layouts(const ChoiceCache& cache);

/// Where choose_layout remembers unless told otherwise.
ChoiceCache packing_cache();

}  // namespace sterna
