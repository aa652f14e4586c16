// Lines from the user.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace sterna::cli {

enum class LineStatus { Line, Interrupted, End };

/// On a terminal: editing, and a history that is kept in a file. Elsewhere: plain lines, no prompt.
class LineEditor {
 public:
  /// An empty history path keeps none.
  explicit LineEditor(const std::filesystem::path& history);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  bool is_terminal() const noexcept;
  /// Interrupted: a signal came before the line ended (see InterruptGuard); the line is dropped.
  LineStatus read(const std::string& prompt, std::string& line);

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;
};

/// `$XDG_STATE_HOME/sterna/history`, by default `~/.local/state/sterna/history`, its folder made; empty when
/// there is no place for it.
std::filesystem::path history_file();

}  // namespace sterna::cli
