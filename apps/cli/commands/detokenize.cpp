#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/text_input.hpp"
#include "support/token_files.hpp"

namespace sterna::cli {
namespace {

struct Args {
  std::string tokenizer;
  std::vector<std::string> ids;
  std::string file;
  bool keep_special = false;
  bool json = false;
};

int detokenize(const Args& args) {
  if (args.ids.empty() == args.file.empty()) {
    throw Error(ErrorCategory::InvalidArgument, "give either ids or -f FILE");
  }
  const std::string text =
      args.file.empty() ? fmt::format("{}", fmt::join(args.ids, " ")) : read_text(args.file);
  ModelArgs named;
  named.path = args.tokenizer;
  const auto tokenizer = load_tokenizer(model_path(named));
  const auto ids = parse_ids(text, tokenizer->vocab_size());
  const std::string decoded = tokenizer->decode(ids, args.keep_special);
  if (args.json) {
    write_json({{"text", decoded}, {"count", ids.size()}});
  } else {
    write_out(decoded);  // byte for byte: no newline is added
  }
  return kSuccess;
}

}  // namespace

Action setup_detokenize(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("IDS", args->ids, "Token ids")->option_text(" ");
  app.add_option("-m,--model", args->tokenizer,
                 "GGUF file, model folder, tokenizer.json or tokenizer.model (the bundled model)")
      ->option_text("PATH");
  app.add_option("-f,--file", args->file, "File with ids, as text or a JSON list; - reads standard input")
      ->option_text("FILE");
  app.add_flag("--keep-special", args->keep_special, "Write special tokens out instead of leaving them away");
  add_json_flag(app, args->json);
  app.footer(
      "The text goes to standard output byte for byte, without a newline at its end.\n\n"
      "Examples:\n"
      "  sterna detokenize 42 425 81 14 1010 3\n"
      "  sterna tokenize \"Hello\" | sterna detokenize -f -\n"
      "  sterna detokenize -m tokenizer.json -f ids.json --keep-special");
  return [args] { return detokenize(*args); };
}

}  // namespace sterna::cli
