// What a command of the program is: one file under commands/ and one row in commands.cpp.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace sterna::cli {

/// What a command does once its options are parsed; the value is the program's exit code.
using Action = std::function<int()>;

struct Command {
  std::string_view name;
  std::string_view summary;
  /// Declares the options on `app`; the action owns the variables that they are parsed into.
  Action (*setup)(CLI::App& app);
};

/// All rows, in the order that `sterna help` lists them.
std::span<const Command> commands() noexcept;

/// Exit codes: the first two are the program's own, the others follow the shell's 128 + signal.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kInterrupted = 130;

}  // namespace sterna::cli
