#include <CLI/CLI.hpp>
#include <memory>

#include "command.hpp"
#include "sterna/error.hpp"
#include "support/output.hpp"

namespace sterna::cli {

Action setup_help(CLI::App& app) {
  auto command = std::make_shared<std::string>();
  app.add_option("COMMAND", *command, "The command; without one, all of them are listed")->option_text(" ");
  app.footer("Examples:\n  sterna help\n  sterna help run");
  return [command, &app] {
    const CLI::App& program = *app.get_parent();
    if (command->empty()) {
      // Not program.help(): that is the help of the command that was parsed, this one.
      write_out(program.get_formatter()->make_help(&program, program.get_name(), CLI::AppFormatMode::Normal));
      return kSuccess;
    }
    for (const Command& row : commands()) {
      if (row.name == *command) {
        write_out(program.get_subcommand(*command)->help("sterna"));
        return kSuccess;
      }
    }
    throw Error(ErrorCategory::InvalidArgument, "unknown command; `sterna help` lists them",
                {{"found", *command}});
  };
}

}  // namespace sterna::cli
