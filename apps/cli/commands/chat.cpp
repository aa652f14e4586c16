#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>

#include "chat/conversation.hpp"
#include "chat/line_editor.hpp"
#include "command.hpp"
#include "platform/process_memory.hpp"
#include "sterna/error.hpp"
#include "support/interrupt.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

struct Args {
  ModelArgs model;
  SessionArgs session;
  GivenSettings settings;
  std::string chat_template;
  std::string system;
};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// The state of a running chat, and what its slash commands do to it.
class Chat {
 public:
  Chat(const Args& args, std::shared_ptr<const Model> model)
      : model_(std::move(model)),
        template_(args.chat_template.empty()
                      ? recognise_chat_template(model_->chat_template_source(), *model_->tokenizer())
                      : chat_template(args.chat_template)),
        generation_(resolve(args.settings, *model_)),
        session_(model_, session_options(args.session, args.model)),
        conversation_(session_, template_) {
    if (!generation_.seeded) generation_.options.sampling.seed = random_seed();
    if (!generation_.limit) generation_.limit = 0;  // an answer ends by itself
    conversation_.set_system(args.system);
  }

  /// The exit code.
  int run();

 private:
  struct Command {
    std::string_view name;
    std::string_view argument;
    std::string_view meaning;
    void (Chat::*run)(std::string_view argument);
  };
  static std::span<const Command> table();

  void obey(std::string_view line);
  void answer(std::string_view text);

  void help(std::string_view);
  void clear(std::string_view) { conversation_.clear(); }
  void history(std::string_view);
  void save(std::string_view file);
  void load(std::string_view file);
  void system(std::string_view text);
  void statistics(std::string_view);
  void leave(std::string_view) { left_ = true; }

  std::shared_ptr<const Model> model_;
  const ChatTemplate& template_;
  Generation generation_;
  Session session_;
  Conversation conversation_;
  std::optional<GenerateResult> last_;
  bool left_ = false;
};

std::span<const Chat::Command> Chat::table() {
  static constexpr std::array kTable{
      Command{"/help", "", "show these commands", &Chat::help},
      Command{"/clear", "", "forget the conversation; the system message stays", &Chat::clear},
      Command{"/history", "", "show the conversation", &Chat::history},
      Command{"/save", "FILE", "write the conversation as JSON", &Chat::save},
      Command{"/load", "FILE", "go on with a conversation that was saved", &Chat::load},
      Command{"/system", "TEXT", "set the system message; without a text, remove it", &Chat::system},
      Command{"/stats", "", "show speed, context and memory", &Chat::statistics},
      Command{"/exit", "", "leave (so does Ctrl-D)", &Chat::leave},
  };
  return kTable;
}

void Chat::help(std::string_view) {
  Table text({"command", "", ""});
  for (const Command& row : table()) {
    text.add({std::string(row.name), std::string(row.argument), std::string(row.meaning)});
  }
  write_out(text.str() + "Ctrl-C stops an answer.\n");
}

void Chat::history(std::string_view) {
  for (const ChatMessage& message : conversation_.messages()) {
    write_out(fmt::format("{}: {}\n", role_name(message.role), trim(message.content)));
  }
}

void Chat::save(std::string_view file) {
  if (file.empty()) throw Error(ErrorCategory::InvalidArgument, "/save needs a file");
  save_messages(std::string(file), conversation_.messages());
}

void Chat::load(std::string_view file) {
  if (file.empty()) throw Error(ErrorCategory::InvalidArgument, "/load needs a file");
  conversation_.replace(load_messages(std::string(file)));
}

void Chat::system(std::string_view text) {
  conversation_.set_system(text);
}

void Chat::statistics(std::string_view) {
  Table text({"context", fmt::format("{} of {} tokens", session_.position(), session_.options().context)});
  if (last_) {
    text.add({"prompt", fmt::format("{} new tokens, {} tokens/s", last_->prompt_tokens,
                                    format_rate(prompt_rate(*last_)))});
    text.add({"answer", fmt::format("{} tokens, {} tokens/s, ended by {}", last_->tokens.size(),
                                    format_rate(generation_rate(*last_)), to_string(last_->stop))});
    if (last_->drafted > 0) text.add({"draft", guesses_text(last_->drafted, last_->accepted)});
  }
  text.add({"memory", fmt::format("{} at most, cache {}", format_bytes(peak_resident_bytes()),
                                  format_bytes(session_.cache_bytes()))});
  text.add({"template", std::string(template_.name)});
  text.add({"seed", std::to_string(generation_.options.sampling.seed)});
  write_out(text.str());
}

void Chat::obey(std::string_view line) {
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  for (const Command& row : table()) {
    if (row.name == name) return (this->*row.run)(trim(line.substr(name.size())));
  }
  throw Error(ErrorCategory::InvalidArgument, "unknown command; /help lists them",
              {{"found", std::string(name)}});
}

void Chat::answer(std::string_view text) {
  std::exception_ptr failure;  // of the output: no exception crosses the library
  InterruptGuard::clear();
  GenerateResult result = conversation_.ask(text, generation_, [&](std::string_view piece) {
    try {
      write_out(piece);
      flush_out();
    } catch (...) {
      failure = std::current_exception();
    }
    return !failure && InterruptGuard::signal() == 0;
  });
  if (failure) std::rethrow_exception(failure);
  write_out("\n");
  flush_out();
  last_ = std::move(result);
}

int Chat::run() {
  const InterruptGuard guard(&session_, false);
  LineEditor editor(history_file());
  if (editor.is_terminal()) {
    write_note(fmt::format("{}, {} parameters, template {}, context {}. /help lists the commands.\n",
                           model_->config().architecture, format_count(model_->parameters()), template_.name,
                           session_.options().context));
  }
  std::string line;
  while (!left_) {
    flush_out();
    const LineStatus status = editor.read("> ", line);
    if (status == LineStatus::End) break;
    if (status == LineStatus::Interrupted) {
      if (!editor.is_terminal() || guard.signal() != SIGINT) return 128 + guard.signal();
      write_note("\n(Ctrl-D or /exit leaves)\n");
      guard.clear();
      continue;
    }
    const std::string_view text = trim(line);
    try {
      if (text.starts_with('/')) {
        obey(text);
      } else if (!text.empty()) {
        answer(text);
      }
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::Cancelled) write_error(error.what());
    }
    const int signal = guard.signal();
    if (signal == SIGTERM || signal == SIGHUP) return 128 + signal;
    guard.clear();
  }
  if (editor.is_terminal()) write_note("\n");
  return kSuccess;
}

}  // namespace

Action setup_chat(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("--system", args->system, "The system message (none)")->option_text("TEXT");
  app.add_option("--chat-template", args->chat_template,
                 "bitnet, llama3, falcon3, chatml, zephyr or plain (what the model's metadata says)")
      ->option_text("NAME");
  add_generation_options(app, args->settings);
  add_model_options(app, args->model);
  add_session_options(app, args->session);
  app.footer(
      "Answers run until the model ends them, or -n tokens. Ctrl-C stops an answer, /exit or Ctrl-D leaves.\n"
      "/help /clear /history /save FILE /load FILE /system TEXT /stats /exit. On a terminal, lines can be\n"
      "edited and recalled; the history is kept in $XDG_STATE_HOME/sterna/history. From a pipe, each line "
      "is\n"
      "one message. With --ctx-shift a full context leaves out the oldest exchanges instead of failing.\n\n"
      "Examples:\n"
      "  sterna chat -m model.gguf\n"
      "  sterna chat -m model.gguf --system \"Answer in one sentence.\" --temp 0.6 -c 4096\n"
      "  printf 'Hello\\nAnd goodbye\\n' | sterna chat -m model.gguf --greedy -n 50");
  return [args] { return Chat(*args, load_model(args->model)).run(); };
}

}  // namespace sterna::cli
