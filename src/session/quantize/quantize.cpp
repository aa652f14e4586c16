// The pipeline: what each matrix becomes, the file, and the report.
#include "sterna/quantize.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "model/checkpoint.hpp"
#include "model/kv_type.hpp"
#include "model/recovery/recover.hpp"
#include "quantize/precision.hpp"
#include "session/calibration/block_calibration.hpp"
#include "session/quantize/cache_choice.hpp"
#include "session/quantize/mixture.hpp"
#include "session/quantize/sensitivity.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"

namespace sterna {
namespace {

constexpr std::uint32_t kWindow = 512;
constexpr std::uint64_t kMostGramBytes = std::uint64_t{1} << 30;  // at a time
constexpr std::size_t kHistogramBins = 64;
constexpr Precision kOfLinears[] = {Precision::Ternary, Precision::Int2, Precision::Int4, Precision::Int8,
                                    Precision::F16};
// A row of the embedding is a token's only input: below four bits perplexity multiplies.
constexpr Precision kOfEmbeddings[] = {Precision::Int4, Precision::Int8, Precision::F16};

[[noreturn]] void contradiction(const std::string& what, const std::string& found,
                                const std::string& expected) {
  throw Error(ErrorCategory::InvalidArgument, what, {{"found", found}, {"expected", expected}});
}

bool is_float(const LinearSource& source) {
  return source.encoding == WeightEncoding::Dense;
}

void check_options(const QuantizeOptions& options) {
  const int goals = (options.precision ? 1 : 0) + (options.budget > 0) + (options.target_perplexity > 0) +
                    (options.policy ? 1 : 0);
  if (goals > 1) {
    contradiction("a precision for all, a budget, a target and a policy exclude each other",
                  std::to_string(goals) + " of them", "one");
  }
  const bool mixed = goals == 1 && !options.precision;
  if (mixed && options.calibration_text.empty()) {
    contradiction("choosing precisions by what they cost needs a text to measure that on", "none",
                  "a calibration text");
  }
  if (options.rounding == WeightRounding::Compensated && options.calibration_text.empty()) {
    contradiction("error-compensated rounding needs the inputs' second moments", "no text",
                  "a calibration text");
  }
  if (options.ternary_rule == TernaryRule::WeightedLeastSquares && options.calibration_text.empty()) {
    contradiction("weighting errors with the inputs needs their second moments", "no text",
                  "a calibration text");
  }
  if (options.finetune_steps > 0 && options.calibration_text.empty()) {
    contradiction("recovery needs a text to learn from", "none", "a calibration text");
  }
}

class Pipeline {
 public:
  Pipeline(const std::filesystem::path& in, const QuantizeOptions& options)
      : options_(options),
        checkpoint_(open_checkpoint(in, {.map = {}, .i2s_group = options.i2s_group})),
        pool_(options.threads) {
    report_.input = in.string();
    report_.ternary_rule = options.ternary_rule;
    collect();
  }

  QuantizeReport run(const std::filesystem::path& out) {
    const auto begin = std::chrono::steady_clock::now();
    calibrate();
    StoreOptions stored{.rounding = rounding_,
                        .ternary = options_.ternary.value_or(DType::TQ1_0),
                        .ternary_rule = options_.ternary_rule};
    if (calibration_) stored.input_of = [this](std::string_view linear) { return calibration_->of(linear); };
    MatrixStore store(stored, pool_);
    choose(store);
    choose_cache(store);
    if (options_.finetune_steps > 0) recover(store);
    write(out, store);
    evaluate(out);
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return std::move(report_);
  }

 private:
  /// Every float matrix with the precisions it may have.
  void collect() {
    const bool mixed =
        !options_.precision && (options_.budget > 0 || options_.target_perplexity > 0 || options_.policy);
    const auto add = [&](LinearSource source, std::size_t block, std::span<const Precision> all,
                         std::optional<Precision> one) {
      OpenMatrix candidate{std::move(source), block, {}};
      if (const auto rule = decided(options_.rules, candidate.source.name)) one = rule;
      if (one) {
        candidate.precisions = {*one};
      } else {
        candidate.precisions.assign(all.begin(), all.end());
        // What does not fit a type's blocks is not among the choices.
        std::erase_if(candidate.precisions, [&](Precision precision) {
          const Grid* grid = grid_of(precision);
          return grid && candidate.source.cols % grid->group != 0;
        });
      }
      candidates_.push_back(std::move(candidate));
    };
    bool any_float = false;
    for (const LayerSource& layer : checkpoint_.layers) {
      for_each_linear(layer, [&](const LinearSource& source) { any_float = any_float || is_float(source); });
    }
    std::optional<Precision> uniform = options_.precision;
    if (!any_float && uniform && *uniform != Precision::Ternary) {
      contradiction("the model's linear layers are ternary already, and lose nothing as such",
                    std::string(to_string(*uniform)), "ternary");
    }
    if (any_float && !uniform && !mixed) {
      contradiction("what the float layers shall become is not said", "nothing",
                    "a precision, a budget, a target perplexity or a policy");
    }
    if (!any_float && options_.ternary_rule) {
      contradiction("the model's linear layers are ternary already, and keep their scales",
                    std::string(to_string(*options_.ternary_rule)), "no rule");
    }
    if (any_float && options_.ternary == DType::I2_S) {
      contradiction("float layers that become ternary have a scale for every 256 weights", "i2_s",
                    "tq1_0 or tq2_0");
    }
    const std::optional<Precision> head = options_.embedding ? options_.embedding
                                          : mixed            ? std::nullopt
                                                             : std::optional(Precision::F16);
    const std::size_t blocks = checkpoint_.layers.size();
    add(embedding_source(checkpoint_), 0, kOfEmbeddings, head);
    if (!checkpoint_.config.tied_embeddings) add(checkpoint_.head, blocks, kOfEmbeddings, head);
    for (std::size_t n = 0; n < blocks; ++n) {
      for_each_linear(checkpoint_.layers[n], [&](const LinearSource& source) {
        if (is_float(source)) add(source, n, kOfLinears, uniform);
      });
    }
    exact_ = !any_float;
  }

  void calibrate() {
    rounding_ = options_.rounding.value_or(WeightRounding::LeastSquares);
    const bool text = !options_.calibration_text.empty() && !exact_;
    if (text) {
      trial_.emplace(checkpoint_.path,
                     LoadOptions{.i2s_group = options_.i2s_group, .threads = options_.threads});
      const std::uint64_t bytes = checkpoint_.layers.size() * block_gram_bytes(*trial_->model());
      if (!options_.rounding && bytes <= kMostGramBytes) rounding_ = WeightRounding::Compensated;
    }
    report_.rounding = exact_ ? "exact" : std::string(to_string(rounding_));
    const bool weighed =
        rounding_ != WeightRounding::Nearest || options_.ternary_rule == TernaryRule::WeightedLeastSquares;
    if (!text || !weighed) return;
    calibration_.emplace(trial_->model(), options_.calibration_text,
                         CalibrationOptions{.window = kWindow,
                                            .max_tokens = options_.calibration_tokens,
                                            .gram = rounding_ == WeightRounding::Compensated,
                                            .threads = options_.threads,
                                            .progress = options_.progress},
                         kMostGramBytes, pool_);
    report_.calibration_tokens = calibration_->tokens();
  }

  /// The precision of every candidate, and the report of what was weighed.
  void choose(MatrixStore& store) {
    const bool open =
        std::ranges::any_of(candidates_, [](const OpenMatrix& c) { return c.precisions.size() > 1; });
    report_.matrices.resize(candidates_.size());
    std::vector<std::uint32_t> choice(candidates_.size(), 0);
    if (open) {
      const LogitJudge& judge = calibration_judge();
      const bool speed = options_.policy && policy_row(*options_.policy).least == PolicyRow::Least::TokenTime;
      auto measured = measure_sensitivities(candidates_, store, *trial_, judge,
                                            {.time = speed, .progress = options_.progress});
      Mixture mixture(candidates_, measured, store, *trial_, judge, options_);
      const Assignment chosen = mixture.choose();
      choice = chosen.choice;
      report_.predicted_nll = chosen.loss;
      report_.gap = chosen.gap;
      if (options_.frontier > 0) measure_frontier(chosen, measured, store);
      for (std::size_t i = 0; i < candidates_.size(); ++i)
        report_.matrices[i].sensitivity = std::move(measured[i].sensitivities);
    }
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const auto& [source, block, precisions] = candidates_[i];
      MatrixReport& row = report_.matrices[i];
      row.name = source.name;
      row.rows = source.rows;
      row.cols = source.cols;
      row.chosen = precisions[choice[i]];
      row.stored = store.dtype_of(row.chosen);
      row.bytes = *storage_bytes(row.stored, source.rows, source.cols);
      report_.matrix_bytes += row.bytes;
      report_.float_bytes += *storage_bytes(DType::F16, source.rows, source.cols);
    }
    for (const LayerSource& layer : checkpoint_.layers) {
      for_each_linear(layer, [&](const LinearSource& source) {
        if (!is_float(source)) add_exact(source);
      });
    }
  }

  /// Of the float model, on windows of the calibration text.
  const LogitJudge& calibration_judge() {
    if (!judge_) {
      judge_.emplace(*trial_->model(),
                     even_windows(*trial_->model()->tokenizer(), options_.calibration_text, kWindow,
                                  options_.sensitivity_tokens),
                     pool_);
    }
    return *judge_;
  }

  void choose_cache(MatrixStore& store) {
    if (options_.kv) checkpoint_.config.kv = options_.kv;
    if (trial_ && !options_.kv) {
      const LogitJudge& judge = calibration_judge();
      take_chosen(store);
      report_.kv = measure_caches(judge, *trial_->model(), options_.progress);
      trial_->restore();
      checkpoint_.config.kv = smallest_cache(report_.kv, most_rise(options_, judge));
    }
    report_.kv_type = checkpoint_.config.kv;
    judge_.reset();
  }

  /// The trial with every matrix as it was chosen.
  void take_chosen(MatrixStore& store) {
    std::vector<Precision> precisions;
    for (std::size_t i = 0; i < candidates_.size(); ++i) precisions.push_back(report_.matrices[i].chosen);
    replace_all(candidates_, precisions, store, *trial_);
  }

  /// On the windows that the file is judged on.
  void measure_frontier(const Assignment& chosen, const std::vector<Measured>& measured, MatrixStore& store) {
    const LogitJudge judge(*trial_->model(), judged_windows(), pool_);
    report_.frontier = Mixture(candidates_, measured, store, *trial_, judge, options_).frontier(chosen);
    report_.frontier_float_perplexity = std::exp(judge.reference_nll());
  }

  /// A layer that keeps its trits and scale.
  void add_exact(const LinearSource& source) {
    MatrixReport row;
    row.name = source.name;
    row.rows = source.rows;
    row.cols = source.cols;
    row.chosen = Precision::Ternary;
    row.stored = options_.ternary.value_or(DType::I2_S);
    row.bytes = *storage_bytes(row.stored, source.rows, source.cols);
    row.error.sqnr = std::numeric_limits<double>::infinity();
    row.error.cosine = 1;
    report_.matrix_bytes += row.bytes;
    report_.float_bytes += *storage_bytes(DType::F16, source.rows, source.cols);
    report_.matrices.push_back(std::move(row));
  }

  /// Trains what has scales, and keeps it for the file.
  void recover(MatrixStore& store) {
    if (exact_) {
      contradiction("recovery trains the scales of quantised float layers",
                    "a model trained for ternary weights", "a model with float layers");
    }
    const Tokenizer& tokenizer = *trial_->model()->tokenizer();
    std::vector<QuantizedBlock> blocks(checkpoint_.layers.size());
    if (candidates_.size() < kBlockLinears * blocks.size()) {
      contradiction("recovery trains whole blocks", "some linear layers are ternary already", "float layers");
    }
    std::size_t at = candidates_.size() - kBlockLinears * blocks.size();  // after embedding and head
    for (QuantizedBlock& block : blocks) {
      for (GridMatrix& linear : block) {
        const LinearSource& source = candidates_[at].source;
        const Precision chosen = report_.matrices[at].chosen;
        ++at;
        if (grid_of(chosen)) linear = store.round(source, chosen);
      }
    }
    nll_unrecovered_ = unrecovered_nll(store);
    const auto recovered = sterna::recover(
        *trial_->model(), blocks,
        even_windows(tokenizer, options_.calibration_text, kWindow, options_.calibration_tokens),
        {.steps = options_.finetune_steps, .progress = options_.progress});
    at = candidates_.size() - kBlockLinears * blocks.size();
    for (std::size_t n = 0; n < blocks.size(); ++n) {
      for (std::size_t i = 0; i < kBlockLinears; ++i, ++at) {
        GridMatrix& linear = blocks[n][i];
        if (linear.codes.empty()) continue;
        linear.scales = recovered[n].scales[i];
        recovered_[at] = std::move(linear);
      }
      const auto keep = [&](WeightId id, const std::vector<float>& norm) {
        if (!norm.empty())
          recovered_norms_[gguf_name(*checkpoint_.architecture, id, static_cast<std::uint32_t>(n))] = norm;
      };
      keep(WeightId::AttentionNorm, recovered[n].attention_norm);
      keep(WeightId::AttentionSubNorm, recovered[n].attention_sub_norm);
      keep(WeightId::FfnNorm, recovered[n].ffn_norm);
      keep(WeightId::FfnSubNorm, recovered[n].ffn_sub_norm);
    }
  }

  /// On the windows that the written file is judged on.
  double unrecovered_nll(MatrixStore& store) {
    take_chosen(store);
    const LogitJudge judge(*trial_->model(), judged_windows(), pool_);
    trial_->restore();
    return judge.reference_nll();
  }

  std::vector<std::vector<TokenId>> judged_windows() const {
    const bool held_out = !options_.evaluation_text.empty();
    return even_windows(*trial_->model()->tokenizer(),
                        held_out ? options_.evaluation_text : options_.calibration_text, kWindow,
                        options_.sensitivity_tokens);
  }

  void write(const std::filesystem::path& out, MatrixStore& store) {
    WriteOptions write{.ternary = options_.ternary.value_or(DType::I2_S),
                       .norms = recovered_norms_,
                       .threads = options_.threads,
                       .progress = options_.progress};
    std::vector<StoreErrors> errors(candidates_.size());
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const LinearSource& source = candidates_[i].source;
      MatrixReport& row = report_.matrices[i];
      const auto given = recovered_.find(i);
      MatrixEncoder encoder = given == recovered_.end()
                                  ? store.encoder(source, row.chosen, errors[i])
                                  : store.encoder(source, row.chosen, std::move(given->second), errors[i]);
      const auto encode = std::move(encoder.encode);
      encoder.encode = [encode, &row](std::uint64_t first, std::uint64_t rows, std::span<const float> w,
                                      MutableBytes bytes) {
        count(w, first == 0, row);
        encode(first, rows, w, bytes);
      };
      write.encoders.emplace(source.name, std::move(encoder));
    }
    const ConvertReport written = write_model(checkpoint_, out, write);
    report_.output = out.string();
    report_.bytes = written.bytes;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      report_.matrices[i].error = errors[i].weights.weight_error();
      report_.matrices[i].output_error =
          errors[i].outputs_known ? errors[i].outputs.relative() : std::numeric_limits<double>::quiet_NaN();
    }
  }

  /// Adds weights to a matrix's histogram, whose range the first rows decide: twice their largest magnitude.
  static void count(std::span<const float> w, bool first, MatrixReport& row) {
    if (first) {
      float most = 0;
      for (const float x : w) most = std::max(most, std::abs(x));
      row.histogram_most = most > 0 ? static_cast<double>(most) : 1;
      row.histogram_least = -row.histogram_most;
      row.histogram.assign(kHistogramBins, 0);
    }
    const double per_bin = (row.histogram_most - row.histogram_least) / kHistogramBins;
    for (const float x : w) {
      const double bin = (static_cast<double>(x) - row.histogram_least) / per_bin;
      ++row.histogram[static_cast<std::size_t>(std::clamp(bin, 0.0, kHistogramBins - 1.0))];
    }
  }

  void evaluate(const std::filesystem::path& out) {
    report_.held_out = !options_.evaluation_text.empty();
    const std::string_view text = report_.held_out ? options_.evaluation_text : options_.calibration_text;
    if (text.empty()) return;
    const LoadOptions load{.i2s_group = options_.i2s_group, .threads = options_.threads};
    const auto with = [&](std::optional<KvType> kv) {
      return SessionOptions{.threads = options_.threads, .kv = kv};
    };
    const auto original = Model::load(checkpoint_.path, load);
    const auto quantised = Model::load(out, {.threads = options_.threads});
    const auto windows = even_windows(*original->tokenizer(), text, kWindow, options_.sensitivity_tokens);
    if (report_.held_out) {
      report_.float_perplexity =
          perplexity(original, text, kWindow, with(KvType::F32), options_.progress).perplexity;
      const auto measured = perplexity(quantised, text, kWindow, with({}), options_.progress);
      report_.perplexity = measured.perplexity;
      report_.evaluated_tokens = measured.tokens;
    }
    const LogitJudge judge(*original, windows, pool_);
    const Judgement judgement = judge.judge(*quantised, quantised->config().kv.value_or(KvType::F32));
    report_.kl = judgement.kl;
    if (options_.finetune_steps > 0) report_.recovered_nll = nll_unrecovered_ - judge.judge(*quantised).nll;
    report_.top1 = judgement.top1;
    if (!report_.held_out) {  // a calibration text is long: the windows that were judged stand for it
      report_.float_perplexity = std::exp(judge.reference_nll());
      report_.perplexity = std::exp(judgement.nll);
      report_.evaluated_tokens = judgement.tokens;
      return;
    }
    if (!options_.measure_kv) return;
    const KvType cache = quantised->config().kv.value_or(KvType::F32);
    for (const KvTypeRow& type : kv_types()) {
      auto row = std::ranges::find(report_.kv, type.type, &KvReport::type);
      if (row == report_.kv.end()) {
        constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
        row = report_.kv.insert(row, {type.type, kv_bytes_per_token(quantised->config(), type.type), kUnknown,
                                      kUnknown, kUnknown});
      }
      row->perplexity =
          type.type == cache
              ? report_.perplexity
              : perplexity(quantised, text, kWindow, with(type.type), options_.progress).perplexity;
    }
  }

  const QuantizeOptions& options_;
  Checkpoint checkpoint_;
  ThreadPool pool_;
  std::vector<OpenMatrix> candidates_;
  bool exact_ = false;  ///< every linear layer is ternary already
  WeightRounding rounding_ = WeightRounding::LeastSquares;
  std::optional<TrialModel> trial_;  ///< none without a calibration text
  std::optional<LogitJudge> judge_;  ///< while precisions and the cache are chosen
  std::optional<BlockCalibration> calibration_;
  std::map<std::size_t, GridMatrix> recovered_;  ///< by candidate
  std::map<std::string, std::vector<float>> recovered_norms_;
  double nll_unrecovered_ = 0;
  QuantizeReport report_;
};

}  // namespace

namespace {
struct RoundingName {
  WeightRounding rounding;
  std::string_view name;
};
constexpr RoundingName kRoundings[] = {{WeightRounding::Nearest, "nearest"},
                                       {WeightRounding::LeastSquares, "least-squares"},
                                       {WeightRounding::Compensated, "compensated"}};
}  // namespace

std::string_view to_string(WeightRounding rounding) noexcept {
  return std::ranges::find(kRoundings, rounding, &RoundingName::rounding)->name;
}

std::optional<WeightRounding> rounding_from_name(std::string_view name) noexcept {
  const auto* row = std::ranges::find(kRoundings, name, &RoundingName::name);
  return row == std::end(kRoundings) ? std::nullopt : std::optional(row->rounding);
}

QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options) {
  check_options(options);
  return Pipeline(in, options).run(out);
}

std::uint64_t float_bytes(const std::filesystem::path& in, std::uint32_t i2s_group) {
  const Checkpoint checkpoint = open_checkpoint(in, {.map = {}, .i2s_group = i2s_group});
  const ModelConfig& config = checkpoint.config;
  std::uint64_t weights = std::uint64_t{config.vocab} * config.hidden * (config.tied_embeddings ? 1 : 2);
  for (const LayerSource& layer : checkpoint.layers) {
    for_each_linear(layer, [&](const LinearSource& source) { weights += source.rows * source.cols; });
  }
  return *storage_bytes(DType::F16, 1, weights);
}

}  // namespace sterna
