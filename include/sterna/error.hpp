// The one exception type of the library.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sterna {

/// What kind of thing went wrong; a program decides by this, a person reads `what()`.
enum class ErrorCategory {
  InvalidArgument,  ///< the caller passed a value the function does not take
  Io,               ///< the operating system refused (no file, no permission, disk full)
  Format,           ///< a file's bytes do not follow its format, or contradict themselves
  Unsupported,      ///< valid, but not something this build can do; the message says what is possible
  Mismatch,         ///< two things that must fit do not (a tensor and the config, a kernel and a packing)
  Limit,            ///< a stated limit was reached (context full, memory limit)
  Cancelled,        ///< stopped by request
  Internal,         ///< a bug in Sterna
};

/// The category's name as it appears in `--json` output: "io", "format", …
std::string_view to_string(ErrorCategory category) noexcept;

/// Thrown by every function of the library that fails. `what()` is one line: the message, then the values
/// in parentheses: `unknown tensor type (file: m.gguf, tensor: blk.0.attn_q.weight, found: 38)`.
class Error : public std::runtime_error {
 public:
  using Values = std::vector<std::pair<std::string, std::string>>;

  Error(ErrorCategory category, std::string_view message, Values values = {});

  ErrorCategory category() const noexcept { return category_; }
  /// The sentence alone, without the values.
  const std::string& message() const noexcept { return message_; }
  /// The offending values by role, in order: file, tensor, found, expected, …
  const Values& values() const noexcept { return values_; }
  /// The value of a role, or an empty string.
  std::string_view value(std::string_view role) const noexcept;
  /// The same error with one more value, for a caller that knows more (the file's name, say); a role that
  /// is already set keeps its value.
  Error with(std::string_view role, std::string_view value) const;

 private:
  ErrorCategory category_;
  std::string message_;
  Values values_;
};

}  // namespace sterna
