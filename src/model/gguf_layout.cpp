#include "model/gguf_layout.hpp"

#include <algorithm>

#include "model/gguf_checkpoint.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf_model {
namespace {

/// `general.file_type`: the numbers by which other programs name the type of most tensors.
struct FileType {
  DType dtype;
  std::uint32_t number;
};
constexpr FileType kFileTypes[] = {{DType::I2_S, 40}, {DType::TQ2_0, 37}, {DType::TQ1_0, 36},
                                   {DType::F32, 0},   {DType::F16, 1},    {DType::Q4_0, 2},
                                   {DType::Q8_0, 7},  {DType::Q6_K, 18},  {DType::BF16, 32}};
constexpr DType kTernaryTypes[] = {DType::I2_S, DType::TQ2_0, DType::TQ1_0};
constexpr DType kHeadTypes[] = {DType::F16, DType::BF16, DType::Q8_0, DType::Q6_K};

}  // namespace

void check_types(DType ternary, DType head) {
  if (std::ranges::count(kTernaryTypes, ternary) == 0) {
    throw Error(ErrorCategory::InvalidArgument, "not a type for ternary layers",
                {{"found", std::string(name(ternary))}, {"expected", "i2_s, tq2_0 or tq1_0"}});
  }
  if (std::ranges::count(kHeadTypes, head) == 0) {
    throw Error(ErrorCategory::InvalidArgument, "not a type for the head",
                {{"found", std::string(name(head))}, {"expected", "f16, bf16, q8_0 or q6_k"}});
  }
}

void check_synth_types(DType linear, DType head) {
  const bool is_float = linear == DType::F16 || linear == DType::BF16;
  check_types(is_float ? DType::I2_S : linear, head);
}

void check_fits(const std::string& tensor, DType dtype, std::uint64_t rows, std::uint64_t cols) {
  if (storage_bytes(dtype, rows, cols)) return;
  throw Error(ErrorCategory::Mismatch, "the tensor's columns do not fit the type's blocks",
              {{"tensor", tensor},
               {"type", std::string(name(dtype))},
               {"found", std::to_string(cols) + " columns"},
               {"expected", "a multiple of " + std::to_string(info(dtype).block_elements)}});
}

void write_layout_keys(DType type, gguf::Metadata& metadata) {
  const auto* row = std::ranges::find(kFileTypes, type, &FileType::dtype);
  if (row != std::end(kFileTypes)) metadata.set("general.file_type", gguf::Value(row->number));
  metadata.set("general.quantization_version", gguf::Value(std::uint32_t{2}));
  if (type == DType::I2_S) metadata.set(std::string(kI2sGroupKey), gguf::Value(std::uint32_t{128}));
}

gguf::OutTensor vector_tensor(std::string name, std::vector<float> values) {
  const std::uint64_t n = values.size();
  return {
      .name = std::move(name),
      .dtype = DType::F32,
      .shape = {n},
      .fill = [values = std::move(values)](AtomicFile& out) { out.write(std::as_bytes(std::span(values))); }};
}

}  // namespace sterna::gguf_model
