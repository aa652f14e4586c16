#include "command.hpp"

#include <array>

namespace sterna::cli {

Action setup_run(CLI::App& app);
Action setup_help(CLI::App& app);
Action setup_version(CLI::App& app);

namespace {

constexpr std::array kCommands{
    Command{"run", "Continue a text", setup_run},
    Command{"help", "Show the options of a command", setup_help},
    Command{"version", "Show the version", setup_version},
};

}  // namespace

std::span<const Command> commands() noexcept {
  return kCommands;
}

}  // namespace sterna::cli
