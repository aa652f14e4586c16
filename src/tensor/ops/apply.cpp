#include "tensor/ops/apply.hpp"

#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "base/checked.hpp"
#include "tensor/ops/convert.hpp"
#include "tensor/ops/iterate.hpp"
#include "tensor/ops/level.hpp"
#include "tensor/ops/promote.hpp"

namespace sterna::ops {
namespace {

constexpr auto kInvalid = ErrorCategory::InvalidArgument;

std::size_t size_of(DType type) {
  return info(type).block_bytes;
}

/// What the operands are, as an error shows them: "(2, 3) f32, 1.5".
Error::Values values_of(const OpRow& row, std::span<const Operand* const> operands) {
  std::string text;
  for (const Operand* operand : operands) {
    if (!text.empty()) text += ", ";
    if (const Tensor* tensor = operand->tensor()) {
      text += to_string(tensor->shape()) + ' ' + std::string(name(tensor->dtype()));
    } else {
      text += "a number";
    }
  }
  return {{"operation", std::string(row.name)}, {"operands", std::move(text)}};
}

bool is_negative(const Scalar& number) {
  const auto* const integer = std::get_if<std::int64_t>(&number.value());
  return integer != nullptr && *integer < 0;
}

/// Whether an integer type holds an integer.
bool holds(DType type, const Scalar& number) {
  const std::size_t width = size_of(type) * 8;
  const auto value = number.to<std::uint64_t>();
  if (is_negative(number)) {
    return is_signed_integer(type) &&
           number.to<std::int64_t>() >= std::numeric_limits<std::int64_t>::min() >> (64 - width);
  }
  const std::size_t digits = is_signed_integer(type) ? width - 1 : width;
  return value <= std::numeric_limits<std::uint64_t>::max() >> (64 - digits);
}

/// The type that the operands meet in: tensors by their types, then numbers where they are of a higher kind.
DType meet(const OpRow& row, std::span<const Operand* const> operands) {
  std::optional<DType> common;
  bool integer = false;
  bool real = false;
  bool plain = true;
  for (const Operand* operand : operands) {
    if (const Tensor* tensor = operand->tensor()) {
      plain &= is_plain(tensor->dtype());
      if (plain) common = common ? common_type(*common, tensor->dtype()) : tensor->dtype();
    } else {
      integer |= operand->number().is_integer();
      real |= operand->number().is_float();
    }
  }
  if (!plain)
    throw Error(ErrorCategory::Unsupported, "elements of this type must be unpacked first",
                values_of(row, operands));
  if (real) return common && is_float(*common) ? *common : DType::F64;
  if (!integer) return common.value_or(DType::Bool);
  DType type = common.value_or(DType::Bool);
  if (type == DType::Bool) type = DType::I64;
  for (const Operand* operand : operands) {
    if (operand->tensor() != nullptr || !is_integer(type) || holds(type, operand->number())) continue;
    if (row.rule != Rule::Compare) {
      throw Error(kInvalid, "the number does not fit the tensor's type", values_of(row, operands));
    }
    type = common_type(type, is_negative(operand->number()) || holds(DType::I64, operand->number())
                                 ? DType::I64
                                 : DType::U64);
  }
  return type;
}

/// A number as an element.
void store(const Scalar& number, DType type, std::byte* out) {
  if (is_float(type)) {
    const auto value = number.to<double>();
    if (type == DType::F64) {
      std::memcpy(out, &value, sizeof(value));
    } else {
      converter(DType::F64, type)(&value, out, 1);
    }
  } else if (type == DType::Bool) {
    const std::uint8_t truth = number.to<bool>();
    std::memcpy(out, &truth, 1);
  } else {
    const auto value = is_negative(number) ? static_cast<std::uint64_t>(number.to<std::int64_t>())
                                           : number.to<std::uint64_t>();
    std::memcpy(out, &value, size_of(type));  // the low bytes come first
  }
}
static_assert(std::endian::native == std::endian::little);

Shape broadcast(const OpRow& row, std::span<const Operand* const> operands) {
  std::size_t rank = 0;
  for (const Operand* operand : operands) {
    if (operand->tensor() != nullptr) rank = std::max(rank, operand->tensor()->rank());
  }
  Shape shape = Shape::filled(rank, 1);
  for (const Operand* operand : operands) {
    if (operand->tensor() == nullptr) continue;
    const Shape& own = operand->tensor()->shape();
    for (std::size_t i = 0; i < own.size(); ++i) {
      std::int64_t& length = shape[rank - own.size() + i];
      if (own[i] == length || own[i] == 1) continue;
      if (length != 1)
        throw Error(ErrorCategory::Mismatch, "shapes do not broadcast together", values_of(row, operands));
      length = own[i];
    }
  }
  return shape;
}

/// In elements, for each axis of a shape that the tensor is broadcast to: axes are aligned at the last ones.
Strides strides_in(const Tensor& tensor, std::size_t rank) {
  Strides strides = Strides::filled(rank, 0);
  for (std::size_t i = 0, k = rank - tensor.rank(); k < rank; ++i, ++k) {
    if (tensor.shape()[i] != 1) strides[k] = tensor.strides()[i];
  }
  return strides;
}

void run(const OpRow& row, std::span<const Operand* const> operands, const Types& types,
         const Tensor& target) {
  if (target.size() == 0) return;
  const Loop loop = loops_of(row)[static_cast<std::size_t>(types.computed)];
  const std::size_t rank = target.rank();
  std::array<std::array<std::byte, 8>, kMaxOperands> numbers;
  std::array<Input, kMaxOperands> inputs;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const bool condition = row.rule == Rule::Select && k == 0;
    const DType computed = condition ? DType::Bool : types.computed;
    if (const Tensor* tensor = operands[k]->tensor()) {
      inputs[k] = {tensor->raw(), strides_in(*tensor, rank), tensor->dtype(), computed};
    } else {
      const DType type = condition ? DType::Bool : types.converted;
      store(operands[k]->number(), type, numbers[k].data());
      inputs[k] = {numbers[k].data(), Strides::filled(rank, 0), type, computed};
    }
  }
  const bool own = types.result == DType::Bool || row.rule == Rule::Quantize;
  const Output output{target.mutable_raw(), strides_in(target, rank), own ? types.result : types.computed,
                      target.dtype()};
  iterate(loop, target.shape(), {inputs.data(), operands.size()}, output);
}

Types check(const OpRow& row, std::span<const Operand* const> operands) {
  const std::size_t first = row.rule == Rule::Select ? 1 : 0;
  if (first == 1) meet(row, operands.first(1));
  const Types types = types_of(row.rule, meet(row, operands.subspan(first)));
  if (row.loops[static_cast<std::size_t>(types.computed)] == nullptr) {
    throw Error(ErrorCategory::Unsupported, "the operation has no meaning for elements of this type",
                values_of(row, operands));
  }
  if (row.name == "power" && is_signed_integer(types.converted)) {
    const Operand& exponent = *operands[1];
    const Tensor* const tensor = exponent.tensor();
    bool nothing = false;
    for (const Operand* operand : operands)
      nothing |= operand->tensor() != nullptr && operand->tensor()->size() == 0;
    if (nothing) return types;
    if (tensor == nullptr ? is_negative(exponent.number())
                          : is_signed_integer(tensor->dtype()) && any(less(*tensor, 0)).item<bool>()) {
      throw Error(kInvalid, "an integer to a negative integer power is no integer", values_of(row, operands));
    }
  }
  return types;
}

/// NumPy's casting "same_kind": the order of kinds is Bool, unsigned, signed, float.
bool same_kind(DType from, DType to) {
  const auto kind = [](DType type) {
    return is_float(type) ? 3 : is_signed_integer(type) ? 2 : is_unsigned_integer(type) ? 1 : 0;
  };
  return kind(from) <= kind(to);
}

/// Whether two tensors are the same elements in the same order.
bool same_elements(const Tensor& a, const Tensor& b) {
  if (a.raw() != b.raw() || a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  for (std::size_t i = 0; i < a.rank(); ++i) {
    if (a.shape()[i] != 1 && a.strides()[i] != b.strides()[i]) return false;
  }
  return true;
}

}  // namespace

void require_plain(std::string_view operation, const Tensor& tensor) {
  if (is_plain(tensor.dtype())) return;
  throw Error(ErrorCategory::Unsupported, "elements of this type must be unpacked first",
              {{"operation", std::string(operation)}, {"dtype", std::string(name(tensor.dtype()))}});
}

std::size_t normal_axis(std::string_view operation, const Tensor& tensor, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(tensor.rank());
  if (axis < -rank || axis >= rank) {
    throw Error(kInvalid, "no such axis",
                {{"operation", std::string(operation)},
                 {"axis", std::to_string(axis)},
                 {"shape", to_string(tensor.shape())}});
  }
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

Tensor apply(const OpRow& row, std::initializer_list<const Operand*> list) {
  const std::span<const Operand* const> operands(list.begin(), list.size());
  const Types types = check(row, operands);
  const Tensor result = Tensor::empty(broadcast(row, operands), types.result);
  run(row, operands, types, result);
  return result;
}

Tensor apply_in_place(const OpRow& row, const Tensor& target, std::initializer_list<const Operand*> list) {
  const std::span<const Operand* const> given(list.begin(), list.size());
  const Types types = check(row, given);
  if (!same_kind(types.result, target.dtype())) {
    throw Error(kInvalid, "the result cannot be stored in the first operand's type without changing its kind",
                values_of(row, given));
  }
  if (broadcast(row, given) != target.shape()) {
    throw Error(ErrorCategory::Mismatch, "the result does not have the first operand's shape",
                values_of(row, given));
  }
  for (std::size_t i = 0; i < target.rank(); ++i) {
    if (target.strides()[i] == 0 && target.shape()[i] > 1) {
      throw Error(kInvalid, "elements of a broadcast tensor are one and cannot be written to",
                  values_of(row, given));
    }
  }
  std::array<Operand, kMaxOperands> operands{0, 0, 0};
  std::array<const Operand*, kMaxOperands> pointers{};
  std::array<Tensor, kMaxOperands> copies;
  for (std::size_t k = 0; k < given.size(); ++k) {
    pointers[k] = given[k];
    const Tensor* const tensor = given[k]->tensor();
    if (tensor == nullptr || !tensor->may_overlap(target) || same_elements(*tensor, target)) continue;
    copies[k] = tensor->clone();
    operands[k] = Operand(copies[k]);
    pointers[k] = &operands[k];
  }
  run(row, {pointers.data(), given.size()}, types, target);
  return target;
}

}  // namespace sterna::ops
