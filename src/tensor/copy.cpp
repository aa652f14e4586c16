#include "tensor/copy.hpp"

#include <cstring>

#include "tensor/conversion/row_conversion.hpp"
#include "tensor/strided_loop.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

template <class T>
void copy_run(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride,
              std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i, from += from_stride, to += to_stride)
    *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from);
}

}  // namespace

void copy_elements(const Tensor& from, const Tensor& to) {
  if (to.size() == 0) return;
  if (from.dtype() != to.dtype())
    return convert_elements(from, to, RowConversion("copy", from.dtype(), to.dtype()));
  const auto width = static_cast<std::int64_t>(info(to.dtype()).block_bytes);
  const auto copy =
      visit_width(to.dtype(), "copy", []<class U>(std::type_identity<U>) { return copy_run<U>; });
  to.mutable_raw();  // refuses read-only storage
  strided_loop<2>(to.shape(), {loop_operand(to), loop_operand(from)}, LoopOrder::Any,
                  [&](const auto& at, std::int64_t count, const auto& strides) {
                    if (strides[0] == width && strides[1] == width) {
                      std::memmove(at[0], at[1], static_cast<std::size_t>(count * width));
                    } else {
                      copy(at[1], strides[1], at[0], strides[0], count);
                    }
                  });
}

}  // namespace sterna
