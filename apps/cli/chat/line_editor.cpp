#include "chat/line_editor.hpp"

#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>

#include "support/interrupt.hpp"

namespace sterna::cli {
namespace {

constexpr int kHistoryLines = 1000;

/// libedit reads characters by the locale; where that is not UTF-8 (a bare container), it is made so.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

/// One character from the terminal. libedit's own reader goes on after a signal; this one ends the line.
/// Read byte by byte, so that what is typed ahead stays in the terminal.
int read_character(EditLine*, wchar_t* out) {
  std::mbstate_t state{};
  for (;;) {
    char byte = 0;
    if (!InterruptGuard::wait_readable(STDIN_FILENO)) return -1;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n <= 0) return static_cast<int>(n);
    const std::size_t used = std::mbrtowc(out, &byte, 1, &state);
    if (used == static_cast<std::size_t>(-2)) continue;  // part of a character
    if (used != static_cast<std::size_t>(-1)) return 1;
    state = {};  // no character: left out
  }
}

/// A line of a pipe or a file. Byte by byte as well: lines are short.
LineStatus read_plain(std::string& line) {
  line.clear();
  for (;;) {
    char byte = 0;
    if (!InterruptGuard::wait_readable(STDIN_FILENO)) return LineStatus::Interrupted;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n <= 0) return line.empty() ? LineStatus::End : LineStatus::Line;
    if (byte == '\n') return LineStatus::Line;
    line += byte;
  }
}

}  // namespace

struct LineEditor::Terminal {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path;
  std::string prompt;

  static char* prompt_of(EditLine* editor) {
    Terminal* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt.data();
  }
};

LineEditor::LineEditor(const std::filesystem::path& history_path) {
  if (isatty(STDIN_FILENO) == 0) return;
  use_utf8();
  terminal_ = std::make_unique<Terminal>();
  Terminal& t = *terminal_;
  t.history_path = history_path.string();
  // The prompt stays out of an output that is redirected.
  t.editor = el_init("sterna", stdin, isatty(STDOUT_FILENO) ? stdout : stderr, stderr);
  t.history = history_init();
  if (!t.editor || !t.history) {
    terminal_.reset();
    return;
  }
  el_set(t.editor, EL_CLIENTDATA, &t);
  el_set(t.editor, EL_PROMPT, Terminal::prompt_of);
  el_set(t.editor, EL_EDITOR, "emacs");
  el_set(t.editor, EL_SIGNAL, 0);  // signals are InterruptGuard's
  el_set(t.editor, EL_GETCFN, read_character);
  HistEvent event;
  history(t.history, &event, H_SETSIZE, kHistoryLines);
  history(t.history, &event, H_SETUNIQUE, 1);
  el_set(t.editor, EL_HIST, history, t.history);
  if (!t.history_path.empty()) history(t.history, &event, H_LOAD, t.history_path.c_str());
}

LineEditor::~LineEditor() {
  if (!terminal_) return;
  HistEvent event;
  if (!terminal_->history_path.empty()) {
    history(terminal_->history, &event, H_SAVE, terminal_->history_path.c_str());
  }
  history_end(terminal_->history);
  el_end(terminal_->editor);
}

bool LineEditor::is_terminal() const noexcept {
  return terminal_ != nullptr;
}

LineStatus LineEditor::read(const std::string& prompt, std::string& line) {
  if (!terminal_) return read_plain(line);
  terminal_->prompt = prompt;
  el_resize(terminal_->editor);
  int length = 0;
  const char* text = el_gets(terminal_->editor, &length);
  if (InterruptGuard::signal() != 0) return LineStatus::Interrupted;
  if (!text || length <= 0) return LineStatus::End;
  line.assign(text, static_cast<std::size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  HistEvent event;
  if (!line.empty()) history(terminal_->history, &event, H_ENTER, line.c_str());
  return LineStatus::Line;
}

std::filesystem::path history_file() {
  std::filesystem::path folder;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/') {
    folder = state;
  } else if (const char* home = std::getenv("HOME"); home && *home == '/') {
    folder = std::filesystem::path(home) / ".local" / "state";
  } else {
    return {};
  }
  folder /= "sterna";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return error ? std::filesystem::path{} : folder / "history";
}

}  // namespace sterna::cli
