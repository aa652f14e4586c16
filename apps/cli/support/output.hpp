// Standard output whose failures are noticed, and the text that reports are made of.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::cli {

/// What the program says on standard error besides errors: set by -q and -v, which every command takes.
struct Verbosity {
  bool quiet = false;    ///< no warnings, statistics or progress
  bool verbose = false;  ///< the library's informative messages too
};
inline Verbosity verbosity;

/// Appends to standard error (statistics, remarks), unless -q.
void write_note(std::string_view text);

/// The one line on standard error that explains a failure: "sterna: …".
void write_error(std::string text);

/// Thrown when the reader of standard output has gone; main ends the program as SIGPIPE would.
struct BrokenPipe {};

/// Appends to standard output. Throws BrokenPipe, or Io for anything else (a full disk behind a redirection).
void write_out(std::string_view text);
void flush_out();

/// The report on one or more lines, indented; text that is not UTF-8 gets U+FFFD.
void write_json(const nlohmann::ordered_json& json);
/// The same without indentation or line breaks, ending in a newline.
std::string json_line(const nlohmann::ordered_json& json);

/// The double that prints as the float does: 0.8, not 0.800000011920929.
double shortest(float value);

/// "812 B", "6.6 MB", "1.18 GB": powers of 1000.
std::string format_bytes(std::uint64_t bytes);
/// "812", "17.8 M", "2.4 B"
std::string format_count(std::uint64_t count);
/// "0.42 ms", "1.3 s", "2 min 5 s"
std::string format_seconds(double seconds);
/// "312.2", "4.15", with three or four digits
std::string format_rate(double rate);

/// Rows of cells, columns aligned; those marked in `right` to the right. Cells beyond the first row's count
/// are not aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> header, std::string_view right = {});
  void add(std::vector<std::string> row);
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::string right_;  ///< one character a column: 'r' aligns to the right
};

/// Columns that a UTF-8 text takes on a terminal, counting a code point as one.
std::size_t display_width(std::string_view text);

}  // namespace sterna::cli
