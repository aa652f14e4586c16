#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/compare.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Args {
  std::string a, b;
  ModelArgs model;  ///< but for the path
  SessionArgs session;
  PredictArgs text;
  std::size_t positions = 10;
  bool json = false;
};

std::shared_ptr<const Model> load(const Args& args, const std::string& path) {
  ModelArgs model = args.model;
  model.path = path;
  return load_model(model);
}

/// Of all weights, as they are stored.
std::uint64_t stored_bytes(const Model& model) {
  std::uint64_t bytes = 0;
  for (const WeightReport& weight : model.weights()) bytes += weight.stored_bytes;
  return bytes;
}

Json json_of(const std::string& path, const Model& model, const PerplexityResult& result) {
  return {{"model", path},
          {"weight_bytes", stored_bytes(model)},
          {"perplexity", result.perplexity},
          {"mean_nll", result.mean_nll}};
}

double percent(const Comparison& c) {
  return 100 * std::expm1(c.b.mean_nll - c.a.mean_nll);
}

Json json_of(const Args& args, const Model& a, const Model& b, const Comparison& c) {
  Json positions = Json::array(), matrices = Json::array();
  for (const ComparedPosition& p : c.positions) {
    positions.push_back({{"window", p.window},
                         {"position", p.position},
                         {"before", p.before},
                         {"token", p.token},
                         {"a_top", p.a_top},
                         {"b_top", p.b_top},
                         {"kl", p.kl},
                         {"a_nll", p.a_nll},
                         {"b_nll", p.b_nll}});
  }
  for (const ComparedMatrix& m : c.matrices) {
    matrices.push_back({{"name", m.name},
                        {"shape", {m.rows, m.cols}},
                        {"a_type", name(m.a_type)},
                        {"b_type", name(m.b_type)},
                        {"a_bytes", m.a_bytes},
                        {"b_bytes", m.b_bytes},
                        {"mse", m.error.mse},
                        {"sqnr_db", m.error.sqnr},
                        {"cosine", m.error.cosine},
                        {"max_error", m.error.max_error},
                        {"equal", m.error.max_error == 0}});
  }
  return {{"a", json_of(args.a, a, c.a)},
          {"b", json_of(args.b, b, c.b)},
          {"file", args.text.file},
          {"window", args.text.window},
          {"tokens", c.a.tokens},
          {"windows", c.a.windows},
          {"perplexity_percent", percent(c)},
          {"kl", c.kl},
          {"top1", c.top1},
          {"positions", positions},
          {"matrices", matrices},
          {"unmatched", c.unmatched}};
}

/// On one line, in quotes.
std::string quoted(const std::string& text) {
  std::string line = json_line(text);
  line.pop_back();
  return line;
}

std::string text_of(const Args& args, const Model& a, const Model& b, const Comparison& c) {
  Table models({"", "model", "weights", "perplexity", "nats a token"}, "llrrr");
  models.add({"A", args.a, format_bytes(stored_bytes(a)), fmt::format("{:.4f}", c.a.perplexity),
              fmt::format("{:.6f}", c.a.mean_nll)});
  models.add({"B", args.b, format_bytes(stored_bytes(b)), fmt::format("{:.4f}", c.b.perplexity),
              fmt::format("{:.6f}", c.b.mean_nll)});
  std::string text = models.str();
  text += fmt::format(
      "\nB's perplexity is {:+.3f} % of A's away; KL(A‖B) {:.6f} nats a token; the same most likely token "
      "for {:.2f} % of {} "
      "tokens\n",
      percent(c), c.kl, 100 * c.top1, c.a.tokens);
  if (!c.positions.empty()) {
    Table positions({"KL", "A nats", "B nats", "A's first", "B's first", "text", "before it"}, "rrr");
    for (const ComparedPosition& p : c.positions) {
      positions.add({fmt::format("{:.4f}", p.kl), fmt::format("{:.3f}", p.a_nll),
                     fmt::format("{:.3f}", p.b_nll), quoted(p.a_top), quoted(p.b_top), quoted(p.token),
                     quoted(p.before)});
    }
    text += "\nWhere they differ most:\n" + positions.str();
  }
  const auto equal =
      std::ranges::count_if(c.matrices, [](const ComparedMatrix& m) { return m.error.max_error == 0; });
  text += fmt::format("\n{} of {} matrices have equal weights\n", equal, c.matrices.size());
  Table matrices({"matrix", "A", "B", "bytes A", "bytes B", "SQNR dB", "cosine", "greatest error"},
                 "lllrrrrr");
  for (const ComparedMatrix& m : c.matrices) {
    if (m.error.max_error == 0) continue;
    matrices.add({m.name, std::string(name(m.a_type)), std::string(name(m.b_type)), format_bytes(m.a_bytes),
                  format_bytes(m.b_bytes), fmt::format("{:.2f}", m.error.sqnr),
                  fmt::format("{:.6f}", m.error.cosine), fmt::format("{:.3g}", m.error.max_error)});
  }
  if (static_cast<std::size_t>(equal) < c.matrices.size()) text += matrices.str();
  for (const std::string& name : c.unmatched) text += name + " is in one alone, or in another shape\n";
  return text;
}

int run(const Args& args) {
  const std::string text = read_text(args.text.file);
  const auto a = load(args, args.a), b = load(args, args.b);
  CompareOptions options;
  options.window = args.text.window;
  options.positions = args.positions;
  options.session = session_options(args.session, args.model);
  Comparison comparison;
  {
    const InterruptGuard guard;
    ProgressBar bar;
    options.progress = bar.callback("comparing");
    comparison = compare(a, b, text, options);
  }
  if (args.json) {
    write_json(json_of(args, *a, *b, comparison));
  } else {
    write_out(text_of(args, *a, *b, comparison));
  }
  return kSuccess;
}

}  // namespace

Action setup_compare(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("A", args->a, "The model to compare with: GGUF file or Hugging Face folder")
      ->option_text(" ")
      ->required();
  app.add_option("B", args->b, "The model to be compared, with the same vocabulary")
      ->option_text(" ")
      ->required();
  add_predict_options(app, args->text);
  app.add_option("--positions", args->positions,
                 "Tokens to show of those that the models differ most in (10)")
      ->option_text("N")
      ->check(CLI::Range(0u, 1000u));
  add_json_flag(app, args->json);
  add_threads_option(app, args->model.threads);
  add_backend_options(app, args->model.backend);
  add_session_options(app, args->session, ContextOption::Leave);
  app.footer(
      "Both predict the text as `sterna perplexity` has it. KL is the mean of Σ p (ln p − ln q) over the\n"
      "tokens, p being A's distribution and q B's. The weights are compared as the models compute with\n"
      "them: SQNR is 10 log10 of the power of A's weights over that of the differences.\n\n"
      "Examples:\n"
      "  sterna compare my-model/ small.gguf -f heldout.txt\n"
      "  sterna compare f16.gguf q4.gguf -f heldout.txt --positions 50 --json");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
