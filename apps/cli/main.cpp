// The program `sterna`: parses the command line, runs one command and turns what goes wrong into one line.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>
#include <optional>

#include "command.hpp"
#include "sterna/error.hpp"
#include "sterna/log.hpp"
#include "sterna/version.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

/// CLI11's help, without the second empty line between groups of options.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, std::move(name), mode), "\n\n\n",
                                         "\n\n");
  }
};

void send_log_to_standard_error() {
  auto logger = spdlog::stderr_logger_mt("sterna");
  logger->set_pattern("sterna: %l: %v");
  logger->set_level(verbosity.verbose ? spdlog::level::debug : spdlog::level::warn);
  if (verbosity.quiet) logger->set_level(spdlog::level::off);
  set_log_sink([logger](LogLevel level, std::string_view message) {
    constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                     spdlog::level::warn};
    logger->log(kLevels[static_cast<int>(level)], message);
  });
}

int run(int argc, char** argv) {
  CLI::App app("Runs BitNet b1.58 language models: ternary weights, int8 activations.", "sterna");
  app.set_version_flag("--version", "sterna " STERNA_VERSION);
  app.require_subcommand(0, 1);
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(32);
  app.formatter(formatter);
  app.footer(
      "`sterna help COMMAND` shows a command's options and examples.\n\nExamples:\n"
      "  sterna run -p \"Once upon a time\"\n"
      "  sterna chat -m model.gguf\n"
      "  sterna convert my-model/ my-model.gguf");

  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    actions.emplace_back(sub, command.setup(*sub));
    sub->add_flag("-q,--quiet", verbosity.quiet, "No warnings, statistics or progress");
    sub->add_flag("-v,--verbose", verbosity.verbose, "Say more about what is done");
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    write_out(std::string(version.what()) + "\n");
    return kSuccess;
  } catch (const CLI::Success&) {  // --help
    write_out(app.help());
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string where = chosen.empty() ? "" : " " + chosen.front()->get_name();
    write_error(std::string(error.what()) + " (see: sterna help" + where + ")");
    return kFailure;
  }

  send_log_to_standard_error();
  for (const auto& [sub, action] : actions) {
    if (sub->parsed()) return action();
  }
  write_out(app.help());
  return kSuccess;
}

int run_and_report(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    flush_out();
    return code;
  } catch (const BrokenPipe&) {
    throw;
  } catch (const Error& error) {
    write_error(error.what());
    return error.category() == ErrorCategory::Cancelled ? kInterrupted : kFailure;
  } catch (const std::bad_alloc&) {
    write_error("out of memory");
  } catch (const std::exception& error) {
    write_error(error.what());
  }
  return kFailure;
}

}  // namespace
}  // namespace sterna::cli

int main(int argc, char** argv) {
  // A reader that leaves (`sterna inspect … | head`) is noticed when writing, so that unfinished files are
  // removed; then the program ends the way the signal would have ended it.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of the write, as a full disk is
  try {
    return sterna::cli::run_and_report(argc, argv);
  } catch (const sterna::cli::BrokenPipe&) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
}
