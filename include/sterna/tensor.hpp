// Tensors: strided views of shared storage that index, slice and broadcast as NumPy arrays do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "sterna/device.hpp"
#include "sterna/dtype.hpp"
#include "sterna/half.hpp"

namespace sterna {

/// A short vector of int64: a shape, strides, or a list of axes. Up to kInline values lie inside the object.
class Dims {
 public:
  using value_type = std::int64_t;
  static constexpr std::size_t kInline = 6;  // the rank of nearly every tensor; beyond it the heap serves

  Dims() noexcept = default;
  Dims(std::initializer_list<std::int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  explicit Dims(std::span<const std::int64_t> values);
  /// `count` times `value`.
  static Dims filled(std::size_t count, std::int64_t value);
  Dims(const Dims& other) : Dims(std::span<const std::int64_t>(other.data(), other.size())) {}
  Dims(Dims&& other) noexcept { swap(other); }
  Dims& operator=(Dims other) noexcept {
    swap(other);
    return *this;
  }
  ~Dims() = default;

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::int64_t* data() noexcept { return heap_ ? heap_.get() : inline_; }
  const std::int64_t* data() const noexcept { return heap_ ? heap_.get() : inline_; }
  std::int64_t& operator[](std::size_t i) noexcept { return data()[i]; }
  std::int64_t operator[](std::size_t i) const noexcept { return data()[i]; }
  std::int64_t* begin() noexcept { return data(); }
  std::int64_t* end() noexcept { return data() + size_; }
  const std::int64_t* begin() const noexcept { return data(); }
  const std::int64_t* end() const noexcept { return data() + size_; }
  std::int64_t& back() noexcept { return data()[size_ - 1]; }
  std::int64_t back() const noexcept { return data()[size_ - 1]; }

  void push_back(std::int64_t value) { insert(size_, value); }
  void insert(std::size_t at, std::int64_t value);
  void erase(std::size_t at) noexcept;
  void swap(Dims& other) noexcept;
  bool operator==(const Dims& other) const noexcept { return std::ranges::equal(*this, other); }

 private:
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
  std::int64_t inline_[kInline] = {};
  std::unique_ptr<std::int64_t[]> heap_;
};

using Shape = Dims;
using Strides = Dims;  ///< in elements; negative and zero are allowed
using Axes = Dims;     ///< negative values count from the end

/// "(2, 3)", "(5,)", "()", as NumPy writes a shape.
std::string to_string(const Dims& dims);

/// Bytes that tensors share; freed with the last of them.
class Storage {
 public:
  enum class Owner : std::uint8_t { Pool, Mapped, Borrowed };  ///< Mapped: pages of a file, never written

  /// Memory of the device's default pool (memory.hpp), aligned to 64 bytes; of any content, or `zeroed`.
  /// Throws Limit.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device = {}, bool zeroed = false);
  /// Memory of somebody else. `release` runs once, when no tensor refers to it any more; it may be empty, and
  /// must not throw. A storage that is not `writable` refuses every write with an error.
  static std::shared_ptr<Storage> borrow(void* data, std::size_t bytes, std::function<void()> release = {},
                                         bool writable = true, Owner owner = Owner::Borrowed,
                                         Device device = {});
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }
  Device device() const noexcept { return device_; }
  Owner owner() const noexcept { return owner_; }
  bool writable() const noexcept { return writable_; }

 private:
  struct Key {};  // keeps construction to the two functions above

 public:
  Storage(Key, std::byte* data, std::size_t bytes, std::function<void()> release, bool writable, Owner owner,
          Device device) noexcept;

 private:
  std::byte* data_;
  std::size_t bytes_;
  std::function<void()> release_;
  Device device_;
  Owner owner_;
  bool writable_;
};

/// The dtype whose elements are of C++ type T.
template <class T>
constexpr DType dtype_of() noexcept {
  using U = std::remove_cv_t<T>;
  constexpr bool fixed = std::is_integral_v<U> && !std::is_same_v<U, bool>;
  if constexpr (std::is_same_v<U, bool>) {
    return DType::Bool;
  } else if constexpr (std::is_same_v<U, double>) {
    return DType::F64;
  } else if constexpr (std::is_same_v<U, float>) {
    return DType::F32;
  } else if constexpr (std::is_same_v<U, Half>) {
    return DType::F16;
  } else if constexpr (std::is_same_v<U, BFloat16>) {
    return DType::BF16;
  } else {
    static_assert(fixed, "no dtype has elements of this type");
    constexpr DType kSigned[] = {DType::I8, DType::I16, DType::I32, DType::I64};
    constexpr DType kUnsigned[] = {DType::U8, DType::U16, DType::U32, DType::U64};
    constexpr int log2 = sizeof(U) == 1 ? 0 : sizeof(U) == 2 ? 1 : sizeof(U) == 4 ? 2 : 3;
    return std::is_signed_v<U> ? kSigned[log2] : kUnsigned[log2];
  }
}

/// One number of whatever type: the value of `full`, `fill`, `item` and of scalar operands.
class Scalar {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Scalar(T value)
  noexcept {  // implicit: numbers are scalars
    if constexpr (std::is_same_v<T, bool>) {
      value_ = value;
    } else if constexpr (std::is_floating_point_v<T>) {
      value_ = static_cast<double>(value);
    } else if constexpr (std::is_signed_v<T>) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }

  bool is_bool() const noexcept { return std::holds_alternative<bool>(value_); }
  bool is_float() const noexcept { return std::holds_alternative<double>(value_); }
  bool is_integer() const noexcept { return !is_bool() && !is_float(); }
  /// Bool, I64 (U64 if it came from an unsigned type) or F64.
  DType dtype() const noexcept;
  /// The value as T, by the rules of `Tensor::to`.
  template <class T>
  T to() const noexcept;
  const std::variant<bool, std::int64_t, std::uint64_t, double>& value() const noexcept { return value_; }

 private:
  std::variant<bool, std::int64_t, std::uint64_t, double> value_;
};

/// start:stop:step as in Python: missing ends are the whole axis, negative ones count from the end, and what
/// lies outside is clamped. step must not be 0.
struct Slice {
  std::optional<std::int64_t> start = std::nullopt;
  std::optional<std::int64_t> stop = std::nullopt;
  std::int64_t step = 1;
};

class Index;
using Indices = std::vector<Index>;

/// A handle on elements in shared storage: element (i₀, i₁, …) lies at `offset + Σ iₖ·strideₖ` elements from
/// the storage's beginning. Copying a tensor copies the handle, never elements; two threads may read one at a
/// time, and constness is that of the handle, as with a pointer.
///
/// Every dtype may be a tensor's. Those of one element per block (F64 … Bool) can do everything. The packed
/// and the block types are whole tensors only: they are contiguous, and refuse what would need a single
/// element; `to` unpacks the packed ones.
///
/// Every function that fails throws InvalidArgument, Mismatch, Unsupported or Limit with the operation, the
/// shapes and the dtypes.
class Tensor {
 public:
  /// No elements: shape (0,), F32.
  Tensor() noexcept : shape_{0}, strides_{1} {}
  /// Elements in `storage`. Throws when one of them would lie outside it.
  Tensor(std::shared_ptr<Storage> storage, DType dtype, Shape shape, Strides strides,
         std::int64_t offset = 0);

  // --- creation; contiguous, in row-major order
  /// Elements of whatever value.
  static Tensor empty(const Shape& shape, DType dtype, Device device = {});
  static Tensor zeros(const Shape& shape, DType dtype, Device device = {});
  static Tensor ones(const Shape& shape, DType dtype);
  /// dtype: by default that of the value (Scalar::dtype).
  static Tensor full(const Shape& shape, Scalar value, std::optional<DType> dtype = {});
  /// A tensor of rank 0.
  static Tensor scalar(Scalar value, std::optional<DType> dtype = {}) { return full({}, value, dtype); }
  /// ⌈(stop − start)/step⌉ numbers start + i·step. I64 when all three are integers, else F64, by default.
  static Tensor arange(Scalar start, Scalar stop, Scalar step = 1, std::optional<DType> dtype = {});
  static Tensor arange(Scalar stop) { return arange(0, stop); }
  /// `count` numbers from start to stop, evenly spaced in F64 arithmetic; with `endpoint` the last is stop
  /// itself.
  static Tensor linspace(double start, double stop, std::int64_t count, bool endpoint = true,
                         DType dtype = DType::F64);
  /// 1 where column − row = k, else 0. cols: rows by default.
  static Tensor eye(std::int64_t rows, DType dtype, std::optional<std::int64_t> cols = {},
                    std::int64_t k = 0);
  /// A copy of the values in row-major order; shape (n,) by default.
  template <class T>
  static Tensor from(std::span<const T> values, std::optional<Shape> shape = {}) {
    return from_raw(values.data(), values.size(), dtype_of<T>(), std::move(shape));
  }
  template <class T>
  static Tensor from(std::initializer_list<T> values, std::optional<Shape> shape = {}) {
    return from_raw(values.begin(), values.size(), dtype_of<T>(), std::move(shape));
  }
  /// A contiguous tensor on somebody else's memory; see Storage::borrow. For other strides use the
  /// constructor.
  static Tensor borrow(void* data, DType dtype, const Shape& shape, std::function<void()> release = {},
                       bool writable = true);

  // --- properties
  DType dtype() const noexcept { return dtype_; }
  const Shape& shape() const noexcept { return shape_; }
  const Strides& strides() const noexcept { return strides_; }
  std::int64_t offset() const noexcept { return offset_; }
  std::size_t rank() const noexcept { return shape_.size(); }
  /// Of axis −rank … rank−1.
  std::int64_t size(std::int64_t axis) const;
  /// Number of elements.
  std::int64_t size() const noexcept { return size_; }
  /// Bytes of the elements alone: `size()` of them, packed if the dtype is.
  std::size_t bytes() const noexcept;
  Device device() const noexcept { return storage_ ? storage_->device() : Device{}; }
  bool writable() const noexcept { return !storage_ || storage_->writable(); }
  const std::shared_ptr<Storage>& storage() const noexcept { return storage_; }

  /// The elements in row-major order lie one after the other. Axes of length 1 and empty tensors do not
  /// matter.
  bool is_contiguous() const noexcept;
  bool shares_storage_with(const Tensor& other) const noexcept {
    return storage_ && storage_ == other.storage_;
  }
  /// Whether the bytes from first to last element of both meet. False is certain; true need not be.
  bool may_overlap(const Tensor& other) const noexcept;

  /// The first element, (0, 0, …). Null if and only if there are no elements. Throws Mismatch when T is not
  /// the dtype's type, Unsupported on another device than the host.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(checked_data(dtype_of<T>(), false));
  }
  /// The same for writing; throws when the storage is read-only.
  template <class T>
  T* mutable_data() const {
    return reinterpret_cast<T*>(checked_data(dtype_of<T>(), true));
  }
  /// The first element whatever its dtype. A packed tensor's begins at a byte.
  const std::byte* raw() const noexcept;
  std::byte* mutable_raw() const;

  /// The only element. Throws when there is not exactly one.
  Scalar item() const;
  template <class T>
  T item() const {
    return item().to<T>();
  }
  /// The elements in row-major order.
  template <class T>
  std::vector<T> to_vector() const;

  // --- views: they share the storage
  Tensor slice(std::int64_t axis, Slice slice) const;
  /// Element `at` of an axis, which is removed; negative counts from the end.
  Tensor select(std::int64_t axis, std::int64_t at) const;
  /// a[indices] by NumPy's rules: a view when there are only integers, slices, ellipses and new axes; a copy
  /// when there is an integer tensor or a boolean mask. Index tensors broadcast together; their axes stand
  /// where the first of them stood if all are side by side (integers count as index tensors then), else at
  /// the front.
  Tensor index(const Indices& indices) const;
  /// One length may be −1. A view whenever strides allow it, else a copy.
  Tensor reshape(const Shape& shape) const;
  /// reshape, or an error where it would have to copy.
  Tensor view(const Shape& shape) const;
  /// Axis k of the result is axis `axes[k]` of this.
  Tensor permute(const Axes& axes) const;
  /// All axes reversed.
  Tensor transpose() const;
  /// Two axes exchanged.
  Tensor transpose(std::int64_t a, std::int64_t b) const;
  /// Axes of length 1, and new ones in front, repeat with stride 0. Elements of the result alias: do not
  /// write.
  Tensor broadcast_to(const Shape& shape) const;
  /// Without its axes of length 1, or without these.
  Tensor squeeze() const;
  Tensor squeeze(const Axes& axes) const;
  /// With axes of length 1 at these places of the result.
  Tensor expand_dims(const Axes& axes) const;

  // --- copies
  /// This if it is contiguous, else a contiguous copy.
  Tensor contiguous() const;
  /// A contiguous copy.
  Tensor clone() const;
  /// The elements as another dtype; this itself when it has that dtype already. To a float type it rounds to
  /// nearest, half to even, and overflows to infinity. From float to integer it truncates towards zero and
  /// saturates, NaN is 0 (where NumPy leaves it undefined). Between integers it wraps, as NumPy. To Bool: ≠
  /// 0, NaN included. To a packed dtype values saturate too (ternary: to −1, 0, +1; Binary1: ≥ 0 is +1, else
  /// −1).
  Tensor to(DType dtype) const;

  // --- writing
  /// this[...] = value, which is broadcast and converted as by `to`. The two may overlap: the result is as if
  /// value had been copied first. Throws when elements of this tensor alias each other.
  void assign(const Tensor& value) const;
  void fill(Scalar value) const;
  /// this[indices] = value. Where index tensors name an element twice, the last value stays.
  void assign(const Indices& indices, const Tensor& value) const;
  void assign(const Indices& indices, Scalar value) const;

 private:
  static Tensor from_raw(const void* values, std::size_t count, DType dtype, std::optional<Shape> shape);
  std::byte* checked_data(DType expected, bool write) const;
  void require_distinct(const char* operation) const;
  Tensor viewed(const char* operation, Shape shape, Strides strides, std::int64_t offset) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Strides strides_;
  std::int64_t offset_ = 0;
  std::int64_t size_ = 0;
  DType dtype_ = DType::F32;
};

struct Ellipsis {};
struct NewAxis {};
inline constexpr Ellipsis kEllipsis;  ///< as many whole axes as are left
inline constexpr NewAxis kNewAxis;    ///< an axis of length 1

/// One entry of an index list: `t.index({0, Slice{1, {}, 2}, kEllipsis, kNewAxis, mask})`.
class Index {
 public:
  Index(std::int64_t at) : value_(at) {}
  Index(int at) : value_(std::int64_t{at}) {}
  Index(bool) = delete;  // NumPy takes it for a mask of rank 0; say Tensor::scalar(true)
  Index(Slice slice) : value_(slice) {}
  Index(Ellipsis) : value_(Ellipsis{}) {}
  Index(NewAxis) : value_(NewAxis{}) {}
  /// Of an integer dtype: indices. Of Bool: a mask of as many axes as it has.
  Index(Tensor tensor) : value_(std::move(tensor)) {}

  using Value = std::variant<std::int64_t, Slice, Ellipsis, NewAxis, Tensor>;
  const Value& value() const noexcept { return value_; }

 private:
  Value value_;
};

/// Shape and strides that broadcasting gives: axes align at the end, lengths are equal or 1. Throws Mismatch.
Shape broadcast_shapes(std::span<const Shape> shapes);
/// Row-major strides of a shape.
Strides contiguous_strides(const Shape& shape);
/// Product of the lengths; throws Limit when it overflows.
std::int64_t element_count(const Shape& shape);
/// Bytes of a tensor: a packed dtype's elements are packed without regard to rows, a block dtype's row by
/// row. Nothing when rows are not whole blocks or the size overflows.
std::optional<std::size_t> tensor_bytes(DType dtype, const Shape& shape);

}  // namespace sterna
