// A model: immutable weights, their configuration and the tokenizer, shared between threads and sessions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/backend.hpp"
#include "sterna/dtype.hpp"
#include "sterna/log.hpp"
#include "sterna/tokenizer.hpp"

namespace sterna {

enum class Activation : std::uint8_t { Silu, Relu2, Gelu };

/// Element type of the cached keys and values; int8 with a float32 scale for each key and value of a head.
enum class KvType : std::uint8_t { F32, F16, I8 };
std::string_view to_string(KvType type) noexcept;  ///< "f32", "f16", "int8"
std::optional<KvType> kv_type_from_name(std::string_view name) noexcept;

/// Rotary position embedding (Su et al. 2021, arXiv:2104.09864) over the pairs (i, i + dimensions/2) of a
/// head. The angle of pair i at position p is p · theta^(−2i/dimensions) / (linear_factor ·
/// frequency_factors[i]).
struct RopeConfig {
  double theta = 10000.0;
  std::uint32_t dimensions = 0;          ///< rotated dimensions of a head
  double linear_factor = 1.0;            ///< `linear` scaling
  std::vector<float> frequency_factors;  ///< `llama3` scaling, [dimensions/2]; empty: all 1
};

/// The shape of a decoder-only transformer, checked when read: every count is positive and heads divide
/// evenly.
struct ModelConfig {
  std::string architecture;  ///< a row of the architecture table: "bitnet-b1.58", "bitnet", "llama"
  std::string name;          ///< as the file calls the model; may be empty
  std::uint32_t vocab = 0;
  std::uint32_t hidden = 0;
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t ffn = 0;
  std::uint32_t context = 0;  ///< positions the model was trained for
  float norm_eps = 1e-5f;
  Activation activation = Activation::Silu;
  bool tied_embeddings = false;
  bool sub_norms = false;  ///< an RMSNorm before the attention's and the FFN's last product
  RopeConfig rope;
  std::optional<KvType> kv;  ///< of the cache, where the file asks for one (`quantize` chose it)
};

/// How ternary weights lie in memory. Results are the same bits; speed and size differ.
enum class Pack : std::uint8_t {
  File,          ///< as in the file where a kernel reads that, the rest as Auto
  Auto,          ///< what decodes fastest on this machine, measured once and remembered in the user's cache
                 ///< folder (`$XDG_CACHE_HOME/sterna/packings`); takes 0.2 s the first time
  TwoBit,        ///< 2 bits a weight: I2_S, or TQ2_0 where the file has it
  OnePoint6Bit,  ///< 1.69 bits a weight: TQ1_0, five weights to a byte
};

struct LoadOptions {
  bool map = true;              ///< memory-map the files; false reads them
  bool lock = false;            ///< lock the pages in memory
  std::uint32_t i2s_group = 0;  ///< 64 or 128: overrides what the file's evidence says; 0 decides from it
  std::string backend{};        ///< a backend's or a strategy's name, as in BackendOptions
  std::string kernel{};         ///< a kernel's or an instruction set's name, as in BackendOptions
  Pack pack = Pack::File;
  /// Keeps a copy of the head in 4 bits beside it, and generates with those rows of the head alone that the
  /// copy, with a proven bound, cannot exclude. Every token stays the same. Costs half a byte for each weight
  /// of the head and the time to make it; pays where much of the head can be excluded.
  bool screen_head = false;
  unsigned threads = 0;  ///< for repacking; 0 = physical cores
  Progress progress{};
};

/// How one weight is held in memory: `inspect` shows these.
struct WeightReport {
  std::string name;
  DType stored;
  std::vector<std::uint64_t> shape;  ///< outermost first
  std::uint64_t stored_bytes = 0;
  DType used;                     ///< what the kernels read
  std::uint64_t owned_bytes = 0;  ///< bytes allocated; 0 when used where it lies in the file
  std::string why;                ///< why it is not used as it lies; empty when it is
};

/// What ternary weights are repacked to, and why.
struct PackingReport {
  std::string name;  ///< "2bit" or "1.6bit"; empty when every weight lies as a kernel reads it
  std::string why;
};

class Model {
 public:
  /// Loads a GGUF file (the first of a split one) or a Hugging Face folder. Every name, shape and type is
  /// checked against the configuration and all faults are reported in one Error. Throws Io, Format,
  /// Unsupported, Mismatch.
  static std::shared_ptr<const Model> load(const std::filesystem::path& path,
                                           const LoadOptions& options = {});
  ~Model();

  const ModelConfig& config() const noexcept;
  const std::shared_ptr<const Tokenizer>& tokenizer() const;  ///< throws Unsupported when the files hold none
  bool has_tokenizer() const noexcept;
  /// The chat template's source in the model's metadata, or empty.
  const std::string& chat_template_source() const noexcept;
  const std::vector<WeightReport>& weights() const noexcept;
  const PackingReport& packing() const noexcept;
  /// Bytes read to produce one token: all linear weights, norms and the head; the embedding's row.
  std::uint64_t bytes_per_token() const noexcept;
  std::uint64_t parameters() const noexcept;
  /// Bytes of the head's 4-bit copy; 0 where none was asked for or the head cannot be screened (it has a
  /// bias, or weights that are not finite).
  std::uint64_t head_screen_bytes() const noexcept;
  /// Names of the kernels in use, for reports: "i2_s-avx2", "float-avx2".
  const std::vector<std::string>& kernels() const noexcept;
  /// What computes each operation, and why.
  const std::vector<BackendChoice>& backends() const noexcept;
  /// Sampling defaults of `generation_config.json`, if any.
  struct GenerationDefaults {
    std::optional<float> temperature, top_p, repeat_penalty;
    std::optional<std::int32_t> top_k;
    std::optional<bool> sample;
  };
  const GenerationDefaults& generation_defaults() const noexcept;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  friend class TrialModel;
  Model();
  static std::shared_ptr<Model> load_mutable(const std::filesystem::path& path, const LoadOptions& options);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sterna
