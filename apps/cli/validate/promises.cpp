// The table of promises.
#include <algorithm>
#include <array>

#include "sterna/error.hpp"
#include "validate/measures.hpp"

namespace sterna::cli {
namespace {

constexpr std::array kPromises{
    Promise{
        "matrix-products", "Matrix products, one token",
        "Float activations to int8, ternary weights × int8 exactly, and back to float, in the shapes of a "
        "BitNet 2B4T, weights beyond the caches. The median of the one-token cases is promised; prompts are "
        "shown beside. Integers are compared with the reference and floats with OpenBLAS's before timing.",
        "float32 weights in OpenBLAS, same shapes and threads",
        "One token reads every weight once: 2 bits in place of 32 leave 16 times less to read.", "×",
        Bound::AtLeast, 15, measure_matrix_products},
    Promise{"accelerators", "Matrix products on accelerators", "The same products on each accelerator.",
            "float32 weights in OpenBLAS on the processor", "More is better.", "×", Bound::AtLeast, 15,
            measure_accelerators},
    Promise{"elementwise", "Element-wise operations",
            "float32 add, multiply, relu, exp and quantising to int8, one thread, in the first (24 KiB) and "
            "second "
            "(192 KiB) level of cache, 15 repetitions of both loops in turns. The median of the ratios is "
            "promised.",
            "the same loop compiled for one element at a time",
            "Bars are nanoseconds per element: shorter is better.", "×", Bound::AtLeast, 5,
            measure_element_wise},
    Promise{
        "allocation", "Allocation",
        "Allocate a block, write to its ends, free it: the median of means of 64 pairs, on one thread and on "
        "all, blocks aligned to 64 bytes, counters on. Promised to 4 MiB; 64 MiB is shown beside.",
        "aligned_alloc of the C library; beside it mimalloc and jemalloc where they can be loaded",
        "Bars are nanoseconds for allocate and free together: shorter is better.", "ns", Bound::AtMost, 100,
        measure_allocation},
    Promise{"zero-copy", "Conversions without a copy",
            "Load a model, slice and reshape, hand tensors out and in by DLPack, convert dtypes, build a "
            "batch: the "
            "operations, and their bytes, whose result lies in the memory of what they were given, told by "
            "address.",
            "all operations of that workload, those included that must move bytes",
            "More is better; what is left moved bytes.", "%", Bound::AtLeast, 80, measure_zero_copy},
    Promise{"memory", "Memory",
            "The most that a process holds resident while it loads a model and fills a context of 256, above "
            "what it held before, its own code present.",
            "the bytes of the weights, of the KV cache and of the largest step's activations",
            "The value is what is used beyond the least: smaller is better.", "%", Bound::AtMost, 10,
            measure_memory_use},
};

}  // namespace

std::span<const Promise> promises() noexcept {
  return kPromises;
}

const Promise& promise_of(std::string_view id) {
  const auto row = std::ranges::find(kPromises, id, &Promise::id);
  if (row == kPromises.end())
    throw Error(ErrorCategory::Internal, "no such promise", {{"id", std::string(id)}});
  return *row;
}

}  // namespace sterna::cli
