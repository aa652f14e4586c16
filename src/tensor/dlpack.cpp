#include "sterna/dlpack.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "sterna/error.hpp"
#include "tensor/axis.hpp"
#include "tensor/extent.hpp"

namespace sterna {
namespace {

struct ElementType {
  DType dtype;
  std::uint8_t code;
};
/// Every dtype that DLPack 0.6 can name; its bits are the dtype's. It has no Bool.
constexpr std::array kElementTypes{
    ElementType{DType::F64, kDLFloat},   ElementType{DType::F32, kDLFloat}, ElementType{DType::F16, kDLFloat},
    ElementType{DType::BF16, kDLBfloat}, ElementType{DType::I8, kDLInt},    ElementType{DType::I16, kDLInt},
    ElementType{DType::I32, kDLInt},     ElementType{DType::I64, kDLInt},   ElementType{DType::U8, kDLUInt},
    ElementType{DType::U16, kDLUInt},    ElementType{DType::U32, kDLUInt},  ElementType{DType::U64, kDLUInt},
};

struct DeviceName {
  int type;
  std::string_view name;
};
constexpr std::array kDeviceNames{
    DeviceName{kDLCUDA, "CUDA"},
    DeviceName{kDLCUDAHost, "CUDA host"},
    DeviceName{kDLOpenCL, "OpenCL"},
    DeviceName{kDLVulkan, "Vulkan"},
    DeviceName{kDLMetal, "Metal"},
    DeviceName{kDLVPI, "VPI"},
    DeviceName{kDLROCM, "ROCm"},
    DeviceName{kDLROCMHost, "ROCm host"},
    DeviceName{kDLExtDev, "extension device"},
    DeviceName{kDLCUDAManaged, "CUDA managed"},
};

std::string device_name(int type, int number) {
  for (const DeviceName& row : kDeviceNames) {
    if (row.type == type) return std::string(row.name) + " " + std::to_string(number);
  }
  return "type " + std::to_string(type);
}

Error dlpack_error(ErrorCategory category, std::string_view message, Error::Values values) {
  values.insert(values.begin(), {"operation", "from_dlpack"});
  return Error(category, message, std::move(values));
}

DType dtype_of(const DLDataType& type) {
  for (const ElementType& row : kElementTypes) {
    if (row.code == type.code && info(row.dtype).bits() == type.bits && type.lanes == 1) return row.dtype;
  }
  throw dlpack_error(ErrorCategory::Unsupported, "no dtype stands for these elements",
                     {{"found", "code " + std::to_string(type.code) + ", " + std::to_string(type.bits) +
                                    " bits, " + std::to_string(type.lanes) + " lanes"},
                      {"expected", "int, uint or float of 8 to 64 bits or bfloat16, one lane"}});
}

/// What a DLManagedTensor of ours points into.
struct Exported {
  DLManagedTensor managed;
  Tensor tensor;
  Shape shape;
  Strides strides;
};

void delete_exported(DLManagedTensor* managed) {
  delete static_cast<Exported*>(managed->manager_ctx);
}

}  // namespace

DLManagedTensor* to_dlpack(const Tensor& tensor, bool allow_read_only) {
  const ElementType* type = nullptr;
  for (const ElementType& row : kElementTypes) {
    if (row.dtype == tensor.dtype()) type = &row;
  }
  if (!type) {
    throw tensor_error(ErrorCategory::Unsupported, "to_dlpack", "DLPack 0.6 has no name for this dtype",
                       tensor);
  }
  if (!tensor.writable() && !allow_read_only) {
    throw tensor_error(ErrorCategory::InvalidArgument, "to_dlpack",
                       "the storage is read-only, which DLPack 0.6 cannot say", tensor);
  }
  auto exported = std::make_unique<Exported>();
  exported->tensor = tensor;
  exported->shape = tensor.shape();
  exported->strides = tensor.strides();
  DLManagedTensor& managed = exported->managed;
  managed.dl_tensor.data = const_cast<std::byte*>(tensor.raw());
  managed.dl_tensor.device = {kDLCPU, 0};
  managed.dl_tensor.ndim = static_cast<int>(tensor.rank());
  managed.dl_tensor.dtype = {type->code, static_cast<std::uint8_t>(info(type->dtype).bits()), 1};
  managed.dl_tensor.shape = exported->shape.data();
  managed.dl_tensor.strides = exported->strides.data();
  managed.dl_tensor.byte_offset = 0;
  managed.manager_ctx = exported.get();
  managed.deleter = delete_exported;
  return &exported.release()->managed;
}

Tensor from_dlpack(DLManagedTensor* managed, bool writable) {
  if (!managed) throw dlpack_error(ErrorCategory::InvalidArgument, "no tensor", {{"found", "null"}});
  const DLTensor& given = managed->dl_tensor;
  // As a number: a library of a later version has devices that this enumeration lacks.
  static_assert(sizeof given.device.device_type == sizeof(int));
  const int device = load_unaligned<int>(&given.device.device_type);
  if (device != kDLCPU) {
    throw dlpack_error(ErrorCategory::Unsupported, "the memory is not the host's",
                       {{"device", device_name(device, given.device.device_id)}});
  }
  const DType dtype = dtype_of(given.dtype);
  const auto refuse = [&](std::string_view message, std::string found) {
    throw dlpack_error(ErrorCategory::InvalidArgument, message, {{"found", std::move(found)}});
  };
  if (given.ndim < 0) refuse("the number of axes is negative", std::to_string(given.ndim));
  if (given.ndim > 0 && !given.shape) refuse("there is no shape", "null");
  const auto rank = static_cast<std::size_t>(given.ndim);
  Shape shape(std::span<const std::int64_t>(given.shape, rank));
  const std::int64_t size = element_count(shape);  // refuses negative lengths
  Strides strides = given.strides && size > 0 ? Strides(std::span<const std::int64_t>(given.strides, rank))
                                              : contiguous_strides(shape);

  // The storage is what lies from the lowest element to the highest.
  const std::int64_t width = info(dtype).block_bytes;
  std::byte* lowest = nullptr;
  std::int64_t before = 0;
  std::uint64_t bytes = 0;
  if (size > 0) {
    const auto reach = extent(shape, strides);
    const auto below = reach ? checked_mul<std::int64_t>(reach->first, -1) : std::nullopt;
    const auto span = below ? checked_add(reach->second, *below) : std::nullopt;
    const auto length = span ? checked_add<std::int64_t>(*span, 1) : std::nullopt;
    const auto total = length ? checked_mul(*length, width) : std::nullopt;
    if (!total) refuse("the strides reach beyond any memory", to_string(strides));
    if (!given.data) refuse("there are elements and no memory", "null");
    std::byte* const first = static_cast<std::byte*>(given.data) + given.byte_offset;
    if (reinterpret_cast<std::uintptr_t>(first) % static_cast<std::uintptr_t>(width) != 0)
      refuse(
          "the elements are not aligned to their size",
          "address modulo " + std::to_string(width) + " is " +
              std::to_string(reinterpret_cast<std::uintptr_t>(first) % static_cast<std::uintptr_t>(width)));
    before = *below;
    lowest = first - before * width;
    bytes = static_cast<std::uint64_t>(*total);
  }

  // Armed last: whatever throws before leaves `managed` to the caller.
  const auto armed = std::make_shared<bool>(false);
  const auto release = [managed, armed] {
    if (*armed && managed->deleter) managed->deleter(managed);
  };
  Tensor tensor(Storage::borrow(lowest, bytes, release, writable), dtype, std::move(shape),
                std::move(strides), before);
  *armed = true;
  return tensor;
}

}  // namespace sterna
