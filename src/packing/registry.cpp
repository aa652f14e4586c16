#include "packing/registry.hpp"

#include <algorithm>
#include <array>

#include "packing/layout.hpp"

namespace sterna {

std::span<const Packing> packing_table() noexcept {
  static const std::array table{packing::i2_s(), packing::tq1_0(), packing::tq2_0(), packing::iq1_bn(),
                                packing::iq2_bn()};
  return table;
}

const Packing* find_packing(DType dtype) noexcept {
  const auto table = packing_table();
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const Packing& p) { return p.dtype == dtype; });
  return row == table.end() ? nullptr : &*row;
}

}  // namespace sterna
