#include "tensor/copy.hpp"

#include <cstring>

#include "tensor/element.hpp"
#include "tensor/strided_loop.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

using Convert = void (*)(const std::byte* from, std::int64_t from_stride, std::byte* to,
                         std::int64_t to_stride, std::int64_t count);

template <class From, class To>
void convert_run(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride,
                 std::int64_t count) {
  if (from_stride == sizeof(From) && to_stride == sizeof(To)) {  // a loop of its own, which vectorises
    const From* in = reinterpret_cast<const From*>(from);
    To* out = reinterpret_cast<To*>(to);
    for (std::int64_t i = 0; i < count; ++i) out[i] = convert_element<To>(in[i]);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, from += from_stride, to += to_stride)
    *reinterpret_cast<To*>(to) = convert_element<To>(*reinterpret_cast<const From*>(from));
}

Convert converter(DType from, DType to) {
  return visit_dtype(from, "copy", [&]<class From>(std::type_identity<From>) {
    return visit_dtype(to, "copy",
                       []<class To>(std::type_identity<To>) -> Convert { return convert_run<From, To>; });
  });
}

}  // namespace

void copy_elements(const Tensor& from, const Tensor& to) {
  if (to.size() == 0) return;
  const bool same = from.dtype() == to.dtype();
  const auto width = static_cast<std::int64_t>(info(to.dtype()).block_bytes);
  const Convert convert =
      same ? visit_width(to.dtype(), "copy",
                         []<class U>(std::type_identity<U>) -> Convert { return convert_run<U, U>; })
           : converter(from.dtype(), to.dtype());
  to.mutable_raw();  // refuses read-only storage
  strided_loop<2>(to.shape(), {loop_operand(to), loop_operand(from)}, LoopOrder::Any,
                  [&](const auto& at, std::int64_t count, const auto& strides) {
                    if (same && strides[0] == width && strides[1] == width) {
                      std::memmove(at[0], at[1], static_cast<std::size_t>(count * width));
                    } else {
                      convert(at[1], strides[1], at[0], strides[0], count);
                    }
                  });
}

}  // namespace sterna
