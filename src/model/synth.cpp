#include <algorithm>
#include <cmath>

#include "model/architecture.hpp"
#include "model/gguf_checkpoint.hpp"
#include "model/gguf_layout.hpp"
#include "packing/registry.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"
#include "tokenizer/byte_alphabet.hpp"

namespace sterna {
namespace {

/// The published shapes, one row each.
struct Shape {
  std::string_view name;
  std::string_view architecture;
  std::uint32_t hidden, layers, heads, kv_heads, head_dim, ffn, vocab, context;
  double theta;
  bool tied;
};
constexpr Shape kShapes[] = {
    {"2b4t", "bitnet-b1.58", 2560, 30, 20, 5, 128, 6912, 128256, 4096, 500000,
     true},                                                                    // microsoft/bitnet-b1.58-2B-4T
    {"0.7b", "bitnet", 1536, 24, 16, 16, 96, 4096, 32002, 2048, 10000, true},  // 1bitLLM/bitnet_b1_58-large
    {"3b", "bitnet", 3200, 26, 32, 32, 100, 8640, 32002, 2048, 10000, true},   // 1bitLLM/bitnet_b1_58-3B
    {"8b", "llama", 4096, 32, 32, 8, 128, 14336, 128256, 8192, 500000,
     false},  // HF1BitLLM/Llama3-8B-1.58-100B-tokens
    {"tales", "bitnet-b1.58", 512, 6, 8, 2, 64, 1280, 4096, 1024, 500000, true},  // the bundled model
};

const Shape& shape_of(const std::string& name) {
  std::string known;
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return shape;
    known += (known.empty() ? "" : ", ") + std::string(shape.name);
  }
  throw Error(ErrorCategory::InvalidArgument, "no such shape", {{"found", name}, {"expected", known}});
}

/// SplitMix64 (Steele et al. 2014): a stream of its own for every row, so that threads can share a tensor's
/// rows.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t tensor, std::uint64_t row)
      : state_(mix(mix(mix(seed) + tensor) + row)) {}
  std::uint64_t next() { return mix(state_ += kGolden); }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

/// The five base-3 digits − 1 of every byte value, scaled to use all of them: each trit comes with
/// probability 1/3 (± 1 %).
struct TritTable {
  std::int8_t trits[256][5];
};
constexpr TritTable kTrits = [] {
  TritTable table{};
  for (int byte = 0; byte < 256; ++byte) {
    int digits = byte * 243 / 256;
    for (auto& trit : table.trits[byte]) trit = static_cast<std::int8_t>(digits % 3 - 1), digits /= 3;
  }
  return table;
}();

void fill_trits(Random random, std::int8_t* out, std::uint64_t n) {
  for (std::uint64_t at = 0; at < n;) {
    std::uint64_t bits = random.next();
    for (int byte = 0; byte < 8 && at < n; ++byte, bits >>= 8) {
      const std::uint64_t count = std::min<std::uint64_t>(5, n - at);
      std::copy_n(kTrits.trits[bits & 255], count, out + at);
      at += count;
    }
  }
}

/// Values in [−1, 1) · amplitude, exact multiples of 2^-15: small enough to be the same in every float type's
/// rounding.
void fill_floats(Random random, float amplitude, float* out, std::uint64_t n) {
  for (std::uint64_t at = 0; at < n;) {
    std::uint64_t bits = random.next();
    for (int part = 0; part < 4 && at < n; ++part, bits >>= 16) {
      out[at++] = static_cast<float>(static_cast<std::int16_t>(bits & 0xffff)) * (amplitude * 0x1p-15f);
    }
  }
}

class Synthesizer {
 public:
  Synthesizer(const ModelConfig& config, const Architecture& architecture, const SynthOptions& options)
      : config_(config), architecture_(architecture), options_(options) {}

  std::vector<gguf::OutTensor> tensors() {
    const std::uint64_t query = std::uint64_t{config_.heads} * config_.head_dim;
    const std::uint64_t kv = std::uint64_t{config_.kv_heads} * config_.head_dim;
    add_head(WeightId::TokenEmbedding);
    add_norm(WeightId::OutputNorm, 0, config_.hidden);
    if (!config_.tied_embeddings) add_head(WeightId::Output);
    for (std::uint32_t n = 0; n < config_.layers; ++n) {
      add_norm(WeightId::AttentionNorm, n, config_.hidden);
      if (config_.sub_norms) add_norm(WeightId::AttentionSubNorm, n, query);
      add_norm(WeightId::FfnNorm, n, config_.hidden);
      if (config_.sub_norms) add_norm(WeightId::FfnSubNorm, n, config_.ffn);
      add_linear(WeightId::Query, n, query, config_.hidden);
      add_linear(WeightId::Key, n, kv, config_.hidden);
      add_linear(WeightId::Value, n, kv, config_.hidden);
      add_linear(WeightId::AttentionOutput, n, config_.hidden, query);
      add_linear(WeightId::Gate, n, config_.ffn, config_.hidden);
      add_linear(WeightId::Up, n, config_.ffn, config_.hidden);
      add_linear(WeightId::Down, n, config_.hidden, config_.ffn);
    }
    return std::move(tensors_);
  }

 private:
  void add_norm(WeightId id, std::uint32_t layer, std::uint64_t n) {
    tensors_.push_back(gguf_model::vector_tensor(gguf_name(architecture_, id, layer) + ".weight",
                                                 std::vector<float>(n, 1.0f)));
  }

  void add_linear(WeightId id, std::uint32_t layer, std::uint64_t rows, std::uint64_t cols) {
    const auto name = gguf_name(architecture_, id, layer) + ".weight";
    gguf_model::check_fits(name, options_.ternary, rows, cols);
    tensors_.push_back({.name = name,
                        .dtype = options_.ternary,
                        .shape = {rows, cols},
                        .fill = [this, rows, cols, tensor = tensors_.size()](AtomicFile& out) {
                          // Keeps the product of unit inputs near unit size.
                          const float amplitude = std::sqrt(3.0f / static_cast<float>(cols));
                          find_packing(options_.ternary)
                              ? write_linear(rows, cols, tensor, out)
                              : write_floats(options_.ternary, rows, cols, amplitude, tensor, out);
                        }});
  }

  void write_linear(std::uint64_t rows, std::uint64_t cols, std::uint64_t tensor, AtomicFile& out) {
    TernaryMatrix matrix;
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.trits.resize(rows * cols);
    // Keeps the product of unit inputs near unit size; a power of two, which every packing's scale holds.
    matrix.scales.values = {std::exp2(std::round(-0.5f * std::log2(static_cast<float>(cols))))};
    pool_.parallel_for(rows, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t row = begin; row < end; ++row) {
        fill_trits(Random(options_.seed, tensor, row), matrix.trits.data() + row * cols, cols);
      }
    });
    std::vector<std::byte> packed(*storage_bytes(options_.ternary, rows, cols));
    find_packing(options_.ternary)->pack(matrix, {}, packed);
    out.write(packed);
  }

  void add_head(WeightId id) {
    const auto name = gguf_name(architecture_, id) + ".weight";
    gguf_model::check_fits(name, options_.head, config_.vocab, config_.hidden);
    tensors_.push_back({.name = name,
                        .dtype = options_.head,
                        .shape = {config_.vocab, config_.hidden},
                        .fill = [this, tensor = tensors_.size()](AtomicFile& out) {
                          write_floats(options_.head, config_.vocab, config_.hidden, 0.05f, tensor, out);
                        }});
  }

  void write_floats(DType dtype, std::uint64_t rows, std::uint64_t cols, float amplitude,
                    std::uint64_t tensor, AtomicFile& out) {
    constexpr std::uint64_t kRows = 1024;  // at once: a few megabytes, enough to share between threads
    const std::uint64_t row_bytes = *storage_bytes(dtype, 1, cols);
    std::vector<std::byte> packed(kRows * row_bytes);
    std::vector<float> values(pool_.size() * cols);
    for (std::uint64_t at = 0; at < rows; at += kRows) {
      const std::uint64_t count = std::min<std::uint64_t>(kRows, rows - at);
      pool_.parallel_for(count, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
        float* row = values.data() + thread * cols;
        for (std::size_t i = begin; i < end; ++i) {
          fill_floats(Random(options_.seed, tensor, at + i), amplitude, row, cols);
          quantize_row(dtype, row, cols, packed.data() + i * row_bytes);
        }
      });
      out.write(Bytes(packed).first(count * row_bytes));
    }
  }

  const ModelConfig& config_;
  const Architecture& architecture_;
  const SynthOptions& options_;
  ThreadPool pool_;
  std::vector<gguf::OutTensor> tensors_;
};

/// Bytes, a begin and an end; the rest of the vocabulary are words nobody writes, so that ids up to the last
/// decode.
TokenizerSpec byte_tokenizer(std::uint32_t vocab) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::ByteLevelBpe;
  spec.pre = "llama-bpe";
  spec.ignore_merges = true;
  spec.tokens = {"<|begin_of_text|>", "<|end_of_text|>"};
  spec.types = {TokenType::Control, TokenType::Control};
  for (int byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    spec.tokens.push_back_with([&](std::string& text) { append_in_byte_alphabet(text, {&character, 1}); });
    spec.types.push_back(TokenType::Normal);
  }
  for (std::uint32_t id = static_cast<std::uint32_t>(spec.tokens.size()); id < vocab; ++id) {
    spec.tokens.push_back("w" + std::to_string(id));
    spec.types.push_back(TokenType::Normal);
  }
  spec.bos = 0;
  spec.eos = 1;
  return spec;
}

}  // namespace

ConvertReport synthesize(const std::filesystem::path& out, const SynthOptions& options) {
  gguf_model::check_synth_types(options.ternary, options.head);
  const Shape& shape = shape_of(options.shape);
  const Architecture& architecture = *architecture_of_gguf(shape.architecture);
  ModelConfig config;
  config.architecture = architecture.name;
  config.name = "synthetic " + std::string(shape.name);
  config.vocab = shape.vocab;
  config.hidden = shape.hidden;
  config.layers = shape.layers;
  config.heads = shape.heads;
  config.kv_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  config.ffn = shape.ffn;
  config.context = shape.context;
  config.activation = architecture.default_activation;
  config.sub_norms = architecture.sub_norms;
  config.tied_embeddings = shape.tied;
  config.rope.theta = shape.theta;
  config.rope.dimensions = shape.head_dim;

  gguf::Metadata metadata;
  gguf_model::write_config(config, architecture, metadata);
  metadata.set("general.name", gguf::Value(config.name));
  gguf_model::write_layout_keys(options.ternary, metadata);
  gguf_model::write_tokenizer(byte_tokenizer(config.vocab), config.vocab, metadata);
  Synthesizer synthesizer(config, architecture, options);
  auto tensors = synthesizer.tensors();
  ConvertReport report;
  report.tensors = tensors.size();
  gguf::write(out, metadata, std::move(tensors), options.progress);
  report.bytes = std::filesystem::file_size(out);
  return report;
}

}  // namespace sterna
