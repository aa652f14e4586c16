#include "tensor/conversion/strategy.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "platform/pages.hpp"
#include "sterna/error.hpp"
#include "tensor/axis.hpp"
#include "tensor/strided_loop.hpp"

namespace sterna {
namespace {

std::size_t chunk_elements(DType dtype, std::size_t chunk_bytes) {
  const auto grain = static_cast<std::size_t>(kPackedGrain);
  const auto grain_bytes = static_cast<std::size_t>(bytes_of(dtype, kPackedGrain));
  return std::max<std::size_t>(chunk_bytes / grain_bytes, 1) * grain;
}

}  // namespace

std::string_view to_string(ConversionStrategy strategy) noexcept {
  constexpr std::array<std::string_view, 5> kNames{"auto", "zero-copy", "in-place", "streaming", "standard"};
  return kNames[static_cast<std::size_t>(strategy)];
}

std::string_view zero_copy_obstacle(const Tensor& x, DType dtype) {
  const bool flags = x.dtype() == DType::Bool && (dtype == DType::U8 || dtype == DType::I8);
  return x.dtype() == dtype || flags ? "" : "not every value has the same bits in both dtypes";
}

std::string_view in_place_obstacle(const Tensor& x, DType dtype, long handles) {
  if (!info(x.dtype()).is_plain()) return "the source is packed";
  if (info(dtype).bits() > info(x.dtype()).bits()) return "the elements would not fit their places";
  if (x.size() == 0) return "";
  if (!x.is_contiguous()) return "the tensor is not contiguous";
  if (x.storage()->owner() != Storage::Owner::Pool) return "the memory is not the library's own";
  if (!x.writable()) return "the storage is read-only";
  if (handles > 1) return "other tensors share the storage";
  return "";
}

Tensor reinterpreted(const Tensor& x, DType dtype) {
  if (x.size() == 0) return Tensor::empty(x.shape(), dtype);
  return Tensor(x.storage(), dtype, x.shape(), x.strides(), x.offset());
}

Tensor converted_in_place(const Tensor& x, DType dtype, const RowConversion& conversion) {
  if (x.size() == 0) return Tensor::empty(x.shape(), dtype);
  // Through a buffer: a loop may read elements ahead of those it writes, but not behind them.
  constexpr std::int64_t kBlock = 12 * kPackedGrain;
  alignas(64) std::byte buffer[kBlock * sizeof(double)];
  std::byte* const place = x.mutable_raw();
  for (std::int64_t done = 0; done < x.size(); done += kBlock) {
    const std::int64_t n = std::min(kBlock, x.size() - done);
    conversion(place + bytes_of(x.dtype(), done), buffer, n, done);
    std::memcpy(place + bytes_of(dtype, done), buffer, static_cast<std::size_t>(bytes_of(dtype, n)));
  }
  const DTypeInfo& row = info(dtype);
  const std::int64_t offset = (place - x.storage()->data()) / row.block_bytes * row.block_elements;
  return Tensor(x.storage(), dtype, x.shape(), contiguous_strides(x.shape()), offset);
}

void for_each_chunk(const Tensor& x, std::size_t chunk_bytes,
                    const std::function<void(const std::byte*, std::int64_t, std::int64_t)>& visit) {
  if (x.size() == 0) return;
  const auto chunk = static_cast<std::int64_t>(chunk_elements(x.dtype(), chunk_bytes));
  if (x.is_contiguous()) {
    const bool mapped = x.storage()->owner() == Storage::Owner::Mapped;
    for (std::int64_t done = 0; done < x.size(); done += chunk) {
      const std::int64_t n = std::min(chunk, x.size() - done);
      const std::byte* at = x.raw() + bytes_of(x.dtype(), done);
      visit(at, done, n);
      if (mapped) unpopulate({at, static_cast<std::size_t>(bytes_of(x.dtype(), n))});
    }
    return;
  }
  const std::size_t width = info(x.dtype()).block_bytes;
  const Tensor buffer = Tensor::empty({std::min(chunk, x.size())}, x.dtype());
  std::byte* const elements = buffer.mutable_raw();
  std::int64_t filled = 0;
  std::int64_t first = 0;
  strided_loop<1>(x.shape(), {loop_operand(x)}, LoopOrder::RowMajor,
                  [&](const auto& at, std::int64_t count, const auto& strides) {
                    for (std::int64_t done = 0; done < count;) {
                      const std::int64_t n = std::min(count - done, buffer.size() - filled);
                      ops::gather(at[0] + done * strides[0], strides[0], width,
                                  elements + static_cast<std::size_t>(filled) * width,
                                  static_cast<std::size_t>(n));
                      done += n;
                      filled += n;
                      if (filled < buffer.size()) continue;
                      visit(elements, first, filled);
                      first += filled;
                      filled = 0;
                    }
                  });
  if (filled > 0) visit(elements, first, filled);
}

}  // namespace sterna
