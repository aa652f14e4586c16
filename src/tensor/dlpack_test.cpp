#include "sterna/dlpack.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "sterna/conversion.hpp"
#include "sterna/error.hpp"
#include "tensor/ops/row.hpp"

namespace sterna {
namespace {

/// A tensor of somebody else's, which counts its deletions.
struct Foreign {
  std::vector<std::int64_t> shape{2, 3};
  std::vector<std::int64_t> strides{3, 1};
  std::vector<float> elements{0, 1, 2, 3, 4, 5};
  DLManagedTensor managed{};
  int deleted = 0;

  Foreign() {
    managed.dl_tensor = {elements.data(), {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape.data(), strides.data(), 0};
    managed.manager_ctx = this;
    managed.deleter = [](DLManagedTensor* self) { ++static_cast<Foreign*>(self->manager_ctx)->deleted; };
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
};

TEST(Dlpack, ExportsWithoutACopyAndKeepsTheStorage) {
  Tensor x = Tensor::arange(24).reshape({2, 3, 4});
  const Tensor view = x.transpose().slice(1, {.step = -1}).select(0, 2);
  DLManagedTensor* managed = to_dlpack(view);
  const DLTensor& given = managed->dl_tensor;
  EXPECT_EQ(given.data, view.raw());
  EXPECT_EQ(given.byte_offset, 0u);
  EXPECT_EQ(given.device.device_type, kDLCPU);
  ASSERT_EQ(given.ndim, 2);
  EXPECT_EQ(given.dtype.code, kDLInt);
  EXPECT_EQ(given.dtype.bits, 64);
  EXPECT_EQ(given.dtype.lanes, 1);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(given.shape[k], view.shape()[k]);
    EXPECT_EQ(given.strides[k], view.strides()[k]);
  }
  EXPECT_EQ(x.storage().use_count(), 3);
  managed->deleter(managed);
  EXPECT_EQ(x.storage().use_count(), 2);

  managed = to_dlpack(Tensor::full({3}, 7.5f, DType::F32));  // nobody else has it
  EXPECT_EQ(static_cast<const float*>(managed->dl_tensor.data)[2], 7.5f);
  managed->deleter(managed);
}

TEST(Dlpack, ImportsWithoutACopyAndDeletesOnce) {
  Foreign foreign;
  {
    const Tensor x = from_dlpack(&foreign.managed);
    EXPECT_EQ(x.raw(), reinterpret_cast<const std::byte*>(foreign.elements.data()));
    EXPECT_EQ(x.storage()->owner(), Storage::Owner::Borrowed);
    EXPECT_EQ(x.to_vector<float>(), foreign.elements);
    x.mutable_data<float>()[1] = 9;
    EXPECT_EQ(foreign.elements[1], 9);
    const Tensor view = x.select(0, 1);
    EXPECT_EQ(foreign.deleted, 0);
  }
  EXPECT_EQ(foreign.deleted, 1);
}

TEST(Dlpack, ImportsStridesAndOffsets) {
  Foreign foreign;
  DLTensor& given = foreign.managed.dl_tensor;
  foreign.managed.deleter = nullptr;
  given.strides = nullptr;  // row-major
  EXPECT_EQ(from_dlpack(&foreign.managed).to_vector<float>(), foreign.elements);
  given.strides = foreign.strides.data();
  foreign.strides = {-3, -1};
  given.byte_offset = 20;
  EXPECT_EQ(from_dlpack(&foreign.managed).to_vector<float>(), (std::vector<float>{5, 4, 3, 2, 1, 0}));
  foreign.strides = {1, 2};  // the transpose of (3, 2)
  given.byte_offset = 0;
  EXPECT_EQ(from_dlpack(&foreign.managed).to_vector<float>(), (std::vector<float>{0, 2, 4, 1, 3, 5}));
  foreign.strides = {0, 1};
  EXPECT_EQ(from_dlpack(&foreign.managed).to_vector<float>(), (std::vector<float>{0, 1, 2, 0, 1, 2}));
  given.ndim = 0;
  given.shape = nullptr;
  given.strides = nullptr;
  EXPECT_EQ(from_dlpack(&foreign.managed).item<float>(), 0);
  EXPECT_THROW(from_dlpack(&foreign.managed, false).mutable_raw(), Error);
}

TEST(Dlpack, AnEmptyTensorIsDeletedToo) {
  Foreign foreign;
  foreign.shape = {0, 3};
  foreign.managed.dl_tensor.data = nullptr;
  EXPECT_EQ(from_dlpack(&foreign.managed).shape(), (Shape{0, 3}));
  EXPECT_EQ(foreign.deleted, 1);
  DLManagedTensor* managed = to_dlpack(Tensor::empty({2, 0}, DType::I8));
  EXPECT_EQ(managed->dl_tensor.data, nullptr);
  EXPECT_EQ(from_dlpack(managed).shape(), (Shape{2, 0}));
}

TEST(Dlpack, EveryElementTypeGoesAndComes) {
  for (std::size_t i = 0; i < ops::kPlainTypes; ++i) {
    const DType dtype = dtype_table()[i].dtype;
    const Tensor x = Tensor::arange(6).reshape({2, 3}).to(dtype).transpose();
    if (dtype == DType::Bool) continue;
    const Tensor back = from_dlpack(to_dlpack(x));
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.raw(), x.raw());
    EXPECT_EQ(back.shape(), x.shape());
    EXPECT_EQ(back.strides(), x.strides());
  }
}

TEST(Dlpack, RefusesToExportWhatHasNoName) {
  const auto category = [](const Tensor& x) {
    try {
      DLManagedTensor* managed = to_dlpack(x);
      managed->deleter(managed);
    } catch (const Error& error) {
      return error.category();
    }
    return ErrorCategory::Internal;
  };
  EXPECT_EQ(category(Tensor::zeros({2}, DType::Bool)), ErrorCategory::Unsupported);
  EXPECT_EQ(category(Tensor::ones({2}, DType::Ternary2)), ErrorCategory::Unsupported);
  EXPECT_EQ(category(Tensor::empty({32}, DType::Q8_0)), ErrorCategory::Unsupported);
  float memory[2] = {1, 2};
  const Tensor constant = Tensor::borrow(memory, DType::F32, {2}, {}, false);
  EXPECT_EQ(category(constant), ErrorCategory::InvalidArgument);
  DLManagedTensor* managed = to_dlpack(constant, true);
  EXPECT_EQ(managed->dl_tensor.data, memory);
  managed->deleter(managed);
  // Bool goes as the U8 that shares its bytes.
  ConversionEngine engine;
  const Tensor flags = Tensor::from<bool>({true, false});
  managed = to_dlpack(engine.convert(flags, DType::U8, {.strategy = ConversionStrategy::ZeroCopy}));
  EXPECT_EQ(managed->dl_tensor.data, flags.raw());
  managed->deleter(managed);
}

TEST(Dlpack, RefusedTensorsStayTheirOwners) {
  struct Fault {
    const char* what;
    void (*plant)(Foreign&);
    ErrorCategory category;
  };
  using enum ErrorCategory;
  const Fault faults[] = {
      {"CUDA 3",
       [](Foreign& f) {
         f.managed.dl_tensor.device = {kDLCUDA, 3};
       },
       Unsupported},
      {"Metal",
       [](Foreign& f) {
         f.managed.dl_tensor.device = {kDLMetal, 0};
       },
       Unsupported},
      {"type 17",
       [](Foreign& f) {
         const int later = 17;  // a device of a later version
         std::memcpy(&f.managed.dl_tensor.device.device_type, &later, sizeof later);
       },
       Unsupported},
      {"2 lanes", [](Foreign& f) { f.managed.dl_tensor.dtype.lanes = 2; }, Unsupported},
      {"4 bits",
       [](Foreign& f) {
         f.managed.dl_tensor.dtype = {kDLInt, 4, 1};
       },
       Unsupported},
      {"code 5",
       [](Foreign& f) {
         f.managed.dl_tensor.dtype = {kDLComplex, 64, 1};
       },
       Unsupported},
      {"code 6",
       [](Foreign& f) {
         f.managed.dl_tensor.dtype = {6, 8, 1};
       },
       Unsupported},
      {"null", [](Foreign& f) { f.managed.dl_tensor.data = nullptr; }, InvalidArgument},
      {"null", [](Foreign& f) { f.managed.dl_tensor.shape = nullptr; }, InvalidArgument},
      {"-1", [](Foreign& f) { f.managed.dl_tensor.ndim = -1; }, InvalidArgument},
      {"-2", [](Foreign& f) { f.shape[0] = -2; }, InvalidArgument},
      {"modulo 4 is 2", [](Foreign& f) { f.managed.dl_tensor.byte_offset = 2; }, InvalidArgument},
      {"reach", [](Foreign& f) { f.strides[0] = std::numeric_limits<std::int64_t>::min(); }, InvalidArgument},
      {"reach", [](Foreign& f) { f.strides[0] = std::numeric_limits<std::int64_t>::max(); }, InvalidArgument},
      {"reach",
       [](Foreign& f) {
         f.strides = {std::numeric_limits<std::int64_t>::min() / 2, 1l << 61};
       },
       InvalidArgument},
  };
  for (const Fault& fault : faults) {
    Foreign foreign;
    fault.plant(foreign);
    try {
      from_dlpack(&foreign.managed);
      ADD_FAILURE() << fault.what;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), fault.category) << error.what();
      EXPECT_NE(std::string_view(error.what()).find(fault.what), std::string_view::npos) << error.what();
    }
    EXPECT_EQ(foreign.deleted, 0) << fault.what;
  }
  EXPECT_THROW(from_dlpack(nullptr), Error);
}

}  // namespace
}  // namespace sterna
