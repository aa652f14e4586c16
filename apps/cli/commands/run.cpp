#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "platform/process_memory.hpp"
#include "sterna/chat.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/generation.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  SessionArgs session;
  GivenSettings settings;
  std::string prompt;
  std::string file;
  std::string chat_template;
  bool no_echo = false;
  bool json = false;
};

struct Report {
  std::string prompt;
  double load_seconds = 0;
  GenerateResult result;
  SamplingOptions sampling;
};

void write_statistics(const Report& report, const Model& model, const Session& session) {
  const GenerateResult& result = report.result;
  Table table({"load", format_seconds(report.load_seconds), "",
               fmt::format("{} parameters, {} read per token", format_count(model.parameters()),
                           format_bytes(model.bytes_per_token()))},
              "lrrl");
  table.add({"prompt", format_seconds(result.prompt_seconds), fmt::format("{} tokens", result.prompt_tokens),
             format_rate(prompt_rate(result)) + " tokens/s"});
  table.add({"text", format_seconds(result.generate_seconds), fmt::format("{} tokens", result.tokens.size()),
             fmt::format("{} tokens/s, ended by {}", format_rate(generation_rate(result)),
                         to_string(result.stop))});
  if (result.drafted > 0) table.add({"draft", "", "", guesses_text(result.drafted, result.accepted)});
  if (const HeadUse head = session.head_use(); head.screened > 0) {
    const double rows = static_cast<double>(head.rows) / static_cast<double>(head.screened);
    table.add({"head", "", fmt::format("{} screened", head.screened),
               fmt::format("{:.1f} % of its rows each", 100 * rows / model.config().vocab)});
  }
  table.add(
      {"memory", format_bytes(peak_resident_bytes()), "at most",
       fmt::format("{} cache of {} tokens", format_bytes(session.cache_bytes()), session.options().context)});
  write_note(fmt::format("\n{}{} threads, {}, seed {}\n", table.str(), session.options().threads,
                         fmt::join(model.kernels(), ", "), report.sampling.seed));
}

void write_report(const Report& report, const Args& args, const Model& model, const Session& session) {
  const GenerateResult& result = report.result;
  write_json({{"model", model_path(args.model)},
              {"architecture", model.config().architecture},
              {"parameters", model.parameters()},
              {"bytes_per_token", model.bytes_per_token()},
              {"kernels", model.kernels()},
              {"threads", session.options().threads},
              {"context", session.options().context},
              {"temperature", shortest(report.sampling.temperature)},
              {"seed", report.sampling.seed},
              {"prompt", report.prompt},
              {"text", result.text},
              {"tokens", result.tokens},
              {"stop", to_string(result.stop)},
              {"load_seconds", report.load_seconds},
              {"prompt_tokens", result.prompt_tokens},
              {"prompt_seconds", result.prompt_seconds},
              {"prompt_tokens_per_second", prompt_rate(result)},
              {"generated_tokens", result.tokens.size()},
              {"generate_seconds", result.generate_seconds},
              {"tokens_per_second", generation_rate(result)},
              {"drafted_tokens", result.drafted},
              {"accepted_tokens", result.accepted},
              {"head_tokens_screened", session.head_use().screened},
              {"head_rows_computed", session.head_use().rows},
              {"memory_bytes", peak_resident_bytes()},
              {"cache_bytes", session.cache_bytes()},
              {"working_bytes", session.working_bytes()}});
}

std::string read_prompt(const Args& args) {
  if (args.file.empty()) return args.prompt;
  std::string text = read_text(args.file);
  if (text.ends_with('\n')) text.pop_back();  // the one that an editor ends a file with
  return text;
}

/// Generates with the text going to standard output as it comes. An output that fails ends the generation
/// and is thrown afterwards, so that no exception crosses the library.
GenerateResult stream(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
                      std::string_view echo) {
  write_out(echo);
  flush_out();
  std::exception_ptr failure;
  char last = echo.empty() ? '\n' : echo.back();
  GenerateResult result = session.generate(prompt, options, [&](std::string_view text) {
    try {
      write_out(text);
      flush_out();
    } catch (...) {
      failure = std::current_exception();
      return false;
    }
    if (!text.empty()) last = text.back();
    return InterruptGuard::signal() == 0;  // it may have come before the session listened
  });
  if (failure) std::rethrow_exception(failure);
  if (last != '\n') write_out("\n");
  flush_out();
  return result;
}

int run(const Args& args) {
  Report report;
  report.prompt = read_prompt(args);
  const auto begin = std::chrono::steady_clock::now();
  const auto model = load_model(args.model);
  Generation generation = resolve(args.settings, *model);
  if (!generation.seeded) generation.options.sampling.seed = random_seed();
  Session session(model, session_options(args.session, args.model));
  report.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.sampling = generation.options.sampling;

  std::string text = report.prompt;
  bool echo = !args.no_echo && !args.json;
  if (!args.chat_template.empty()) {
    const ChatTemplate& chat = chat_template(args.chat_template);
    const ChatMessage message{ChatRole::User, report.prompt};
    text = chat.render({&message, 1});
    for (const auto stop : chat.stops) generation.options.stop.emplace_back(stop);
    echo = false;  // an answer, not a continuation
  }
  const auto prompt = encode_start(*model->tokenizer(), text);
  if (prompt.empty()) {
    throw Error(ErrorCategory::InvalidArgument,
                "the prompt is empty and this model's texts have no beginning token: give one with -p or -f");
  }
  fit(generation, prompt.size(), session.options());

  const InterruptGuard guard(&session);
  if (args.json) {
    report.result = session.generate(prompt, generation.options);
    write_report(report, args, *model, session);
  } else {
    report.result = stream(session, prompt, generation.options, echo ? report.prompt : "");
    write_statistics(report, *model, session);
  }
  return guard.signal() != 0 ? 128 + guard.signal() : kSuccess;
}

}  // namespace

Action setup_run(CLI::App& app) {
  auto args = std::make_shared<Args>();
  auto* prompt = app.add_option("-p,--prompt", args->prompt, "Text to continue (none: the model begins one)");
  prompt->option_text("TEXT");
  app.add_option("-f,--file", args->file, "File with the text to continue; - reads standard input")
      ->option_text("FILE")
      ->excludes(prompt);
  app.add_option("--chat-template", args->chat_template,
                 "Ask the prompt as a user's message: bitnet, llama3, falcon3, chatml, zephyr, plain (off)")
      ->option_text("NAME");
  app.add_flag("--no-echo", args->no_echo, "Write the generated text only, not the prompt before it");
  add_json_flag(app, args->json);
  add_generation_options(app, args->settings);
  add_model_options(app, args->model);
  add_session_options(app, args->session);
  app.footer(
      "The prompt and its continuation stream to standard output, statistics to standard error. Without -n,\n"
      "up to 256 tokens, or what the context has room for. Without --seed the text differs each time; the\n"
      "statistics show the seed. Defaults of the model's generation_config.json go before those shown here.\n"
      "Ctrl-C ends the text and shows the statistics (exit code 130).\n\n"
      "Examples:\n"
      "  sterna run -p \"Once upon a time\"\n"
      "  sterna run -m model.gguf -f story.txt -n 500 --temp 0.7 --seed 7 --stop \"THE END\"\n"
      "  echo \"Why is the sky blue?\" | sterna run -m model.gguf -f - --chat-template bitnet -n 200\n"
      "  sterna run -p \"The wolf\" -n 32 --greedy --json");
  return [args] { return run(*args); };
}

}  // namespace sterna::cli
