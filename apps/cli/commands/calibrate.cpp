#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/calibration.hpp"
#include "sterna/error.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  CalibrationOptions options;
  std::string windows{to_string(CalibrationOptions{}.windows)};
  std::string file;
  std::string out;
  double outliers = 8;
  bool resume = false;
  bool json = false;
};

constexpr double kPercentiles[] = {50, 90, 99, 99.9, 99.99};
constexpr ClipRule kRules[] = {ClipRule::MinMax, ClipRule::Percentile, ClipRule::Mse, ClipRule::Entropy};

nlohmann::ordered_json json_of(const InputStatistics& input, double ratio) {
  nlohmann::ordered_json percentiles, ranges;
  auto standing_out = nlohmann::ordered_json::array();
  for (const double p : kPercentiles)
    percentiles[fmt::format("{:g}", p)] = magnitude_percentile(input, p / 100);
  for (const ClipRule rule : kRules) ranges[std::string(to_string(rule))] = clip_range(input, rule);
  for (const Outlier& outlier : outliers(input, ratio)) {
    standing_out.push_back(
        {{"channel", outlier.channel}, {"most", shortest(outlier.most)}, {"ratio", outlier.ratio}});
  }
  return {{"name", input.name},
          {"channels", input.channels},
          {"least", shortest(input.least)},
          {"most", shortest(input.most)},
          {"ema_least", input.ema_least},
          {"ema_most", input.ema_most},
          {"mean", input.mean},
          {"deviation", std::sqrt(input.variance)},
          {"skewness", input.skewness},
          {"kurtosis", input.kurtosis},
          {"percentiles", percentiles},
          {"ranges", ranges},
          {"outliers", standing_out}};
}

std::string text_of(const Calibration& calibration, double ratio) {
  std::string text =
      fmt::format("{:<20} {:>8} {:>9} {:>9} {:>9} {:>8} {:>9} {:>9} {:>8}\n", "input", "channels", "least",
                  "most", "99.99 %", "rms", "kurtosis", "clip mse", "outliers");
  for (const InputStatistics& input : calibration.inputs) {
    text +=
        fmt::format("{:<20} {:>8} {:>9.3f} {:>9.3f} {:>9.3f} {:>8.3f} {:>9.1f} {:>9.3f} {:>8}\n", input.name,
                    input.channels, input.least, input.most, magnitude_percentile(input, 0.9999),
                    std::sqrt(input.variance + input.mean * input.mean), input.kurtosis,
                    clip_range(input, ClipRule::Mse), outliers(input, ratio).size());
  }
  return text;
}

int measure(Args args) {
  // Known before the work, not after it.
  if (args.out.ends_with(".safetensors")) {
    throw Error(ErrorCategory::InvalidArgument,
                "the output is JSON, and its tensors lie beside it as .safetensors", {{"found", args.out}});
  }
  const std::string text = read_text(args.file);
  const auto model = load_model(args.model);
  args.options.threads = args.model.threads;
  args.options.windows = *windows_from_name(args.windows);
  if (args.resume) args.options.resume = args.out + ".unfinished";
  const auto begin = std::chrono::steady_clock::now();
  Calibration calibration;
  {
    const InterruptGuard guard;
    ProgressBar bar;
    args.options.progress = bar.callback("calibrating");
    calibration = calibrate(model, text, args.options);
  }
  save_calibration(calibration, args.out);
  std::error_code ignored;  // what is left behind is taken up by the next run and is no harm
  if (args.resume) std::filesystem::remove(args.options.resume, ignored);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (args.json) {
    auto inputs = nlohmann::ordered_json::array();
    for (const InputStatistics& input : calibration.inputs) inputs.push_back(json_of(input, args.outliers));
    write_json({{"model", model_path(args.model)},
                {"file", args.file},
                {"output", args.out},
                {"window", calibration.window},
                {"windows", calibration.windows},
                {"chosen", args.windows},
                {"tokens", calibration.tokens},
                {"gram", args.options.gram},
                {"outlier_ratio", args.outliers},
                {"inputs", inputs},
                {"seconds", seconds}});
    return kSuccess;
  }
  write_out(text_of(calibration, args.outliers));
  write_note(fmt::format("{}: {} tokens in {} windows of {}, in {}\n", args.out, calibration.tokens,
                         calibration.windows, calibration.window, format_seconds(seconds)));
  return kSuccess;
}

}  // namespace

Action setup_calibrate(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("-f,--file", args->file, "Text to run through the model; - reads standard input")
      ->option_text("FILE")
      ->required();
  app.add_option("-o,--output", args->out, "JSON file to write; its tensors lie beside it as .safetensors")
      ->option_text("FILE")
      ->required();
  app.add_option("--window", args->options.window, "Tokens evaluated together, BOS included (512)")
      ->option_text("N")
      ->check(CLI::Range(2u, 1u << 20));
  app.add_option("--tokens", args->options.max_tokens,
                 "As few windows as hold so many tokens; 0: the whole text (0)")
      ->option_text("N");
  app.add_option("--windows", args->windows,
                 "Which windows: systematic, random, stratified or importance (systematic)")
      ->option_text("HOW")
      ->check(CLI::IsMember({"systematic", "random", "stratified", "importance"}));
  app.add_option("--seed", args->options.seed, "Seed of the windows that are drawn (0)")->option_text("N");
  app.add_flag(
      "--gram", args->options.gram,
      "Also the matrices Σ x·xᵀ that error-compensated rounding needs: 4 bytes · channels² an input");
  app.add_flag("--resume", args->resume,
               "Keep unfinished work in OUTPUT.unfinished, and go on from it when it is there");
  app.add_option("--outliers", args->outliers, "Report channels above N times the median channel (8)")
      ->option_text("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", args->options.batch, "Tokens evaluated at a time; changes no number (512)")
      ->option_text("N")
      ->check(CLI::Range(1u, 65536u));
  add_json_flag(app, args->json);
  add_model_options(app, args->model);
  app.footer(
      "The text is tokenised as by `perplexity`. For every input of the linear layers, after its norm: "
      "extremes\n"
      "and their moving averages, moments, a histogram of magnitudes, second moments and maxima of "
      "channels.\n"
      "importance draws windows in proportion to their mean ln((T + 1) / count) of a token that stands "
      "count\n"
      "times among the text's T. The numbers depend on neither threads nor batch.\n\n"
      "Examples:\n"
      "  sterna calibrate -m my-model/ -f corpus.txt -o calibration.json\n"
      "  sterna calibrate -m my-model/ -f corpus.txt -o calibration.json --tokens 65536 --gram --resume\n"
      "  sterna calibrate -f corpus.txt -o tales.json --windows importance --tokens 20000 --json");
  return [args] { return measure(*args); };
}

}  // namespace sterna::cli
