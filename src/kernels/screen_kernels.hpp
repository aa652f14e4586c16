// The coarse product of a screened head (model/screened_head.hpp), one row for each instruction set.
#pragma once

#include <span>
#include <string_view>

#include "kernels/screen_args.hpp"
#include "platform/cpu.hpp"

namespace sterna {

struct ScreenKernel {
  std::string_view isa;
  CpuFeatures required;
  void (*run)(const ScreenArgs& args);
};

/// All compiled rows, fastest first.
std::span<const ScreenKernel> screen_kernels() noexcept;

/// The row of the instruction set that `select_float_kernels` (kernel_table.hpp) gave, or the next one below.
const ScreenKernel& screen_kernel_of(std::string_view isa);

}  // namespace sterna
