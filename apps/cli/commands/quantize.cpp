#include "sterna/quantize.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "platform/atomic_file.hpp"
#include "quantize/precision.hpp"
#include "quantize/report.hpp"
#include "quantize/ternary.hpp"
#include "sterna/error.hpp"
#include "support/budget.hpp"
#include "support/interrupt.hpp"
#include "support/openblas.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

struct Args {
  std::string in;
  std::string out;
  std::string type;
  std::string budget;
  double target = 0;
  std::string policy;
  std::string rules;
  std::string embedding;
  std::string ternary;
  std::string ternary_rule;
  std::string rounding;
  std::string kv;
  std::string calibrate;
  std::string evaluate;
  std::string report;
  std::uint64_t calibration_tokens = QuantizeOptions{}.calibration_tokens;
  std::uint64_t sensitivity_tokens = QuantizeOptions{}.sensitivity_tokens;
  unsigned frontier = QuantizeOptions{}.frontier;
  unsigned finetune = 0;
  std::uint32_t i2s_group = 0;
  unsigned threads = 0;
  bool json = false;
};

void write_file(const std::filesystem::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

/// How many matrices, weights and bytes each precision got.
std::string summary(const QuantizeReport& report) {
  struct Sum {
    std::uint64_t matrices = 0;
    std::uint64_t weights = 0;
    std::uint64_t bytes = 0;
  };
  std::map<Precision, Sum> sums;
  for (const MatrixReport& matrix : report.matrices) {
    Sum& sum = sums[matrix.chosen];
    ++sum.matrices;
    sum.weights += matrix.rows * matrix.cols;
    sum.bytes += matrix.bytes;
  }
  Table table({"precision", "matrices", "weights", "bytes", "bits a weight"}, "lrrrr");
  for (const auto& [precision, sum] : sums) {
    table.add(
        {std::string(to_string(precision)), std::to_string(sum.matrices), format_count(sum.weights),
         format_bytes(sum.bytes),
         fmt::format("{:.2f}", 8.0 * static_cast<double>(sum.bytes) / static_cast<double>(sum.weights))});
  }
  return table.str();
}

std::string text_of(const QuantizeReport& report) {
  std::string text = summary(report);
  text +=
      fmt::format("\n{}: {} ({} of matrices, {} in f16), rounding {}{}, in {}\n", report.output,
                  format_bytes(report.bytes), format_bytes(report.matrix_bytes),
                  format_bytes(report.float_bytes), report.rounding,
                  report.ternary_rule ? fmt::format(", ternary by {}", to_string(*report.ternary_rule)) : "",
                  format_seconds(report.seconds));
  if (report.kv_type) text += fmt::format("key and value cache {}\n", to_string(*report.kv_type));
  if (report.evaluated_tokens > 0) {
    text += fmt::format(
        "perplexity {:.4f}, of the input {:.4f} ({:+.2f} %); KL {:.5f} nats a token, the same token first at "
        "{:.1f} % "
        "of positions\n",
        report.perplexity, report.float_perplexity, 100 * (report.perplexity / report.float_perplexity - 1),
        report.kl, 100 * report.top1);
    if (!report.held_out) text += "measured on the calibration text: on another it will be a little worse\n";
  }
  return text;
}

int quantize_model(const Args& args) {
  if (!args.calibrate.empty()) restart_with(openblas_settings());  // Cholesky factors, and recovery
  QuantizeOptions options;
  if (!args.type.empty()) options.precision = precision_from_name(args.type);
  options.target_perplexity = args.target;
  if (!args.policy.empty()) options.policy = policy_from_name(args.policy);
  if (!args.rules.empty()) options.rules = read_precision_rules(args.rules);
  if (!args.embedding.empty()) options.embedding = precision_from_name(args.embedding);
  if (!args.ternary.empty()) options.ternary = dtype_from_name(args.ternary);
  if (!args.ternary_rule.empty()) options.ternary_rule = ternary_rule_from_name(args.ternary_rule);
  if (!args.rounding.empty()) options.rounding = rounding_from_name(args.rounding);
  if (!args.kv.empty()) options.kv = kv_type_from_name(args.kv);  // none for auto
  const std::string calibration = args.calibrate.empty() ? "" : read_text(args.calibrate);
  const std::string evaluation = args.evaluate.empty() ? "" : read_text(args.evaluate);
  options.calibration_text = calibration;
  options.evaluation_text = evaluation;
  options.calibration_tokens = args.calibration_tokens;
  options.sensitivity_tokens = args.sensitivity_tokens;
  options.frontier = args.frontier;
  options.measure_kv = !args.report.empty();
  options.finetune_steps = args.finetune;
  options.i2s_group = args.i2s_group;
  options.threads = args.threads;
  if (!args.budget.empty()) {
    const bool share = args.budget.find('%') != std::string::npos;
    options.budget = parse_budget(args.budget, share ? float_bytes(args.in, args.i2s_group) : 0);
  }
  QuantizeReport report;
  {
    const InterruptGuard guard;
    ProgressBar bar;
    options.progress = bar.callback("quantising");
    report = quantize(args.in, args.out, options);
  }
  if (!args.report.empty()) {
    write_file(args.report, html_report(report));
    write_file(std::filesystem::path(args.report).replace_extension(".json"),
               json_report(report).dump(2) + "\n");
  }
  if (args.json) {
    write_json(json_report(report));
  } else {
    write_out(text_of(report));
  }
  return kSuccess;
}

std::vector<std::string> precisions(std::initializer_list<Precision> all) {
  std::vector<std::string> names;
  for (const Precision precision : all) names.emplace_back(to_string(precision));
  return names;
}

std::vector<std::string> ternary_rule_names() {
  std::vector<std::string> names;
  for (const TernaryRuleInfo& row : ternary_rules()) names.emplace_back(row.name);
  return names;
}

}  // namespace

Action setup_quantize(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("IN", args->in, "Hugging Face folder or GGUF file")->option_text(" ")->required();
  app.add_option("OUT", args->out, "GGUF file to write")->option_text(" ")->required();
  app.add_option("--type", args->type, "All linear layers: ternary, int2, int4, int8 or f16")
      ->option_text("PRECISION")
      ->check(CLI::IsMember(precisions(
          {Precision::Ternary, Precision::Int2, Precision::Int4, Precision::Int8, Precision::F16})));
  app.add_option("--budget", args->budget,
                 "Mixed precisions within so many bytes of matrices: 12MB, 9MiB, 40%")
      ->option_text("SIZE");
  app.add_option("--target-ppl", args->target,
                 "Mixed: the fewest bytes with this perplexity on the calibration text")
      ->option_text("P")
      ->check(CLI::PositiveNumber);
  app.add_option("--policy", args->policy, "Mixed: memory, balanced, accuracy or speed")
      ->option_text("POLICY")
      ->check(CLI::IsMember({"memory", "balanced", "accuracy", "speed"}));
  app.add_option("--rules", args->rules, "JSON file of precisions by name pattern, before all else")
      ->option_text("FILE");
  app.add_option("--embedding", args->embedding,
                 "Embedding and head: int4, int8 or f16 (f16, or chosen when mixed)")
      ->option_text("PRECISION")
      ->check(CLI::IsMember(precisions({Precision::Int4, Precision::Int8, Precision::F16})));
  app.add_option("--ternary", args->ternary, "Type of ternary matrices: tq1_0, tq2_0 or i2_s")
      ->option_text("TYPE")
      ->check(CLI::IsMember({"tq1_0", "tq2_0", "i2_s"}));
  const std::vector<std::string> rules = ternary_rule_names();
  app.add_option("--ternary-rule", args->ternary_rule,
                 fmt::format("Rule for threshold and scale of ternary groups (none: by --rounding):\n{}",
                             fmt::join(rules, ", ")))
      ->option_text("RULE")
      ->check(CLI::IsMember(rules));
  app.add_option("--rounding", args->rounding,
                 "nearest, least-squares or compensated (compensated with a calibration text)")
      ->option_text("HOW")
      ->check(CLI::IsMember({"nearest", "least-squares", "compensated"}));
  app.add_option("--kv", args->kv,
                 "Type of the key and value cache that the file asks for; auto: the smallest that costs "
                 "little\non the calibration text (auto)")
      ->option_text("auto|f32|f16|int8")
      ->check(CLI::IsMember({"auto", "f32", "f16", "int8"}));
  app.add_option("--calibrate", args->calibrate, "Text whose activations and losses decide")
      ->option_text("FILE");
  app.add_option("--calibration-tokens", args->calibration_tokens, "Tokens of it for the activations (32768)")
      ->option_text("N");
  app.add_option("--sensitivity-tokens", args->sensitivity_tokens,
                 "Tokens of it for each matrix in each precision (2044)")
      ->option_text("N");
  app.add_option("-f,--evaluate", args->evaluate, "Other text, for perplexities before and after")
      ->option_text("FILE");
  app.add_option("--frontier", args->frontier, "Budgets to measure for the report when mixed (6); 0: none")
      ->option_text("N");
  app.add_option("--finetune", args->finetune, "Steps of recovery for each block: norms and scales learn (0)")
      ->option_text("STEPS");
  app.add_option("--report", args->report, "HTML page with plots; JSON beside it")->option_text("FILE.html");
  add_i2s_group_option(app, args->i2s_group);
  add_threads_option(app, args->threads);
  add_json_flag(app, args->json);
  app.footer(
      "A model that was trained with ternary weights keeps its trits and scales exactly. One with float "
      "layers\n"
      "needs --type for all of them, or one of --budget, --target-ppl and --policy, which measure on the\n"
      "calibration text what every matrix loses in every precision and take the best assignment.\n"
      "The file is written whole or not at all.\n\n"
      "Of float layers that become ternary, 256 weights share a scale. By --rounding it is their absmean\n"
      "(nearest) or that of the least squared error, and each weight takes the nearest trit. --ternary-rule\n"
      "takes a rule's scale instead, and its threshold, up to which weights become 0, with any rounding.\n\n"
      "Examples:\n"
      "  sterna quantize my-model/ int4.gguf --type int4 --calibrate train.txt -f heldout.txt\n"
      "  sterna quantize my-model/ small.gguf --budget 12MB --calibrate train.txt --report small.html\n"
      "  sterna quantize bitnet-model/ ternary.gguf");
  return [args] { return quantize_model(*args); };
}

}  // namespace sterna::cli
