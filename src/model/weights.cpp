#include "model/weights.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "base/checked.hpp"
#include "base/half.hpp"
#include "base/read_streams.hpp"
#include "model/packing_choice.hpp"
#include "packing/hf_u8.hpp"
#include "packing/i2_s_rows.hpp"
#include "platform/pages.hpp"
#include "quantize/absmean.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

void own(Matrix& matrix, std::uint64_t rows, std::size_t stride) {
  matrix.owned = AlignedBuffer(rows * stride, MemoryTag::Weights);
  matrix.data = matrix.owned.data();
  matrix.stride = stride;
}

/// The kernels' own layouts: rows padded with zeros to whole blocks, and no scales but the matrix's.
void pack_rows(const TernaryMatrix& from, DType dtype, Matrix& to) {
  to.dtype = dtype;
  if (dtype == DType::I2_S) {
    own(to, from.rows, i2s_row_bytes(from.cols));
    for (std::uint64_t row = 0; row < from.rows; ++row) {
      pack_i2s_row(from.trits.data() + row * from.cols, from.cols,
                   reinterpret_cast<std::uint8_t*>(to.owned.data() + row * to.stride));
    }
    return;
  }
  const auto& block = info(dtype);
  TernaryMatrix one;
  one.rows = 1;
  one.cols = round_up<std::uint64_t>(from.cols, block.block_elements);
  one.trits.resize(one.cols);
  one.scales.values = {1.0f};
  own(to, from.rows, *storage_bytes(dtype, 1, one.cols));
  for (std::uint64_t row = 0; row < from.rows; ++row) {
    std::copy_n(from.trits.begin() + static_cast<std::ptrdiff_t>(row * from.cols), from.cols,
                one.trits.begin());
    find_packing(dtype)->pack(one, {}, MutableBytes(to.owned.data() + row * to.stride, to.stride));
  }
}

/// Rows [rows, cols] as float32, for what no kernel reads directly.
void widen_rows(const LinearSource& source, Matrix& matrix) {
  const StoredTensor& stored = *source.weight;
  const std::uint64_t row_bytes = *storage_bytes(stored.dtype, 1, source.cols);
  matrix.dtype = DType::F32;
  own(matrix, source.rows, source.cols * sizeof(float));
  for (std::uint64_t row = 0; row < source.rows; ++row) {
    dequantize_row(stored.dtype, stored.bytes.data() + stored_row(source, row) * row_bytes, source.cols,
                   reinterpret_cast<float*>(matrix.owned.data() + row * matrix.stride));
  }
}

/// A packed matrix whose blocks have scales of their own is not a BitLinear weight: it runs as a dense one.
void expand_blocks(const TernaryMatrix& from, Matrix& matrix) {
  matrix.dtype = DType::F32;
  own(matrix, from.rows, from.cols * sizeof(float));
  const std::uint64_t blocks = ceil_div<std::uint64_t>(from.cols, from.scales.block);
  for (std::uint64_t row = 0; row < from.rows; ++row) {
    auto* out = reinterpret_cast<float*>(matrix.owned.data() + row * matrix.stride);
    for (std::uint64_t k = 0; k < from.cols; ++k) {
      out[k] = static_cast<float>(from.trits[row * from.cols + k]) *
               from.scales.values[row * blocks + k / from.scales.block];
    }
  }
}

/// True when no 2-bit field of the bytes is 3.
bool all_codes_are_trits(Bytes bytes) {
  // Every weight of a model passes here when it is loaded, so it goes at the speed of memory.
  std::uint64_t bad = 0;
  const auto check = [&](const std::byte* at) {
    const auto word = load_unaligned<std::uint64_t>(at);
    bad |= word & (word >> 1) & 0x5555555555555555u;
  };
  std::size_t at = read_in_streams(bytes.data(), bytes.size(), [&](const std::byte* line) {
    for (std::size_t i = 0; i < kCacheLine; i += 8) check(line + i);
  });
  for (; at + 8 <= bytes.size(); at += 8) check(bytes.data() + at);
  for (; at < bytes.size(); ++at) {
    const auto byte = static_cast<unsigned>(bytes[at]);
    bad |= byte & (byte >> 1) & 0x55u;
  }
  return bad == 0;
}

/// The same for TQ2_0, whose blocks have a scale between their codes.
bool tq2_codes_are_trits(Bytes bytes) {
  const auto& block = info(DType::TQ2_0);
  const std::size_t codes = block.block_bytes - sizeof(std::uint16_t);
  for (std::size_t at = 0; at < bytes.size(); at += block.block_bytes) {
    if (!all_codes_are_trits(bytes.subspan(at, codes))) return false;
  }
  return true;
}

/// The scale of a TQ2_0 or TQ1_0 matrix if all blocks share it, which a block of zeros does with any.
std::optional<float> common_block_scale(DType dtype, Bytes bytes) {
  const std::size_t block = info(dtype).block_bytes;
  const std::size_t codes = block - sizeof(std::uint16_t);  // before the f16 scale
  // 2 bits: 01 01 01 01. Base 3: 11111, or 1111 and a 0 in the bytes of four weights.
  std::vector<std::byte> zeros(codes, dtype == DType::TQ2_0 ? std::byte{0x55} : std::byte{0x80});
  if (dtype == DType::TQ1_0) std::fill(zeros.end() - 4, zeros.end(), std::byte{0x7f});
  std::optional<float> common;
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    const float scale = f16_to_f32(load_unaligned<std::uint16_t>(bytes.data() + at + codes));
    if (common && *common == scale) continue;
    if (std::memcmp(bytes.data() + at, zeros.data(), codes) == 0) continue;
    if (!std::isfinite(scale) || common) return std::nullopt;
    common = scale;
  }
  return common ? common : 0.0f;
}

/// Why a ternary weight must be repacked, as far as that shows without reading it; empty when it need not.
std::string why_no_kernel_reads(const LinearSource& source, const UnpackOptions& unpack) {
  if (source.encoding == WeightEncoding::HfPacked) return "four output rows share a byte";
  if (source.encoding == WeightEncoding::Master) return "float master weights, quantised by absmean";
  const DType dtype = source.weight->dtype;
  if (!layout_like(dtype)) return "no kernel reads " + std::string(name(dtype));
  if (dtype != DType::I2_S) return "";
  if (unpack.i2s_group != kI2sGroup) return "groups of " + std::to_string(unpack.i2s_group) + " weights";
  return source.cols % kI2sGroup == 0 ? "" : "rows end inside a group";
}

/// The layout of what is repacked, chosen as `pack` says.
PackingChoice choose_layout(const Checkpoint& checkpoint, const WeightOptions& options,
                            const Dispatch& dispatch, ThreadPool& pool) {
  for (const RepackLayout& layout : repack_layouts()) {
    if (layout.pack == options.pack) return {&layout, "asked for"};
  }
  PackingQuestion question{.kernels = &dispatch.of(1)};
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> weights_of_shape;
  bool repack = options.pack == Pack::Auto;
  for (const LayerSource& layer : checkpoint.layers) {
    for_each_linear(layer, [&](const LinearSource& source) {
      if (source.encoding == WeightEncoding::Dense) return;
      repack = repack || !why_no_kernel_reads(source, checkpoint.unpack).empty();
      question.weights += source.rows * source.cols;
      std::uint64_t& weights = weights_of_shape[{source.rows, source.cols}];
      weights += source.rows * source.cols;
    });
  }
  if (!repack || weights_of_shape.empty()) return {&repack_layouts().front(), ""};
  if (dispatch.low_memory) return {&smallest_layout(), "the fewest bits, for low-memory"};
  const auto& [shape, weights] =
      *std::ranges::max_element(weights_of_shape, {}, [](const auto& e) { return e.second; });
  std::tie(question.rows, question.cols) = shape;
  return choose_layout(question, pool, packing_cache());
}

/// One weight's way from the file to a kernel.
class Loader {
 public:
  /// `asked`: the layout to which weights of other bits are repacked even where a kernel reads theirs, or
  /// null; `repacked`: the layout of those that no kernel reads as they lie.
  Loader(const Checkpoint& checkpoint, const RepackLayout* asked, const RepackLayout& repacked)
      : checkpoint_(checkpoint),
        asked_(asked),
        repacked_(repacked),
        mapped_(std::ranges::all_of(checkpoint.container.files(),
                                    [](const auto& file) { return file->is_mapped(); })) {}

  void load(const LinearSource& source, bool is_dense, Matrix& matrix, WeightReport& report) const {
    is_dense ? dense(source, matrix, report) : linear(source, matrix, report);
    leave_file(source, matrix);
  }

  /// What was copied is not read again: the file's pages would count as this process's memory beside it.
  void leave_file(const LinearSource& source, const Matrix& matrix) const {
    if (mapped_ && matrix.owned.size() > 0) unpopulate(source.weight->bytes);
  }

 private:
  void dense(const LinearSource& source, Matrix& matrix, WeightReport& report) const {
    matrix.rows = source.rows;
    matrix.cols = source.cols;
    const StoredTensor& stored = *source.weight;
    if (!dense_slot(stored.dtype)) {
      widen_rows(source, matrix);
      report.why = "no kernel reads " + std::string(name(stored.dtype));
    } else {
      matrix.dtype = stored.dtype;
      matrix.stride = *storage_bytes(stored.dtype, 1, source.cols);
      matrix.data = stored.bytes.data();
      if (source.interleaved_heads) copy_in_order(source, matrix, report);
    }
  }

  void linear(const LinearSource& source, Matrix& matrix, WeightReport& report) const {
    if (source.encoding == WeightEncoding::Dense) return dense(source, matrix, report);
    matrix.rows = source.rows;
    matrix.cols = source.cols;
    if (use_as_it_lies(source, matrix, report)) {
      if (source.interleaved_heads) copy_in_order(source, matrix, report);
      return;
    }
    const TernaryMatrix trits = read_ternary(source, checkpoint_.unpack);
    if (trits.scales.grain == ScaleGrain::Block) {
      expand_blocks(trits, matrix);
      report.why = "its blocks have different scales: not a BitLinear weight, run as a dense matrix";
      return;
    }
    pack_rows(trits, repacked_.dtype, matrix);
    matrix.ternary = true;
    if (trits.scales.grain == ScaleGrain::Row) {
      matrix.row_scales = trits.scales.values;
    } else {
      matrix.scale = trits.scales.values.at(0);
    }
  }

  /// True when a kernel takes the file's bytes; `report.why` says why not.
  bool use_as_it_lies(const LinearSource& source, Matrix& matrix, WeightReport& report) const {
    const DType dtype = source.weight->dtype;
    const Bytes bytes = source.weight->bytes;
    report.why = why_no_kernel_reads(source, checkpoint_.unpack);
    if (report.why.empty() && asked_ && asked_ != layout_like(dtype)) {
      report.why = "packed in " + std::string(asked_->name) + " as asked";
    }
    if (!report.why.empty()) return false;
    populate(bytes);
    if (dtype == DType::I2_S) {
      const std::uint64_t codes = source.rows * source.cols / 4;
      const float scale = load_unaligned<float>(bytes.data() + codes);
      if (!all_codes_are_trits(bytes.first(codes)) || !std::isfinite(scale)) {
        read_ternary(source, checkpoint_.unpack);  // throws, and says where
      }
      matrix.scale = scale * source.scale;
      matrix.stride = source.cols / 4;
    } else {
      const auto scale = common_block_scale(dtype, bytes);
      if (!scale || (dtype == DType::TQ2_0 && !tq2_codes_are_trits(bytes))) {
        report.why = "its blocks have different scales";
        return false;  // unpacking meets a bad code and says where
      }
      matrix.scale = *scale * source.scale;
      matrix.stride = *storage_bytes(dtype, 1, source.cols);
    }
    matrix.ternary = true;
    matrix.dtype = dtype;
    matrix.data = bytes.data();
    return true;
  }

  /// Copies rows so that they lie in the model's order.
  static void copy_in_order(const LinearSource& source, Matrix& matrix, WeightReport& report) {
    const std::byte* from = matrix.data;
    own(matrix, source.rows, matrix.stride);
    for (std::uint64_t row = 0; row < source.rows; ++row) {
      std::memcpy(matrix.owned.data() + row * matrix.stride, from + stored_row(source, row) * matrix.stride,
                  matrix.stride);
    }
    report.why = "rows are stored in the order of the other RoPE";
  }

  const Checkpoint& checkpoint_;
  const RepackLayout* asked_;
  const RepackLayout& repacked_;
  bool mapped_;
};

std::vector<float> optional_vector(const StoredTensor* tensor) {
  return tensor ? read_vector(*tensor) : std::vector<float>{};
}

/// Copies row `from` to row `to`, with (to, from) = order(row, stored_row(row)).
template <class Order>
TernaryMatrix reordered(const TernaryMatrix& matrix, const LinearSource& source, Order order) {
  TernaryMatrix result = matrix;
  const bool one_scale = matrix.scales.grain == ScaleGrain::Tensor;
  const std::size_t per_row = one_scale ? 0 : matrix.scales.values.size() / matrix.rows;
  for (std::uint64_t row = 0; row < matrix.rows; ++row) {
    const auto [to, from] = order(row, stored_row(source, row));
    std::copy_n(matrix.trits.begin() + static_cast<std::ptrdiff_t>(from * matrix.cols), matrix.cols,
                result.trits.begin() + static_cast<std::ptrdiff_t>(to * matrix.cols));
    std::copy_n(matrix.scales.values.begin() + static_cast<std::ptrdiff_t>(from * per_row), per_row,
                result.scales.values.begin() + static_cast<std::ptrdiff_t>(to * per_row));
  }
  return result;
}

std::vector<float> in_model_order(const LinearSource& source, const std::vector<float>& stored) {
  std::vector<float> ordered(stored.size());
  for (std::uint64_t row = 0; row < stored.size(); ++row) ordered[row] = stored[stored_row(source, row)];
  return ordered;
}

}  // namespace

TernaryMatrix to_stored_order(const TernaryMatrix& matrix, const LinearSource& file) {
  return reordered(matrix, file,
                   [](std::uint64_t row, std::uint64_t in_file) { return std::pair(in_file, row); });
}

TernaryMatrix read_ternary(const LinearSource& source, const UnpackOptions& options) try {
  const StoredTensor& stored = *source.weight;
  TernaryMatrix matrix;
  switch (source.encoding) {
    case WeightEncoding::Ternary:
      matrix = find_packing(stored.dtype)->unpack(stored.bytes, source.rows, source.cols, options);
      break;
    case WeightEncoding::HfPacked:
      matrix = unpack_hf_u8(stored.bytes, source.rows, source.cols, 1.0f);
      break;
    case WeightEncoding::Master:
      // The published quantiser stores its result in the checkpoint's type, and so the scale is rounded to
      // it.
      matrix = quantize_absmean(stored.dtype, stored.bytes, source.rows, source.cols, stored.dtype);
      break;
    case WeightEncoding::Dense:
      throw Error(ErrorCategory::Internal, "a dense weight has no trits");
  }
  for (float& scale : matrix.scales.values) scale *= source.scale;
  if (source.interleaved_heads == 0) return matrix;
  return reordered(matrix, source,
                   [](std::uint64_t row, std::uint64_t in_file) { return std::pair(row, in_file); });
} catch (const Error& error) {
  throw error.with("file", source.weight->file).with("tensor", source.weight->name);
}

Weights load_weights(const Checkpoint& checkpoint, const Dispatch& dispatch, ThreadPool& pool,
                     const WeightOptions& options, WeightReports& reports) {
  const PackingChoice choice = choose_layout(checkpoint, options, dispatch, pool);
  const RepackLayout* asked = options.pack == Pack::File ? nullptr : choice.layout;
  const Loader loader(checkpoint, asked, *choice.layout);
  reports.packing = {choice.why.empty() ? "" : std::string(choice.layout->name), choice.why};
  Weights weights;
  weights.layers.resize(checkpoint.layers.size());

  // One job per matrix; the jobs are independent and the result does not depend on who does which.
  struct Job {
    const LinearSource* source;
    Matrix* matrix;
    bool dense;
  };
  std::vector<Job> jobs;
  LinearSource embedding;
  embedding.name = gguf_name(*checkpoint.architecture, WeightId::TokenEmbedding);
  embedding.weight = checkpoint.embedding;
  embedding.rows = checkpoint.config.vocab;
  embedding.cols = checkpoint.config.hidden;
  jobs.push_back({&embedding, &weights.embedding, true});
  const bool tied = checkpoint.head.weight == checkpoint.embedding;
  if (!tied) jobs.push_back({&checkpoint.head, &weights.head.matrix, true});

  const auto add = [&](const LinearSource& source, Linear& linear) {
    jobs.push_back({&source, &linear.matrix, false});
    linear.bias = in_model_order(source, optional_vector(source.bias));
    linear.input_norm = optional_vector(source.input_norm);
    linear.input_norm_eps = source.input_norm_eps;
  };
  for (std::size_t n = 0; n < checkpoint.layers.size(); ++n) {
    const LayerSource& source = checkpoint.layers[n];
    Layer& layer = weights.layers[n];
    layer.attention_norm = read_vector(*source.attention_norm);
    layer.attention_sub_norm = optional_vector(source.attention_sub_norm);
    layer.ffn_norm = read_vector(*source.ffn_norm);
    layer.ffn_sub_norm = optional_vector(source.ffn_sub_norm);
    add(source.query, layer.query);
    add(source.key, layer.key);
    add(source.value, layer.value);
    add(source.attention_output, layer.attention_output);
    add(source.gate, layer.gate);
    add(source.up, layer.up);
    add(source.down, layer.down);
  }
  weights.output_norm = read_vector(*checkpoint.output_norm);
  weights.head.bias = optional_vector(checkpoint.head.bias);

  reports.weights.resize(jobs.size());
  std::exception_ptr failure;
  std::mutex failure_mutex;
  // The first in file order is reported, whichever thread meets which first: those before it are still read.
  std::atomic<std::size_t> failed{jobs.size()};
  pool.deal(jobs.size(), [&](std::size_t i, unsigned thread) {
    if (i > failed.load(std::memory_order_relaxed)) return;
    const Job& job = jobs[i];
    WeightReport& report = reports.weights[i];
    try {
      report.name = job.source->weight->name;
      report.stored = job.source->weight->dtype;
      report.shape = {job.source->rows, job.source->cols};
      report.stored_bytes = job.source->weight->bytes.size();
      loader.load(*job.source, job.dense, *job.matrix, report);
      report.used = job.matrix->dtype;
      report.owned_bytes = job.matrix->owned.size();
      // The caller's thread tells the progress between its own jobs.
      if (thread == 0 && options.progress) options.progress(i, jobs.size(), "weights");
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (i < failed.load(std::memory_order_relaxed)) {
        failure = std::current_exception();
        failed.store(i, std::memory_order_relaxed);
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
  // Again, for reading a matrix brings some pages of its neighbours.
  for (const Job& job : jobs) loader.leave_file(*job.source, *job.matrix);
  if (options.progress) options.progress(jobs.size(), jobs.size(), "weights");
  if (tied) {
    Matrix& head = weights.head.matrix;
    head.rows = weights.embedding.rows;
    head.cols = weights.embedding.cols;
    head.dtype = weights.embedding.dtype;
    head.data = weights.embedding.data;
    head.stride = weights.embedding.stride;
  }
  return weights;
}

}  // namespace sterna
