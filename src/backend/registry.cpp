// The table of backends, and which slots of the kernels belong to which operation.
#include <algorithm>

#include "backend/backend.hpp"
#include "backend/cpu/rows.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

constexpr std::array kBackends{cpu::kSimd, cpu::kScalar};
static_assert(std::ranges::is_sorted(kBackends, std::ranges::greater{}, &Backend::priority));

template <class Visit>
void for_each_float_slot(Operation operation, DType dtype, Visit visit) {
  using K = FloatKernels;
  const auto each = [&](auto... slots) { (visit(slots), ...); };
  switch (operation) {
    case Operation::Ternary:
      return;
    case Operation::Dense:
      return each(dense_slot(dtype));
    case Operation::Attention:
      return each(&K::attention_f32, &K::attention_f16, &K::attention_i8, &K::attention_finish,
                  &K::kv_append_f32, &K::kv_append_f16, &K::kv_append_i8);
    case Operation::Elementwise:
      return each(&K::silu_mul, &K::relu2_mul, &K::gelu_mul, &K::add, &K::rope, &K::scale_rows);
    case Operation::Reduction:
      return each(&K::rms_norm);
    case Operation::Quantize:
      return each(&K::quantize, &K::quantize16);
  }
}

}  // namespace

std::span<const Backend> backend_table() noexcept {
  return kBackends;
}

const Backend& find_backend(std::span<const Backend> table, std::string_view name) {
  std::string known;
  for (const Backend& row : table) {
    if (row.name == name) return row;
    known += (known.empty() ? "" : " ") + std::string(row.name);
  }
  throw Error(ErrorCategory::InvalidArgument, "unknown backend",
              {{"found", std::string(name)}, {"expected", known}});
}

void require_available(const Backend& backend) {
  if (const std::string reason = backend.why_not(); !reason.empty()) {
    throw Error(ErrorCategory::Unsupported, "the backend is not available here",
                {{"found", std::string(backend.name)}, {"reason", reason}});
  }
}

const TernaryKernel* ternary_kernel(const Kernels& kernels, DType packing) noexcept {
  const auto found = std::ranges::find(kTernaryTypes, packing);
  return found == kTernaryTypes.end()
             ? nullptr
             : kernels.ternary[static_cast<std::size_t>(found - kTernaryTypes.begin())];
}

bool copy_slots(Operation operation, DType dtype, const Kernels& from, Kernels& to) {
  bool all = true;
  const auto copy = [&](auto& slot, const auto& source) {
    slot = source;
    all &= static_cast<bool>(slot);
  };
  for (std::size_t i = 0; operation == Operation::Ternary && i < kTernaryTypes.size(); ++i) {
    if (kTernaryTypes[i] == dtype) copy(to.ternary[i], from.ternary[i]);
  }
  for_each_float_slot(operation, dtype, [&](auto slot) { copy(to.floats.*slot, from.floats.*slot); });
  if (operation == Operation::Elementwise) copy(to.elementwise, from.elementwise);
  if (operation == Operation::Reduction) copy(to.reduction, from.reduction);
  return all;
}

std::string_view to_string(Operation operation) noexcept {
  constexpr std::string_view kNames[] = {"ternary",     "dense",     "attention",
                                         "elementwise", "reduction", "quantize"};
  return kNames[static_cast<std::size_t>(operation)];
}

std::string_view to_string(Batch batch) noexcept {
  constexpr std::string_view kNames[] = {"one", "few", "many"};
  return kNames[static_cast<std::size_t>(batch)];
}

}  // namespace sterna
