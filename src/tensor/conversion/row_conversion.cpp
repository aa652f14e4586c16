#include "tensor/conversion/row_conversion.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "sterna/error.hpp"
#include "tensor/packed.hpp"
#include "tensor/strided_loop.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
namespace {

/// Elements that go through buffers at a time: a few KiB of L1 each.
constexpr std::int64_t kBlock = 12 * kPackedGrain;
struct alignas(64) Buffer {
  std::byte bytes[kBlock * sizeof(double)];
};

struct Limits {
  std::int64_t low;
  std::uint64_t high;
};
Limits limits_of(DType integer) {
  return visit_dtype(integer, "convert", []<class T>(std::type_identity<T>) -> Limits {
    if constexpr (kIsFloat<T>) {
      return {};
    } else {
      return {static_cast<std::int64_t>(std::numeric_limits<T>::min()),
              static_cast<std::uint64_t>(std::numeric_limits<T>::max())};
    }
  });
}

[[noreturn]] void refuse_byte(DType dtype, const std::byte* bytes, std::int64_t at, std::int64_t first) {
  throw Error(ErrorCategory::Format, "a byte holds no value of its dtype",
              {{"operation", "unpack"},
               {"dtype", std::string(name(dtype))},
               {"element", std::to_string(first + at)},
               {"found", std::to_string(static_cast<int>(bytes[at / info(dtype).block_elements]))}});
}

bool is_integer(DType dtype) {
  return info(dtype).kind == DTypeKind::Integer && dtype != DType::Bool;
}

}  // namespace

std::int64_t bytes_of(DType dtype, std::int64_t n) noexcept {
  const DTypeInfo& row = info(dtype);
  return (n + row.block_elements - 1) / row.block_elements * row.block_bytes;
}

RowConversion::RowConversion(std::string_view operation, DType from, DType to, ConversionQuality quality)
    : from_(from), to_(to), nearest_(quality == ConversionQuality::Precise) {
  const auto plain_dtype = [&](DType dtype, DType if_packed) {
    if (info(dtype).kind == DTypeKind::Packed) return if_packed;
    if (!info(dtype).is_plain()) refuse_dtype(operation, dtype);
    return dtype;
  };
  read_ = plain_dtype(from, unpacked_dtype(from));
  written_ = plain_dtype(to, DType::F64);
  convert_ = read_ == written_ ? nullptr : ops::converter(read_, written_);
  if (!nearest_ || !is_integer(to)) return;
  if (info(read_).kind == DTypeKind::Float) {
    if (read_ != DType::F64 && read_ != DType::F32) {  // the half floats have no loops of their own
      widen_ = ops::converter(read_, DType::F32);
      read_ = DType::F32;
      convert_ = ops::converter(read_, written_);
    }
    round_ = ops::op_row("rint").loops[static_cast<std::size_t>(read_)];
  } else if (is_integer(read_)) {
    const Limits has = limits_of(read_);
    const Limits fits = limits_of(to);
    if (has.low >= fits.low && has.high <= fits.high) return;
    // The lowest bytes of a number are the number in fewer bits.
    const std::int64_t low = std::max(has.low, fits.low);
    const std::uint64_t high = std::min(has.high, fits.high);
    std::memcpy(low_.data(), &low, sizeof low);
    std::memcpy(high_.data(), &high, sizeof high);
    clamp_ = ops::clamper(read_);
  }
}

void RowConversion::operator()(const std::byte* in, std::byte* out, std::int64_t n,
                               std::int64_t first) const {
  const bool direct = is_plain() && round_ == nullptr && clamp_ == nullptr;
  if (direct) {
    if (convert_) {
      convert_(in, out, static_cast<std::size_t>(n));
    } else {
      std::memcpy(out, in, static_cast<std::size_t>(bytes_of(from_, n)));
    }
    return;
  }
  Buffer one, other;  // a step reads from one and writes to the other
  for (std::int64_t done = 0; done < n; done += kBlock) {
    const std::int64_t count = std::min(kBlock, n - done);
    const auto elements = static_cast<std::size_t>(count);
    const std::byte* values = in + bytes_of(from_, done);
    std::byte* const to = out + bytes_of(to_, done);
    const auto next = [&] { return values == one.bytes ? other.bytes : one.bytes; };
    if (info(from_).kind == DTypeKind::Packed) {
      const std::int64_t good = unpack(from_, values, one.bytes, count);
      if (good != count) refuse_byte(from_, values, good, first + done);
      values = one.bytes;
    }
    if (widen_) {
      std::byte* const wide = next();
      widen_(values, wide, elements);
      values = wide;
    }
    if (round_ || clamp_) {
      std::byte* const fitting = next();
      const void* operand = values;
      if (round_) {
        round_(&operand, fitting, elements);
      } else {
        clamp_(operand, fitting, elements, low_.data(), high_.data());
      }
      values = fitting;
    }
    if (info(to_).kind == DTypeKind::Packed) {
      if (convert_) {
        std::byte* const wide = next();
        convert_(values, wide, elements);
        values = wide;
      }
      pack(to_, reinterpret_cast<const double*>(values), to, count, nearest_);
    } else if (convert_) {
      convert_(values, to, elements);
    } else {
      std::memcpy(to, values, static_cast<std::size_t>(bytes_of(to_, count)));
    }
  }
}

void convert_elements(const Tensor& from, const Tensor& to, const RowConversion& conversion) {
  if (to.size() == 0) return;
  std::byte* const out = to.mutable_raw();  // refuses read-only storage
  if (from.is_contiguous() && to.is_contiguous()) return conversion(from.raw(), out, to.size());
  if (!conversion.is_plain()) return conversion(from.contiguous().raw(), out, to.size());
  const std::size_t from_size = info(from.dtype()).block_bytes;
  const std::size_t to_size = info(to.dtype()).block_bytes;
  strided_loop<2>(to.shape(), {loop_operand(to), loop_operand(from)}, LoopOrder::Any,
                  [&](const auto& at, std::int64_t count, const auto& strides) {
                    const bool reads = strides[1] == static_cast<std::int64_t>(from_size);
                    const bool writes = strides[0] == static_cast<std::int64_t>(to_size);
                    if (reads && writes) return conversion(at[1], at[0], count);
                    Buffer gathered, converted;
                    for (std::int64_t done = 0; done < count; done += kBlock) {
                      const std::int64_t n = std::min(kBlock, count - done);
                      const std::byte* in = at[1] + done * strides[1];
                      if (!reads) {
                        ops::gather(in, strides[1], from_size, gathered.bytes, static_cast<std::size_t>(n));
                        in = gathered.bytes;
                      }
                      std::byte* const target = at[0] + done * strides[0];
                      conversion(in, writes ? target : converted.bytes, n);
                      if (!writes)
                        ops::scatter(converted.bytes, target, strides[0], to_size,
                                     static_cast<std::size_t>(n));
                    }
                  });
}

}  // namespace sterna
