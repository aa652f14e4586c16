#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"

namespace sterna::cli {
namespace {

struct Args {
  std::string in;
  std::string out;
  std::string shape = SynthOptions{}.shape;
  std::string type{name(ConvertOptions{}.ternary)};
  std::string head{name(ConvertOptions{}.head)};
  std::uint32_t i2s_group = 0;
  unsigned threads = 0;
  std::uint64_t seed = 0;
  bool json = false;
};

using Names = std::vector<std::string>;
const Names kTypes{"i2_s", "tq2_0", "tq1_0"};
const Names kSynthTypes{"i2_s", "tq2_0", "tq1_0", "f16", "bf16"};
const Names kHeads{"f16", "bf16", "q8_0", "q6_k"};

void add_type_options(CLI::App& app, Args& args, const Names& types, const std::string& meaning) {
  app.add_option("--type", args.type, meaning)->option_text("TYPE")->check(CLI::IsMember(types));
  app.add_option("--head", args.head,
                 "Type of the embedding and the output head: f16, bf16, q8_0 or q6_k (f16)")
      ->option_text("TYPE")
      ->check(CLI::IsMember(kHeads));
}

/// Runs the writer under a progress bar and Ctrl-C, and says what came of it.
template <class Write>
int write_model(const Args& args, Write&& write) {
  const auto begin = std::chrono::steady_clock::now();
  ConvertReport report;
  {
    const InterruptGuard guard;
    ProgressBar bar;
    report = write(bar.callback("writing"));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (args.json) {
    write_json({{"output", args.out},
                {"type", args.type},
                {"head", args.head},
                {"tensors", report.tensors},
                {"bytes", report.bytes},
                {"rounded_scales", report.rounded_scales},
                {"seconds", seconds}});
    return kSuccess;
  }
  std::string line = fmt::format("{}: {} tensors, {} ({} with a {} head) in {}\n", args.out, report.tensors,
                                 format_bytes(report.bytes), args.type, args.head, format_seconds(seconds));
  if (report.rounded_scales > 0) {
    line += fmt::format("{} scales were rounded to f16, which is all that {} holds\n", report.rounded_scales,
                        args.type);
  }
  write_note(line);
  return kSuccess;
}

int convert_model(const Args& args) {
  ConvertOptions options;
  options.ternary = *dtype_from_name(args.type);
  options.head = *dtype_from_name(args.head);
  options.i2s_group = args.i2s_group;
  options.threads = args.threads;
  return write_model(args, [&](Progress progress) {
    options.progress = std::move(progress);
    return convert(args.in, args.out, options);
  });
}

int synthesize_model(const Args& args) {
  SynthOptions options;
  options.shape = args.shape;
  options.ternary = *dtype_from_name(args.type);
  options.head = *dtype_from_name(args.head);
  options.seed = args.seed;
  return write_model(args, [&](Progress progress) {
    options.progress = std::move(progress);
    return synthesize(args.out, options);
  });
}

}  // namespace

Action setup_convert(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("IN", args->in, "Hugging Face folder or GGUF file")->option_text(" ")->required();
  app.add_option("OUT", args->out, "GGUF file to write")->option_text(" ")->required();
  add_type_options(app, *args, kTypes, "Type of the ternary matrices: i2_s, tq2_0 or tq1_0 (i2_s)");
  add_i2s_group_option(app, args->i2s_group);
  add_threads_option(app, args->threads);
  add_json_flag(app, args->json);
  app.footer(
      "All types run where they lie in the file: i2_s (2 bits a weight), tq2_0 (2.06) and tq1_0 (1.69, "
      "slower on\n"
      "few cores); the last two are read by more programs. The file is written whole or not at all, and is "
      "the same bytes on every machine.\n\n"
      "Examples:\n"
      "  sterna convert my-model/ my-model.gguf\n"
      "  sterna convert my-model/ small.gguf --type tq1_0 --head q6_k\n"
      "  sterna convert from-arm.gguf x86.gguf --i2s-group 64");
  return [args] { return convert_model(*args); };
}

Action setup_synth(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("--shape", args->shape, "Published shape: 2b4t, 0.7b, 3b, 8b or tales (2b4t)")
      ->option_text("NAME");
  app.add_option("-o,--output", args->out, "GGUF file to write")->option_text("FILE")->required();
  add_type_options(app, *args, kSynthTypes,
                   "Type of the linear layers: ternary (i2_s, tq2_0 or tq1_0) or float (f16 or bf16) (i2_s)");
  app.add_option("--seed", args->seed, "Seed of the weights (0)")->option_text("N");
  add_json_flag(app, args->json);
  app.footer(
      "The model computes as fast as a trained one of its shape and writes nonsense: for benchmarks without\n"
      "a download.\n\n"
      "Examples:\n"
      "  sterna synth -o 2b4t.gguf\n"
      "  sterna synth --shape 0.7b --type tq2_0 --head q6_k -o 0.7b.gguf && sterna bench -m 0.7b.gguf");
  return [args] { return synthesize_model(*args); };
}

}  // namespace sterna::cli
