#include "format/gguf/types.hpp"

#include <algorithm>
#include <array>

#include "format/gguf/gguf.hpp"

namespace sterna::gguf {
namespace {

constexpr std::string_view kQuantiseAgain =
    "quantise the original model again: ternary weights to I2_S or TQ2_0, other matrices to F16, Q8_0 or "
    "Q6_K";
constexpr std::string_view kRemoved =
    "llama.cpp has removed this type; quantise the original model again, to I2_S or TQ2_0";
constexpr std::string_view kBuildTiles =
    "its layout depends on tile sizes chosen when the program that wrote it was built; convert the original "
    "model again to I2_S or TQ2_0";
constexpr std::string_view kInterleaved =
    "its rows are interleaved for one program's kernels; quantise the original model again without run-time "
    "repacking, to IQ2_BN, I2_S or TQ2_0";
constexpr std::string_view kIntermediate =
    "it holds intermediate results and is not meant for files; the file was not written by a known converter";

constexpr auto kNone = std::nullopt;

constexpr std::array kTable{
    // ggml
    TensorType{0, "F32", DType::F32, {}},
    TensorType{1, "F16", DType::F16, {}},
    TensorType{2, "Q4_0", DType::Q4_0, {}},
    TensorType{3, "Q4_1", kNone, kQuantiseAgain},
    TensorType{4, "Q4_2", kNone, kRemoved},
    TensorType{5, "Q4_3", kNone, kRemoved},
    TensorType{6, "Q5_0", kNone, kQuantiseAgain},
    TensorType{7, "Q5_1", kNone, kQuantiseAgain},
    TensorType{8, "Q8_0", DType::Q8_0, {}},
    TensorType{9, "Q8_1", kNone, kIntermediate},
    TensorType{10, "Q2_K", kNone, kQuantiseAgain},
    TensorType{11, "Q3_K", kNone, kQuantiseAgain},
    TensorType{12, "Q4_K", kNone, kQuantiseAgain},
    TensorType{13, "Q5_K", kNone, kQuantiseAgain},
    TensorType{14, "Q6_K", DType::Q6_K, {}},
    TensorType{15, "Q8_K", kNone, kIntermediate},
    TensorType{16, "IQ2_XXS", kNone, kQuantiseAgain},
    TensorType{17, "IQ2_XS", kNone, kQuantiseAgain},
    TensorType{18, "IQ3_XXS", kNone, kQuantiseAgain},
    TensorType{19, "IQ1_S", kNone, kQuantiseAgain},
    TensorType{20, "IQ4_NL", kNone, kQuantiseAgain},
    TensorType{21, "IQ3_S", kNone, kQuantiseAgain},
    TensorType{22, "IQ2_S", kNone, kQuantiseAgain},
    TensorType{23, "IQ4_XS", kNone, kQuantiseAgain},
    TensorType{24, "I8", DType::I8, {}},
    TensorType{25, "I16", DType::I16, {}},
    TensorType{26, "I32", DType::I32, {}},
    TensorType{27, "I64", DType::I64, {}},
    TensorType{28, "F64", DType::F64, {}},
    TensorType{29, "IQ1_M", kNone, kQuantiseAgain},
    TensorType{30, "BF16", DType::BF16, {}},
    TensorType{31, "Q4_0_4_4", kNone, kRemoved},
    TensorType{32, "Q4_0_4_8", kNone, kRemoved},
    TensorType{33, "Q4_0_8_8", kNone, kRemoved},
    TensorType{34, "TQ1_0", DType::TQ1_0, {}},
    TensorType{35, "TQ2_0", DType::TQ2_0, {}},
    // bitnet.cpp; ggml had the IQ4_NL_x_y here and removed them, so that the two rarely meet
    TensorType{36, "I2_S", DType::I2_S, {}},
    TensorType{37, "I8_S (bitnet.cpp) or IQ4_NL_4_8 (llama.cpp, removed)", kNone, kQuantiseAgain},
    TensorType{38, "TL1 (bitnet.cpp) or IQ4_NL_8_8 (llama.cpp, removed)", kNone, kBuildTiles},
    TensorType{
        39, "TL2 (bitnet.cpp) or MXFP4 (llama.cpp)", kNone,
        "TL2's layout depends on tile sizes chosen when bitnet.cpp was built, and MXFP4 is not ternary; "
        "convert the original model again to I2_S or TQ2_0"},
    // ggml
    TensorType{40, "NVFP4", kNone, kQuantiseAgain},
    TensorType{41, "Q1_0", DType::Q1_0, {}},
    TensorType{42, "Q2_0", DType::Q2_0, {}},
    // ik_llama.cpp
    TensorType{97, "Q8_0_X4", kNone, kIntermediate},
    TensorType{98, "Q8_1_X4", kNone, kIntermediate},
    TensorType{99, "Q8_2_X4", kNone, kIntermediate},
    TensorType{133, "Q6_0", kNone, kQuantiseAgain},
    TensorType{134, "IQ1_BN", DType::IQ1_BN, {}},
    TensorType{135, "IQ2_BN", DType::IQ2_BN, {}},
    TensorType{136, "Q8_K64", kNone, kIntermediate},
    TensorType{137, "IQ2_K", kNone, kQuantiseAgain},
    TensorType{138, "IQ3_K", kNone, kQuantiseAgain},
    TensorType{139, "IQ4_K", kNone, kQuantiseAgain},
    TensorType{140, "IQ5_K", kNone, kQuantiseAgain},
    TensorType{141, "IQ6_K", kNone, kQuantiseAgain},
    TensorType{142, "IQ2_TN", kNone, kQuantiseAgain},
    TensorType{143, "IQ1_TN", kNone, kQuantiseAgain},
    TensorType{144, "IQ4_KS", kNone, kQuantiseAgain},
    TensorType{145, "IQ2_KS", kNone, kQuantiseAgain},
    TensorType{146, "IQ4_KSS", kNone, kQuantiseAgain},
    TensorType{147, "Q8_K16", kNone, kIntermediate},
    TensorType{148, "Q8_K32", kNone, kIntermediate},
    TensorType{149, "Q8_KR8", kNone, kInterleaved},
    TensorType{150, "Q8_K128", kNone, kIntermediate},
    TensorType{151, "Q8_KV", kNone, kQuantiseAgain},
    TensorType{152, "IQ5_KS", kNone, kQuantiseAgain},
    TensorType{153, "IQ2_KT", kNone, kQuantiseAgain},
    TensorType{154, "IQ3_KT", kNone, kQuantiseAgain},
    TensorType{155, "IQ4_KT", kNone, kQuantiseAgain},
    TensorType{156, "IQ3_KS", kNone, kQuantiseAgain},
    TensorType{157, "IQ2_KL", kNone, kQuantiseAgain},
    TensorType{158, "IQ1_KT", kNone, kQuantiseAgain},
    TensorType{202, "Q4_0_R8", kNone, kInterleaved},
    TensorType{206, "Q5_0_R4", kNone, kInterleaved},
    TensorType{208, "Q8_0_R8", kNone, kInterleaved},
    TensorType{210, "Q2_K_R4", kNone, kInterleaved},
    TensorType{211, "Q3_K_R4", kNone, kInterleaved},
    TensorType{212, "Q4_K_R4", kNone, kInterleaved},
    TensorType{213, "Q5_K_R4", kNone, kInterleaved},
    TensorType{214, "Q6_K_R4", kNone, kInterleaved},
    TensorType{216, "IQ2_XXS_R4", kNone, kInterleaved},
    TensorType{217, "IQ2_XS_R4", kNone, kInterleaved},
    TensorType{218, "IQ3_XXS_R4", kNone, kInterleaved},
    TensorType{219, "IQ1_S_R4", kNone, kInterleaved},
    TensorType{220, "IQ4_NL_R4", kNone, kInterleaved},
    TensorType{221, "IQ3_S_R4", kNone, kInterleaved},
    TensorType{222, "IQ2_S_R4", kNone, kInterleaved},
    TensorType{223, "IQ4_XS_R8", kNone, kInterleaved},
    TensorType{229, "IQ1_M_R4", kNone, kInterleaved},
    TensorType{230, "BF16_R16", kNone, kInterleaved},
    TensorType{233, "Q6_0_R4", kNone, kInterleaved},
    TensorType{335, "IQ2_BN_R4", kNone, kInterleaved},
    TensorType{337, "IQ2_K_R4", kNone, kInterleaved},
    TensorType{338, "IQ3_K_R4", kNone, kInterleaved},
    TensorType{339, "IQ4_K_R4", kNone, kInterleaved},
    TensorType{340, "IQ5_K_R4", kNone, kInterleaved},
    TensorType{344, "IQ4_KS_R4", kNone, kInterleaved},
    TensorType{352, "IQ5_KS_R4", kNone, kInterleaved},
    TensorType{353, "MXFP4_R8", kNone, kInterleaved},
    TensorType{397, "Q8_K_R16", kNone, kInterleaved},
    TensorType{398, "Q8_KV_R8", kNone, kInterleaved},
    TensorType{399, "Q8_K_R8", kNone, kInterleaved},
};
static_assert(std::ranges::is_sorted(kTable, {}, &TensorType::id));

std::string supported_names() {
  std::string names;
  for (const TensorType& row : kTable) {
    if (!row.dtype) continue;
    if (!names.empty()) names += ' ';
    names += row.name;
  }
  return names;
}

}  // namespace

std::span<const TensorType> tensor_types() noexcept {
  return kTable;
}

const TensorType* find_tensor_type(std::uint32_t id) noexcept {
  const auto at = std::ranges::lower_bound(kTable, id, {}, &TensorType::id);
  return at != kTable.end() && at->id == id ? &*at : nullptr;
}

std::optional<DType> dtype_of_type(std::uint32_t type) noexcept {
  const TensorType* row = find_tensor_type(type);
  return row ? row->dtype : std::nullopt;
}

std::optional<std::uint32_t> type_of_dtype(DType dtype) noexcept {
  const auto at = std::ranges::find(kTable, dtype, &TensorType::dtype);
  if (at == kTable.end()) return std::nullopt;
  return at->id;
}

Error unsupported_type(std::uint32_t id) {
  const TensorType* row = find_tensor_type(id);
  const std::string number = "type " + std::to_string(id);
  if (!row)
    return Error(ErrorCategory::Unsupported, "unknown tensor type",
                 {{"found", number}, {"expected", supported_names()}});
  const std::string name(row->name);
  return Error(ErrorCategory::Unsupported,
               "tensor type " + name + " is not supported: " + std::string(row->advice),
               {{"found", name + ", " + number}, {"expected", supported_names()}});
}

}  // namespace sterna::gguf
