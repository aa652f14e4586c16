#include "model/model_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>

#include "base/half.hpp"
#include "model/gguf_checkpoint.hpp"
#include "model/gguf_layout.hpp"
#include "model/weights.hpp"
#include "platform/pages.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

// Rows that are converted at once: large enough to share between threads, small enough to stay in cache.
constexpr std::uint64_t kRows = 512;

/// Builds the tensors of the file to be written, in order.
class Converter {
 public:
  Converter(const Checkpoint& checkpoint, const WriteOptions& options)
      : checkpoint_(checkpoint), options_(options), pool_(options.threads) {}

  std::vector<gguf::OutTensor> tensors() {
    const Architecture& architecture = *checkpoint_.architecture;
    LinearSource embedding = checkpoint_.head;
    embedding.weight = checkpoint_.embedding;
    add_head(gguf_name(architecture, WeightId::TokenEmbedding), embedding);
    add_norm("output_norm", *checkpoint_.output_norm);
    if (!checkpoint_.config.tied_embeddings) {
      add_head("output", checkpoint_.head);
      if (checkpoint_.head.bias) add_vector("output.bias", *checkpoint_.head.bias);
    }
    if (!checkpoint_.config.rope.frequency_factors.empty()) {
      tensors_.push_back(
          gguf_model::vector_tensor("rope_freqs.weight", checkpoint_.config.rope.frequency_factors));
    }
    for (std::uint32_t n = 0; n < checkpoint_.layers.size(); ++n) {
      const LayerSource& layer = checkpoint_.layers[n];
      const auto norm = [&](WeightId id, const StoredTensor* tensor) {
        if (tensor) add_norm(gguf_name(architecture, id, n), *tensor);
      };
      norm(WeightId::AttentionNorm, layer.attention_norm);
      norm(WeightId::AttentionSubNorm, layer.attention_sub_norm);
      norm(WeightId::FfnNorm, layer.ffn_norm);
      norm(WeightId::FfnSubNorm, layer.ffn_sub_norm);
      for_each_linear(layer, [&](const LinearSource& linear) { add_linear(linear); });
    }
    return std::move(tensors_);
  }

  std::uint64_t rounded_scales() const { return rounded_scales_; }

 private:
  void add_vector(std::string name, const StoredTensor& tensor) {
    tensors_.push_back(gguf_model::vector_tensor(std::move(name), read_vector(tensor)));
  }

  void add_norm(const std::string& name, const StoredTensor& tensor) {
    const auto other = options_.norms.find(name);
    if (other == options_.norms.end()) return add_vector(name + ".weight", tensor);
    tensors_.push_back(gguf_model::vector_tensor(name + ".weight", other->second));
  }

  const MatrixEncoder* encoder_of(const std::string& name) const {
    const auto at = options_.encoders.find(name);
    return at == options_.encoders.end() ? nullptr : &at->second;
  }

  /// The source as its rows will lie in the new file.
  LinearSource in_file_order(const LinearSource& source) const {
    LinearSource file = source;
    const ModelConfig& config = checkpoint_.config;
    file.interleaved_heads = 0;
    if (checkpoint_.architecture->gguf_permutes_qk) {
      if (source.name.ends_with("attn_q")) file.interleaved_heads = config.heads;
      if (source.name.ends_with("attn_k")) file.interleaved_heads = config.kv_heads;
    }
    return file;
  }

  void add_head(const std::string& name, const LinearSource& source) {
    const MatrixEncoder* encoder = encoder_of(name);
    const DType type = encoder ? encoder->dtype : options_.head;
    gguf_model::check_fits(name + ".weight", type, source.rows, source.cols);
    tensors_.push_back({.name = name + ".weight",
                        .dtype = type,
                        .shape = {source.rows, source.cols},
                        .fill = [this, source, type, encoder](AtomicFile& out) {
                          if (!encoder) return write_head(source, type, out);
                          encode_all(source, *encoder,
                                     [&](std::uint64_t, std::uint64_t, Bytes bytes) { out.write(bytes); });
                        }});
  }

  void write_head(const LinearSource& source, DType type, AtomicFile& out) {
    const StoredTensor& stored = *source.weight;
    if (stored.dtype == type) return out.write(stored.bytes);
    const std::uint64_t stored_bytes = *storage_bytes(stored.dtype, 1, source.cols);
    const std::uint64_t row_bytes = *storage_bytes(type, 1, source.cols);
    std::vector<std::byte> packed(kRows * row_bytes);
    std::vector<float> values(pool_.size() * source.cols);
    for (std::uint64_t at = 0; at < source.rows; at += kRows) {
      const std::uint64_t count = std::min(kRows, source.rows - at);
      pool_.parallel_for(count, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
        float* row = values.data() + thread * source.cols;
        for (std::size_t i = begin; i < end; ++i) {
          dequantize_row(stored.dtype, stored.bytes.data() + (at + i) * stored_bytes, source.cols, row);
          quantize_row(type, row, source.cols, packed.data() + i * row_bytes);
        }
      });
      out.write(Bytes(packed).first(count * row_bytes));
    }
  }

  /// Calls place(first, rows, bytes) for the encoded rows of a matrix, in the model's order, a few at a time.
  template <class Place>
  void encode_all(const LinearSource& source, const MatrixEncoder& encoder, Place&& place) {
    const std::uint64_t row_bytes = *storage_bytes(encoder.dtype, 1, source.cols);
    std::vector<float> values(kRows * source.cols);
    std::vector<std::byte> packed(kRows * row_bytes);
    for (std::uint64_t at = 0; at < source.rows; at += kRows) {
      const std::uint64_t count = std::min(kRows, source.rows - at);
      const auto bytes = MutableBytes(packed).first(count * row_bytes);
      encode(source, encoder, at, count, values, bytes);
      place(at, count, Bytes(bytes));
    }
    unpopulate(source.weight->bytes);
  }

  void encode(const LinearSource& source, const MatrixEncoder& encoder, std::uint64_t first,
              std::uint64_t rows, std::vector<float>& values, MutableBytes out) {
    std::vector<std::exception_ptr> failures(pool_.size());
    pool_.parallel_for(rows, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
      try {
        read_rows(source, first + begin, end - begin, values.data() + begin * source.cols);
      } catch (...) {
        failures[thread] = std::current_exception();
      }
    });
    for (const auto& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    try {
      encoder.encode(first, rows, std::span(values).first(rows * source.cols), out);
    } catch (const Error& error) {
      throw error.with("tensor", source.name + ".weight");
    }
  }

  void add_linear(const LinearSource& source) {
    const LinearSource file = in_file_order(source);
    const bool dense = source.encoding == WeightEncoding::Dense;
    const MatrixEncoder* encoder = dense ? encoder_of(source.name) : nullptr;
    const DType type = encoder ? encoder->dtype : dense ? source.weight->dtype : options_.ternary;
    gguf_model::check_fits(source.name + ".weight", type, source.rows, source.cols);
    const auto fill = [this, source, file, index = linears_.size()](AtomicFile& out) {
      out.write(prepared(index));
    };
    linears_.push_back({source, file, type, encoder, {}});
    tensors_.push_back(
        {.name = source.name + ".weight", .dtype = type, .shape = {source.rows, source.cols}, .fill = fill});
    if (source.bias) {
      const auto stored = read_vector(*source.bias);
      std::vector<float> bias(stored.size());
      for (std::uint64_t row = 0; row < bias.size(); ++row)
        bias[stored_row(file, row)] = stored[stored_row(source, row)];
      tensors_.push_back(gguf_model::vector_tensor(source.name + ".bias", std::move(bias)));
    }
    if (source.input_norm) add_vector(source.name + ".input_norm.weight", *source.input_norm);
  }

  /// The bytes of a linear layer's weight, made together with the next ones, a thread each.
  const std::vector<std::byte>& prepared(std::size_t index) {
    if (index > 0) linears_[index - 1].bytes = {};
    OutLinear& linear = linears_[index];
    if (!linear.bytes.empty()) return linear.bytes;
    if (linear.encoder) {
      const std::uint64_t stride = *storage_bytes(linear.type, 1, linear.source.cols);
      linear.bytes.resize(linear.source.rows * stride);
      encode_all(linear.source, *linear.encoder, [&](std::uint64_t first, std::uint64_t rows, Bytes bytes) {
        for (std::uint64_t i = 0; i < rows; ++i) {
          std::memcpy(linear.bytes.data() + stored_row(linear.file, first + i) * stride,
                      bytes.data() + i * stride, stride);
        }
      });
      return linear.bytes;
    }
    const std::size_t count = std::min<std::size_t>(pool_.size(), linears_.size() - index);
    std::vector<std::exception_ptr> failures(count);
    pool_.parallel_for(count, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) {
        if (linears_[index + i].encoder) continue;
        try {
          prepare(linears_[index + i]);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (failures[i]) std::rethrow_exception(failures[i]);
      rounded_scales_ += linears_[index + i].rounded;
    }
    return linears_[index].bytes;
  }

  struct OutLinear {
    LinearSource source;
    LinearSource file;
    DType type;
    const MatrixEncoder* encoder;
    std::vector<std::byte> bytes;
    bool rounded = false;
  };

  void prepare(OutLinear& linear) const {
    const LinearSource& source = linear.source;
    linear.bytes.resize(*storage_bytes(linear.type, source.rows, source.cols));
    if (source.encoding == WeightEncoding::Dense) {
      const std::size_t stride = *storage_bytes(linear.type, 1, source.cols);
      for (std::uint64_t row = 0; row < source.rows; ++row) {
        std::memcpy(linear.bytes.data() + stored_row(linear.file, row) * stride,
                    source.weight->bytes.data() + stored_row(source, row) * stride, stride);
      }
      return;
    }
    TernaryMatrix matrix = read_ternary(source, checkpoint_.unpack);
    if (linear.file.interleaved_heads) matrix = to_stored_order(matrix, linear.file);
    // The TQ types hold scales as f16.
    linear.rounded = linear.type != DType::I2_S && std::ranges::any_of(matrix.scales.values, [](float scale) {
                       return f16_to_f32(f32_to_f16(scale)) != scale;
                     });
    try {
      find_packing(linear.type)->pack(matrix, {}, linear.bytes);
    } catch (const Error& error) {
      throw error.with("tensor", source.name + ".weight");
    }
  }

  const Checkpoint& checkpoint_;
  const WriteOptions& options_;
  ThreadPool pool_;
  std::vector<gguf::OutTensor> tensors_;
  std::vector<OutLinear> linears_;
  std::uint64_t rounded_scales_ = 0;
};

bool has_input_norms(const Checkpoint& checkpoint, float& eps) {
  for (const LayerSource& layer : checkpoint.layers) {
    bool found = false;
    for_each_linear(layer, [&](const LinearSource& linear) {
      if (linear.input_norm) found = true, eps = linear.input_norm_eps;
    });
    if (found) return true;
  }
  return false;
}

/// The type of most of the linear layers' weights in the new file.
DType most_common(const std::vector<gguf::OutTensor>& tensors) {
  std::map<DType, std::uint64_t> weights;
  for (const gguf::OutTensor& tensor : tensors) {
    if (tensor.shape.size() == 2 && tensor.name.starts_with("blk."))
      weights[tensor.dtype] += tensor.shape[0] * tensor.shape[1];
  }
  return std::ranges::max_element(weights, {}, [](const auto& entry) { return entry.second; })->first;
}

gguf::Metadata metadata_of(const Checkpoint& checkpoint, DType type) {
  gguf::Metadata metadata;
  gguf_model::write_config(checkpoint.config, *checkpoint.architecture, metadata);
  for (const auto& [key, value] : checkpoint.about.entries()) metadata.set(key, value);
  if (!metadata.find("general.name") && !checkpoint.config.name.empty()) {
    metadata.set("general.name", gguf::Value(checkpoint.config.name));
  }
  gguf_model::write_layout_keys(type, metadata);
  float eps = 0;
  if (has_input_norms(checkpoint, eps))
    metadata.set(std::string(gguf_model::kLinearNormEpsilonKey), gguf::Value(eps));
  if (checkpoint.tokenizer)
    gguf_model::write_tokenizer(*checkpoint.tokenizer, checkpoint.config.vocab, metadata);
  return metadata;
}

}  // namespace

void read_rows(const LinearSource& source, std::uint64_t first, std::uint64_t rows, float* out) {
  const StoredTensor& stored = *source.weight;
  const std::uint64_t row_bytes = *storage_bytes(stored.dtype, 1, source.cols);
  for (std::uint64_t row = first; row < first + rows; ++row, out += source.cols) {
    dequantize_row(stored.dtype, stored.bytes.data() + stored_row(source, row) * row_bytes, source.cols, out);
    // A sum is finite only when all its terms are, and costs a tenth of looking at each.
    float sum = 0;
    for (std::uint64_t k = 0; k < source.cols; ++k) sum += std::abs(out[k]);
    if (std::isfinite(sum)) continue;
    const float* bad = std::find_if(out, out + source.cols, [](float w) { return !std::isfinite(w); });
    if (bad == out + source.cols) continue;  // finite weights with an infinite sum
    throw Error(ErrorCategory::Format, "a weight is not finite",
                {{"file", stored.file},
                 {"tensor", stored.name},
                 {"row", std::to_string(row)},
                 {"column", std::to_string(bad - out)},
                 {"found", fmt::format("{}", *bad)}});
  }
}

ConvertReport write_model(const Checkpoint& checkpoint, const std::filesystem::path& out,
                          const WriteOptions& options) {
  Converter converter(checkpoint, options);
  auto tensors = converter.tensors();
  ConvertReport report;
  report.tensors = tensors.size();
  const auto metadata = metadata_of(checkpoint, most_common(tensors));
  gguf::write(out, metadata, std::move(tensors), options.progress);
  report.bytes = std::filesystem::file_size(out);
  report.rounded_scales = converter.rounded_scales();
  return report;
}

ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out,
                      const ConvertOptions& options) {
  gguf_model::check_types(options.ternary, options.head);
  const Checkpoint checkpoint = open_checkpoint(in, {.map = {}, .i2s_group = options.i2s_group});
  return write_model(checkpoint, out,
                     {.ternary = options.ternary,
                      .head = options.head,
                      .threads = options.threads,
                      .progress = options.progress});
}

}  // namespace sterna
