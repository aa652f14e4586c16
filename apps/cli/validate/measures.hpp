// How each promise is measured, a file each.
#pragma once

#include "validate/promise.hpp"

namespace sterna::cli {

PromiseResult measure_matrix_products(const ValidateOptions& options, const Progress& progress);
PromiseResult measure_accelerators(const ValidateOptions& options, const Progress& progress);
PromiseResult measure_element_wise(const ValidateOptions& options, const Progress& progress);
PromiseResult measure_allocation(const ValidateOptions& options, const Progress& progress);
PromiseResult measure_zero_copy(const ValidateOptions& options, const Progress& progress);
PromiseResult measure_memory_use(const ValidateOptions& options, const Progress& progress);

/// Loads a model, generates until its context is full, and writes to standard output, as JSON, what memory
/// that took: what a process of its own does for measure_memory_use, so that its peak is its own.
int run_memory_probe(const std::filesystem::path& model);

/// The row of a promise that is measured by one of the functions above.
const Promise& promise_of(std::string_view id);

}  // namespace sterna::cli
