#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "command.hpp"
#include "format/npy/header.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"
#include "support/text_input.hpp"
#include "support/token_files.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  SessionArgs session;
  std::string tokens;
  std::string output;
  bool json = false;
};

void check_lengths(const std::vector<std::vector<TokenId>>& lists, const std::string& file) {
  for (const auto& list : lists) {
    if (list.empty()) throw Error(ErrorCategory::Format, "a list of tokens is empty", {{"file", file}});
    if (list.size() == lists.front().size()) continue;
    throw Error(ErrorCategory::Format, "the lists of tokens differ in length",
                {{"file", file},
                 {"found", std::to_string(list.size())},
                 {"expected", std::to_string(lists.front().size())}});
  }
}

/// Evaluates one list and appends its logits, a batch of tokens at a time so that memory stays bounded.
void write_logits(Session& session, std::span<const TokenId> tokens, std::vector<float>& logits,
                  AtomicFile& out) {
  const std::size_t vocab = session.model().config().vocab;
  const std::size_t batch = logits.size() / vocab;
  session.reset();
  for (std::size_t begin = 0; begin < tokens.size(); begin += batch) {
    InterruptGuard::check();
    const auto part = tokens.subspan(begin, std::min(batch, tokens.size() - begin));
    const std::span<float> values(logits.data(), part.size() * vocab);
    session.evaluate_all(part, values);
    out.write(std::as_bytes(values));
  }
}

int run(const Args& args) {
  const std::string text = read_text(args.tokens);
  const auto model = load_model(args.model);
  const std::size_t vocab = model->config().vocab;
  const auto lists = parse_token_lists(text, args.tokens, vocab);
  check_lengths(lists, args.tokens);
  const std::uint64_t length = lists.front().size();

  SessionOptions options = session_options(args.session, args.model);
  options.context = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::max<std::uint64_t>(length, 2), model->config().context));
  Session session(model, options);
  AtomicFile out(args.output);
  const Shape shape{static_cast<std::int64_t>(lists.size()), static_cast<std::int64_t>(length),
                    static_cast<std::int64_t>(vocab)};
  out.write(as_bytes(npy::make_header(DType::F32, shape)));
  {
    const InterruptGuard guard(&session);
    ProgressBar bar;
    std::vector<float> logits(std::min<std::size_t>(session.options().batch, length) * vocab);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      bar.update(i, lists.size(), "evaluating");
      write_logits(session, lists[i], logits, out);
    }
  }
  out.commit();
  if (args.json) {
    write_json({{"model", model_path(args.model)},
                {"output", args.output},
                {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                {"dtype", "float32"},
                {"bytes", out.offset()}});
  } else {
    write_note(fmt::format("{}: float32 [{}, {}, {}], {}\n", args.output, shape[0], shape[1], shape[2],
                           format_bytes(out.offset())));
  }
  return kSuccess;
}

}  // namespace

Action setup_logits(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("--tokens", args->tokens, "JSON: a list of token ids, or a list of lists of equal length")
      ->option_text("FILE")
      ->required();
  app.add_option("-o,--output", args->output, "The .npy file to write")->option_text("FILE")->required();
  add_json_flag(app, args->json);
  add_model_options(app, args->model);
  add_session_options(app, args->session, ContextOption::Leave);
  app.footer(
      "Writes float32 [lists, tokens, vocabulary]: at [b, t] the logits after token t of list b. The ids "
      "are\n"
      "taken as they are (a BOS must be among them). Each list starts with an empty context.\n\n"
      "Examples:\n"
      "  sterna logits --tokens ids.json -o logits.npy\n"
      "  sterna tokenize --bos --json \"Once upon a time\" | jq .ids > ids.json\n"
      "  sterna logits -m model.gguf --tokens ids.json -o logits.npy -t 1");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
