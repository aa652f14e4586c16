#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/session.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  SessionArgs session;
  PredictArgs text;
  bool json = false;
};

int measure(const Args& args) {
  const std::string text = read_text(args.text.file);
  const auto model = load_model(args.model);
  const auto begin = std::chrono::steady_clock::now();
  PerplexityResult result;
  {
    const InterruptGuard guard;
    ProgressBar bar;
    result = perplexity(model, text, args.text.window, session_options(args.session, args.model),
                        bar.callback("measuring"));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double rate = static_cast<double>(result.tokens) / seconds;
  if (args.json) {
    write_json({{"model", model_path(args.model)},
                {"file", args.text.file},
                {"perplexity", result.perplexity},
                {"mean_nll", result.mean_nll},
                {"tokens", result.tokens},
                {"windows", result.windows},
                {"window", args.text.window},
                {"seconds", seconds},
                {"tokens_per_second", rate}});
  } else {
    write_out(fmt::format("perplexity {:.4f}\n", result.perplexity));
    write_note(fmt::format(
        "mean negative log-likelihood {:.6f} of {} tokens in {} windows of {}; {} at {} tokens/s\n",
        result.mean_nll, result.tokens, result.windows, args.text.window, format_seconds(seconds),
        format_rate(rate)));
  }
  return kSuccess;
}

}  // namespace

Action setup_perplexity(CLI::App& app) {
  auto args = std::make_shared<Args>();
  add_predict_options(app, args->text);
  add_json_flag(app, args->json);
  add_model_options(app, args->model);
  add_session_options(app, args->session, ContextOption::Leave);
  app.footer(
      "The text is cut into pieces at two blank lines; each is stripped and ended by two newlines; the\n"
      "tokens of all are cut into windows of N − 1 with BOS before each; a remainder is dropped. The\n"
      "result is exp of the mean negative log-likelihood (natural) of every token after BOS.\n\n"
      "Examples:\n"
      "  sterna perplexity -f heldout.txt\n"
      "  sterna perplexity -m model.gguf -f heldout.txt --window 1024 --json\n"
      "  cat heldout.txt | sterna perplexity -m my-model/ -f -");
  return [args] { return measure(*args); };
}

}  // namespace sterna::cli
