#include "sterna/tensor.hpp"

#include <cmath>
#include <cstring>
#include <utility>

#include "base/checked.hpp"
#include "sterna/error.hpp"
#include "tensor/axis.hpp"
#include "tensor/conversion/counters.hpp"
#include "tensor/conversion/row_conversion.hpp"
#include "tensor/copy.hpp"
#include "tensor/element.hpp"
#include "tensor/extent.hpp"
#include "tensor/visit_dtype.hpp"

namespace sterna {
DType Scalar::dtype() const noexcept {
  constexpr DType kTypes[] = {DType::Bool, DType::I64, DType::U64, DType::F64};
  return kTypes[value_.index()];
}

template <class T>
T Scalar::to() const noexcept {
  return std::visit([](auto value) { return convert_element<T>(value); }, value_);
}

std::optional<std::size_t> tensor_bytes(DType dtype, const Shape& shape) {
  if (std::ranges::any_of(shape, [](std::int64_t length) { return length < 0; })) return std::nullopt;
  std::uint64_t rows = 1;
  for (std::size_t k = 0; k + 1 < shape.size(); ++k) {
    const auto product = checked_mul(rows, static_cast<std::uint64_t>(shape[k]));
    if (!product) return std::nullopt;
    rows = *product;
  }
  return storage_bytes(dtype, rows, shape.empty() ? 1 : static_cast<std::uint64_t>(shape.back()));
}

Tensor::Tensor(std::shared_ptr<Storage> storage, DType dtype, Shape shape, Strides strides,
               std::int64_t offset)
    : storage_(std::move(storage)),
      shape_(std::move(shape)),
      strides_(std::move(strides)),
      offset_(offset),
      dtype_(dtype) {
  const auto refuse = [&](std::string_view message) {
    throw tensor_error(ErrorCategory::InvalidArgument, "tensor", message, *this,
                       {{"strides", to_string(strides_)},
                        {"offset", std::to_string(offset_)},
                        {"storage", std::to_string(storage_ ? storage_->bytes() : 0) + " bytes"}});
  };
  if (strides_.size() != shape_.size()) refuse("as many strides as lengths are needed");
  size_ = element_count(shape_);
  if (size_ == 0) return;
  const DTypeInfo& row = info(dtype_);
  const std::uint64_t available = storage_ ? storage_->bytes() : 0;
  if (!row.is_plain()) {
    const auto needed = tensor_bytes(dtype_, shape_);
    if (!is_contiguous()) refuse("a tensor of this dtype must be contiguous");
    if (offset_ < 0 || offset_ % row.block_elements != 0) refuse("a tensor of this dtype begins at a block");
    const std::uint64_t begin = static_cast<std::uint64_t>(offset_) / row.block_elements * row.block_bytes;
    if (!needed || begin > available || *needed > available - begin)
      refuse("elements lie outside the storage");
    return;
  }
  const auto reach = extent(shape_, strides_);
  const auto low = reach ? checked_add(reach->first, offset_) : std::nullopt;
  const auto high = reach ? checked_add(reach->second, offset_) : std::nullopt;
  if (!low || !high || *low < 0 || static_cast<std::uint64_t>(*high) >= available / row.block_bytes)
    refuse("elements lie outside the storage");
  if (reinterpret_cast<std::uintptr_t>(storage_->data()) % row.block_bytes != 0)
    refuse("the storage is not aligned to the dtype");
}

// --- creation

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  const std::int64_t size = element_count(shape);
  const auto bytes = tensor_bytes(dtype, shape);
  if (!bytes) {
    throw Error(ErrorCategory::InvalidArgument, "rows are not whole blocks, or there are too many",
                {{"operation", "empty"}, {"shape", to_string(shape)}, {"dtype", std::string(name(dtype))}});
  }
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.strides_ = contiguous_strides(shape);
  tensor.size_ = size;
  tensor.dtype_ = dtype;
  if (size > 0) tensor.storage_ = Storage::allocate(*bytes, device);
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  if (!info(dtype).is_plain()) return full(shape, 0, dtype);
  const auto bytes = tensor_bytes(dtype, shape);
  if (!bytes || *bytes == 0) return empty(shape, dtype, device);  // an error, or nothing to clear
  return {Storage::allocate(*bytes, device, true), dtype, shape, contiguous_strides(shape)};
}

Tensor Tensor::ones(const Shape& shape, DType dtype) {
  return full(shape, 1, dtype);
}

Tensor Tensor::full(const Shape& shape, Scalar value, std::optional<DType> dtype) {
  Tensor tensor = empty(shape, dtype.value_or(value.dtype()));
  tensor.fill(value);
  return tensor;
}

Tensor Tensor::arange(Scalar start, Scalar stop, Scalar step, std::optional<DType> dtype) {
  const bool floating = start.is_float() || stop.is_float() || step.is_float();
  const auto refuse = [&](const char* message) {
    throw Error(ErrorCategory::InvalidArgument, message,
                {{"operation", "arange"},
                 {"start", std::to_string(start.to<double>())},
                 {"stop", std::to_string(stop.to<double>())},
                 {"step", std::to_string(step.to<double>())}});
  };
  for (const Scalar& each : {start, stop, step}) {
    if (each.dtype() == DType::U64 && each.to<std::int64_t>() < 0) refuse("a number is beyond int64");
  }
  if (step.to<double>() == 0) refuse("the step is 0");
  std::int64_t count = 0;
  if (floating) {
    const double exact = std::ceil((stop.to<double>() - start.to<double>()) / step.to<double>());
    if (!(std::abs(exact) < 0x1p62)) refuse("the range has no finite length");
    count = static_cast<std::int64_t>(exact);
  } else {
    const __int128 distance = static_cast<__int128>(stop.to<std::int64_t>()) - start.to<std::int64_t>();
    const auto by = step.to<std::int64_t>();
    const __int128 exact = distance / by + (distance % by != 0 && (distance < 0) == (by < 0));
    if (exact > std::numeric_limits<std::int64_t>::max()) refuse("the range is too long");
    count = static_cast<std::int64_t>(exact);
  }
  Tensor tensor = empty({std::max<std::int64_t>(count, 0)}, floating ? DType::F64 : DType::I64);
  if (floating) {
    const double first = start.to<double>();
    // As NumPy: the difference of the first two numbers, as rounded, is what is added.
    const double by = (first + step.to<double>()) - first;
    double* out = tensor.mutable_data<double>();
    for (std::int64_t i = 0; i < tensor.size_; ++i) out[i] = first + static_cast<double>(i) * by;
    if (tensor.size_ > 1) out[1] = first + step.to<double>();
  } else {
    std::int64_t* out = tensor.mutable_data<std::int64_t>();
    for (std::int64_t i = 0; i < tensor.size_; ++i)
      out[i] = static_cast<std::int64_t>(start.to<std::uint64_t>() +
                                         static_cast<std::uint64_t>(i) * step.to<std::uint64_t>());
  }
  return dtype ? tensor.to(*dtype) : tensor;
}

Tensor Tensor::linspace(double start, double stop, std::int64_t count, bool endpoint, DType dtype) {
  Tensor tensor = empty({count}, DType::F64);
  double* out = tensor.mutable_data<double>();
  const double steps = static_cast<double>(endpoint ? count - 1 : count);
  const double distance = stop - start;
  const double step = distance / steps;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto place = static_cast<double>(i);
    // As NumPy: a step that underflows to 0 divides last; a single number is start itself.
    const double along = steps == 0 ? place * distance : step == 0 ? place / steps * distance : place * step;
    out[i] = along + start;
  }
  if (endpoint && count > 1) out[count - 1] = stop;
  if (info(dtype).kind != DTypeKind::Float)
    std::transform(out, out + count, out, [](double x) { return std::floor(x); });
  return tensor.to(dtype);
}

Tensor Tensor::eye(std::int64_t rows, DType dtype, std::optional<std::int64_t> cols, std::int64_t k) {
  require_plain("eye", dtype);
  Tensor tensor = zeros({rows, cols.value_or(rows)}, dtype);
  const std::int64_t width = tensor.shape_[1];
  if (k >= width || k <= -rows) return tensor;
  const std::int64_t row = k < 0 ? -k : 0;
  const std::int64_t col = k < 0 ? 0 : k;
  Tensor diagonal = tensor;
  diagonal.shape_ = {std::min(rows - row, width - col)};
  diagonal.strides_ = {width + 1};
  diagonal.offset_ = row * width + col;
  diagonal.size_ = diagonal.shape_[0];
  diagonal.fill(1);
  return tensor;
}

Tensor Tensor::from_raw(const void* values, std::size_t count, DType dtype, std::optional<Shape> shape) {
  Tensor tensor = empty(shape ? *shape : Shape{static_cast<std::int64_t>(count)}, dtype);
  if (static_cast<std::size_t>(tensor.size_) != count) {
    throw tensor_error(ErrorCategory::Mismatch, "from",
                       "the shape does not have as many elements as there are values", tensor,
                       {{"values", std::to_string(count)}});
  }
  if (count > 0) std::memcpy(tensor.mutable_raw(), values, tensor.bytes());
  return tensor;
}

Tensor Tensor::borrow(void* data, DType dtype, const Shape& shape, std::function<void()> release,
                      bool writable) {
  element_count(shape);
  const auto bytes = tensor_bytes(dtype, shape);
  if (!bytes) {
    throw Error(ErrorCategory::InvalidArgument, "rows are not whole blocks, or there are too many",
                {{"operation", "borrow"}, {"shape", to_string(shape)}, {"dtype", std::string(name(dtype))}});
  }
  return Tensor(Storage::borrow(data, *bytes, std::move(release), writable), dtype, shape,
                contiguous_strides(shape));
}

// --- properties

std::int64_t Tensor::size(std::int64_t axis) const {
  return shape_[checked_axis("size", axis, rank())];
}

std::size_t Tensor::bytes() const noexcept {
  return size_ == 0 ? 0 : tensor_bytes(dtype_, shape_).value_or(0);
}

bool Tensor::is_contiguous() const noexcept {
  if (size_ == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t k = rank(); k-- > 0;) {
    if (shape_[k] == 1) continue;
    if (strides_[k] != expected) return false;
    expected *= shape_[k];
  }
  return true;
}

bool Tensor::may_overlap(const Tensor& other) const noexcept {
  if (size_ == 0 || other.size_ == 0) return false;
  // By address: two borrowed storages may be the same memory.
  const auto range = [](const Tensor& tensor) {
    const std::byte* first = tensor.raw();
    if (!info(tensor.dtype_).is_plain()) return std::pair{first, first + tensor.bytes()};
    const std::int64_t width = info(tensor.dtype_).block_bytes;
    const auto reach =
        extent(tensor.shape_, tensor.strides_).value_or(std::pair<std::int64_t, std::int64_t>{});
    return std::pair{first + reach.first * width, first + (reach.second + 1) * width};
  };
  const auto a = range(*this);
  const auto b = range(other);
  return std::less<>{}(a.first, b.second) && std::less<>{}(b.first, a.second);
}

const std::byte* Tensor::raw() const noexcept {
  if (size_ == 0 || !storage_) return nullptr;
  const DTypeInfo& row = info(dtype_);
  return storage_->data() + offset_ / row.block_elements * row.block_bytes;
}

std::byte* Tensor::mutable_raw() const {
  if (!writable())
    throw tensor_error(ErrorCategory::InvalidArgument, "write", "the storage is read-only", *this);
  return const_cast<std::byte*>(raw());
}

std::byte* Tensor::checked_data(DType expected, bool write) const {
  if (dtype_ != expected) {
    throw tensor_error(ErrorCategory::Mismatch, "data", "the elements are of another type", *this,
                       {{"asked", std::string(name(expected))}});
  }
  return write ? mutable_raw() : const_cast<std::byte*>(raw());
}

Scalar Tensor::item() const {
  if (size_ != 1) {
    throw tensor_error(ErrorCategory::InvalidArgument, "item", "there is not exactly one element", *this);
  }
  if (!info(dtype_).is_plain()) return to(DType::I8).item();
  return visit_dtype(dtype_, "item", [&]<class T>(std::type_identity<T>) -> Scalar {
    const T value = *data<T>();
    if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      return static_cast<float>(value);
    }
  });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor whole = contiguous();
  std::vector<T> values(static_cast<std::size_t>(size_));
  const T* first = whole.data<T>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = first[i];
  return values;
}

// --- copies and writing

Tensor Tensor::contiguous() const {
  return is_contiguous() ? *this : clone();
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape_, dtype_, device());
  if (size_ == 0) return copy;
  if (is_contiguous()) {
    std::memcpy(copy.mutable_raw(), raw(), bytes());
  } else {
    copy_elements(*this, copy);
  }
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) {
    count_conversion(ConversionStrategy::ZeroCopy, bytes());
    return *this;
  }
  const RowConversion conversion("to", dtype_, dtype);
  const Tensor result = empty(shape_, dtype, device());
  convert_elements(*this, result, conversion);
  count_conversion(ConversionStrategy::Standard, result.bytes());
  return result;
}

void Tensor::require_distinct(const char* operation) const {
  for (std::size_t k = 0; k < rank(); ++k) {
    if (strides_[k] != 0 || shape_[k] <= 1 || size_ == 0) continue;
    throw tensor_error(ErrorCategory::InvalidArgument, operation, "elements alias each other (stride 0)",
                       *this, {{"strides", to_string(strides_)}});
  }
}

void Tensor::assign(const Tensor& value) const {
  // Leading axes of length 1 are dropped, as NumPy does for what is assigned.
  require_plain("assign", dtype_);
  Tensor narrow = info(value.dtype_).is_plain() ? value : value.to(dtype_);
  while (narrow.rank() > rank() && narrow.shape_[0] == 1) narrow = narrow.select(0, 0);
  Tensor source = narrow.broadcast_to(shape_);
  if (size_ == 0) return;
  require_distinct("assign");
  const bool itself = source.raw() == raw() && source.strides_ == strides_ && source.dtype_ == dtype_;
  if (itself) {
    mutable_raw();  // refuses read-only storage all the same
    return;
  }
  if (may_overlap(source)) source = narrow.clone().broadcast_to(shape_);
  copy_elements(source, *this);
}

void Tensor::fill(Scalar value) const {
  if (size_ == 0) return;
  if (info(dtype_).kind == DTypeKind::Packed) {
    const Tensor plain = full(shape_, value);
    return convert_elements(plain, *this, RowConversion("fill", plain.dtype(), dtype_));
  }
  require_plain("fill", dtype_);
  Tensor one = empty({}, dtype_);
  visit_dtype(dtype_, "fill",
              [&]<class T>(std::type_identity<T>) { *one.mutable_data<T>() = value.to<T>(); });
  assign(one);
}

#define STERNA_INSTANTIATE(T)                \
  template T Scalar::to<T>() const noexcept; \
  template std::vector<T> Tensor::to_vector<T>() const;
STERNA_INSTANTIATE(double)
STERNA_INSTANTIATE(float)
STERNA_INSTANTIATE(Half)
STERNA_INSTANTIATE(BFloat16)
STERNA_INSTANTIATE(std::int8_t)
STERNA_INSTANTIATE(std::int16_t)
STERNA_INSTANTIATE(std::int32_t)
STERNA_INSTANTIATE(std::int64_t)
STERNA_INSTANTIATE(std::uint8_t)
STERNA_INSTANTIATE(std::uint16_t)
STERNA_INSTANTIATE(std::uint32_t)
STERNA_INSTANTIATE(std::uint64_t)
STERNA_INSTANTIATE(bool)
#undef STERNA_INSTANTIATE

}  // namespace sterna
