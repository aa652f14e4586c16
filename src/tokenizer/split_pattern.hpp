// A regular expression that cuts a text into words.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sterna {

/// Compiled once, used by any number of threads. The dialect is the part of Oniguruma's (which `tokenizers`
/// runs) that PCRE2 reads alike: literals, classes, \p, \s, \d, groups, look-around, quantifiers.
class SplitPattern {
 public:
  /// Throws Unsupported for syntax outside the common part, Format for a pattern that does not compile.
  explicit SplitPattern(std::string_view pattern);

  /// Matches one text from left to right.
  class Matcher {
   public:
    /// `text` must be valid UTF-8. It and the pattern must outlive the matcher.
    Matcher(const SplitPattern& pattern, std::string_view text);
    /// The next word, an empty view at the end. What lies between matches is a word of its own. Throws Limit
    /// when a pattern backtracks beyond reason; those of named_pre_tokenizers() cannot.
    std::string_view next();

   private:
    struct State;
    struct Delete {
      void operator()(State* state) const noexcept;
    };
    std::unique_ptr<State, Delete> state_;
  };

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace sterna
