#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/error.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Args {
  std::string tokenizer;
  std::string text;
  std::string file;
  std::string cases;
  bool bos = false;
  bool no_special = false;
  bool pieces = false;
  bool json = false;
  bool has_text = false;
};

std::vector<std::string> read_cases(const std::string& file) {
  const auto fail = [&](const std::string& found) -> Error {
    return {ErrorCategory::Format,
            "the cases are not a JSON list of objects with a \"text\"",
            {{"file", file}, {"found", found}}};
  };
  Json json;
  try {
    json = Json::parse(read_text(file));
  } catch (const Json::exception& error) {
    throw fail(error.what());
  }
  if (!json.is_array()) throw fail(json.type_name());
  std::vector<std::string> texts;
  for (const Json& item : json) {
    const auto text = item.is_object() ? item.find("text") : item.end();
    if (!item.is_object() || text == item.end() || !text->is_string()) {
      throw fail(fmt::format("another thing at position {}", texts.size()));
    }
    texts.push_back(text->get<std::string>());
  }
  return texts;
}

std::string spelled(const Tokenizer& tokenizer, TokenId id) {
  return Json(std::string(tokenizer.token_bytes(id))).dump(-1, ' ', false, Json::error_handler_t::replace);
}

int tokenize(const Args& args) {
  if ((args.has_text ? 1 : 0) + !args.file.empty() + !args.cases.empty() != 1) {
    throw Error(ErrorCategory::InvalidArgument, "give one of TEXT, -f FILE and --cases FILE");
  }
  ModelArgs named;
  named.path = args.tokenizer;
  // Read first: a mistyped file is noticed before a large model is loaded.
  std::vector<std::string> texts;
  if (!args.cases.empty()) {
    texts = read_cases(args.cases);
  } else {
    texts.push_back(args.has_text ? args.text : read_text(args.file));
  }
  const auto tokenizer = load_tokenizer(model_path(named));
  std::vector<std::vector<TokenId>> ids;
  for (const std::string& text : texts) {
    ids.push_back(tokenizer->encode(text, !args.no_special));
    if (!args.bos) continue;
    if (!tokenizer->bos())
      throw Error(ErrorCategory::Mismatch, "the tokenizer has no beginning token for --bos");
    ids.back().insert(ids.back().begin(), *tokenizer->bos());
  }
  if (!args.cases.empty()) {
    write_out(json_line(ids));
  } else if (args.json) {
    Json pieces = Json::array();
    for (const TokenId id : ids.front()) pieces.push_back(tokenizer->token_text(id));
    write_out(json_line({{"ids", ids.front()}, {"pieces", pieces}, {"count", ids.front().size()}}));
  } else if (args.pieces) {
    Table table({"id", "text"}, "r");
    for (const TokenId id : ids.front()) table.add({std::to_string(id), spelled(*tokenizer, id)});
    write_out(table.str());
  } else {
    write_out(fmt::format("{}\n", fmt::join(ids.front(), " ")));
  }
  return kSuccess;
}

}  // namespace

Action setup_tokenize(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option_function<std::string>(
         "TEXT",
         [args = args.get()](const std::string& text) {
           args->text = text;
           args->has_text = true;
         },
         "Text to tokenize (after -- when it starts with a dash)")
      ->option_text(" ");
  app.add_option("-m,--model", args->tokenizer,
                 "GGUF file, model folder, tokenizer.json or tokenizer.model (the bundled model)")
      ->option_text("PATH");
  app.add_option("-f,--file", args->file, "File to tokenize; - reads standard input")->option_text("FILE");
  app.add_option("--cases", args->cases, "JSON list of {\"text\": …}: writes a JSON list of lists of ids")
      ->option_text("FILE");
  app.add_flag("--bos", args->bos, "Put the beginning token first");
  app.add_flag("--no-special", args->no_special,
               "Take special tokens written out (<|eot_id|>) as plain text");
  app.add_flag("--pieces", args->pieces, "One token a line, with its text");
  add_json_flag(app, args->json);
  app.footer(
      "Ids go to standard output, separated by spaces; nothing is added at the beginning or the end.\n\n"
      "Examples:\n"
      "  sterna tokenize \"Once upon a time\"\n"
      "  sterna tokenize -m tokenizer.json --pieces \"Hello, world!\"\n"
      "  sterna tokenize -m model.gguf -f book.txt --json\n"
      "  sterna tokenize -m my-model/ --cases cases.json");
  return [args] { return tokenize(*args); };
}

}  // namespace sterna::cli
