// From a float checkpoint to a small model: what each choice costs, a good one under a budget, and the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/dtype.hpp"
#include "sterna/log.hpp"
#include "sterna/model.hpp"
#include "sterna/precision.hpp"

namespace sterna {

/// One matrix stored in one precision, all others left in float.
struct Sensitivity {
  Precision precision;
  std::uint64_t bytes = 0;
  WeightError weights;
  double output_error = 0;  ///< Σ |ŵx − wx|² / Σ |wx|² over the calibration's inputs x; NaN without their
                            ///< second moments
  double nll = 0;  ///< mean negative log-likelihood, nats a token, minus the float model's
  double kl = 0;   ///< mean KL(float ‖ changed) of the next token, nats: what assignments minimise
};

struct MatrixReport {
  std::string name;  ///< "blk.0.attn_q"
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  Precision chosen = Precision::F16;
  DType stored = DType::F16;
  std::uint64_t bytes = 0;
  WeightError error;
  double output_error = 0;               ///< as in Sensitivity, of what was written
  std::vector<Sensitivity> sensitivity;  ///< empty where nothing was to be chosen
  double histogram_least = 0;            ///< weights: equal bins over [least, most]
  double histogram_most = 0;
  std::vector<std::uint64_t> histogram;
};

/// An optimal assignment for one budget.
struct FrontierPoint {
  std::uint64_t bytes = 0;   ///< of all matrices and the embedding
  double predicted_nll = 0;  ///< sum of the sensitivities' KL
  double perplexity = 0;     ///< measured, with an f32 cache
  bool chosen = false;
};

/// The whole model, its matrices as chosen, with keys and values cached in one type.
struct KvReport {
  KvType type;
  std::uint64_t bytes_per_token = 0;
  double nll = 0;         ///< as in Sensitivity; NaN where it was not measured
  double kl = 0;          ///< likewise
  double perplexity = 0;  ///< of the written file on the evaluation text; NaN where it was not measured
};

enum class WeightRounding : std::uint8_t {
  Nearest,       ///< the scales of ggml's reference quantisers, every weight to the nearest code
  LeastSquares,  ///< scales of the least squared error, weighed by the inputs' second moments where known
  Compensated,   ///< GPTQ: each weight makes good for the errors of those before it; needs a calibration text
};
std::string_view to_string(WeightRounding rounding) noexcept;  ///< "nearest", "least-squares", "compensated"
std::optional<WeightRounding> rounding_from_name(std::string_view name) noexcept;

struct QuantizeOptions {
  /// Of every linear layer; none: mixed, as budget, target or policy say (one of the three).
  std::optional<Precision> precision{};
  std::uint64_t budget = 0;      ///< bytes of all matrices, embedding and head included
  double target_perplexity = 0;  ///< the least bytes whose predicted perplexity is within it
  std::optional<Policy> policy{};
  std::vector<PrecisionRule> rules{};  ///< before all else
  /// The type of the key and value cache that the file asks for. None: with a calibration text the smallest
  /// that costs little. With a target or a policy the perplexity on that text stays within it; else KL from
  /// the float model grows by at most 5 % of what the matrices cost. Without such a text, or where the layers
  /// keep their trits, the file asks for what the input does.
  std::optional<KvType> kv{};
  std::optional<Precision> embedding{};  ///< F16, Int8 or Int4; none: chosen when mixed, else F16
  /// Of ternary matrices: of float layers TQ1_0 (none takes it) or TQ2_0, of layers trained so I2_S too (none
  /// takes that).
  std::optional<DType> ternary{};
  /// Of the groups of float layers' matrices that become ternary; none: the scale of AbsMean with Nearest,
  /// else of least squares, and each weight to the nearest trit. WeightedLeastSquares needs a calibration
  /// text.
  std::optional<TernaryRule> ternary_rule{};
  std::optional<WeightRounding>
      rounding{};  ///< none: Compensated with a calibration text whose moments fit in 1 GB
  std::string_view calibration_text{};
  std::string_view evaluation_text{};  ///< for the report's perplexities; should not be the calibration's
  std::uint64_t calibration_tokens = 32768;
  std::uint64_t sensitivity_tokens = 2044;  ///< of the calibration text, for each matrix in each precision
  unsigned frontier = 6;    ///< budgets whose assignments are measured for the report; 0: none
  bool measure_kv = false;  ///< perplexity with each type of the key and value cache, on the evaluation text
  unsigned finetune_steps = 0;  ///< of recovery, for each block
  std::uint32_t i2s_group = 0;  ///< of the input, as in LoadOptions
  unsigned threads = 0;
  Progress progress{};
};

struct QuantizeReport {
  std::string input;
  std::string output;
  std::string rounding;                     ///< "nearest", "least-squares", "compensated"; "exact" for trits
  std::optional<TernaryRule> ternary_rule;  ///< as asked for
  std::uint64_t bytes = 0;                  ///< of the file
  std::uint64_t matrix_bytes = 0;           ///< what a budget counts
  std::uint64_t float_bytes = 0;            ///< the same in f16
  double float_perplexity = 0;              ///< 0: nothing was evaluated
  double perplexity = 0;  ///< of the file written, with the cache it asks for; as kl and top1
  double kl = 0;          ///< mean KL(float ‖ quantised), nats a token
  double top1 = 0;        ///< share of positions with the same most likely token
  bool held_out = false;  ///< the evaluation had a text of its own
  std::uint64_t evaluated_tokens = 0;
  std::uint64_t calibration_tokens = 0;
  double predicted_nll = 0;  ///< sum of the chosen sensitivities' KL: what the rise should be
  double gap = 0;            ///< how much less any other assignment within the budget could predict
  std::vector<MatrixReport> matrices;
  std::vector<FrontierPoint> frontier;   ///< by bytes; empty without a mixed assignment
  double frontier_float_perplexity = 0;  ///< on the windows that its points were measured on
  std::optional<KvType> kv_type;         ///< of the cache that the file asks for; none: it does not
  std::vector<KvReport> kv;              ///< the largest first; empty where none was measured
  double recovered_nll = 0;              ///< nats a token that recovery won back on the evaluation text
  double seconds = 0;
};

/// Reads a Hugging Face folder or a GGUF and writes a GGUF whose matrices are stored as the options say,
/// atomically.
///
/// A model whose linear layers are ternary already (trained so) keeps exactly its trits and scales; only its
/// embedding and head can be stored otherwise. Matrices of float layers stay float layers: what is ternary
/// there has a scale for every 256 weights and float inputs.
///
/// Without a text nothing runs the model: a matrix at a time goes through memory. With
/// WeightRounding::Compensated last bits depend on the processor's LAPACK; otherwise the file is the same on
/// every machine. At most 1 GB of second moments are held at a time: of as many blocks as that is, one group
/// after another.
///
/// Throws InvalidArgument for options that contradict each other or lack what they need, Limit for second
/// moments of one block beyond 1 GB, for too many calibration tokens to be kept between groups of blocks, and
/// for a budget below the least possible (which it names), Mismatch where a matrix's columns are no multiple
/// of a block; and what Model::load throws.
QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options);

/// Bytes of all matrices in f16, embedding and head included: what a share of means. Reads no weights.
std::uint64_t float_bytes(const std::filesystem::path& in, std::uint32_t i2s_group = 0);

}  // namespace sterna
