#include "tokenizer/split_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>

#include "sterna/error.hpp"

namespace sterna {
namespace {

/// Longer than any published pattern by far; keeps the compiler's work on a hostile one small.
constexpr std::size_t kMaxPatternLength = 4096;
/// PCRE2's own default, which no sane pattern reaches on a word, plus room that grows with the text: one long
/// run of spaces is backtracked over once per byte.
constexpr std::uint64_t kMatchLimit = 10'000'000;
constexpr std::uint64_t kMatchLimitPerByte = 16;
/// Without its just-in-time compiler PCRE2 keeps backtracking points on the heap, by default up to 20 GB.
constexpr std::uint32_t kHeapLimitKib = 64 << 10;

[[noreturn]] void refuse(std::string_view pattern, std::string_view syntax) {
  throw Error(
      ErrorCategory::Unsupported,
      "the pre-tokenizer's pattern uses syntax whose meaning differs between regular expression engines",
      {{"found", std::string(syntax)}, {"pattern", std::string(pattern)}});
}

/// The pattern in PCRE2's terms, after checking that it uses nothing that PCRE2 and Oniguruma read
/// differently
/// (^ and $, \w, \b, \h, &&, nested classes, {n}+, {,n}, …). \s becomes \p{White_Space}: PCRE2's \s also
/// takes U+180E.
std::string translate(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  const auto at = [&](std::size_t i) { return i < pattern.size() ? pattern[i] : '\0'; };
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      const char e = at(++i);
      const bool letter_or_digit =
          (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9') || e == '\0';
      if (e == 's') {
        out += "\\p{White_Space}";
      } else if (e == 'S') {
        out += "\\P{White_Space}";
      } else if (!letter_or_digit || std::string_view("rntdDpP").find(e) != std::string_view::npos) {
        out += '\\';
        out += e;
        if ((e == 'p' || e == 'P') && at(i + 1) == '{') {  // the braces of a property are no quantifier
          while (at(i) != '}' && i + 1 < pattern.size()) out += pattern[++i];
        }
      } else {
        refuse(pattern, pattern.substr(i - 1, 2));
      }
      continue;
    }
    if (in_class) {
      if (c == '[' || (c == '&' && at(i + 1) == '&')) refuse(pattern, pattern.substr(i, 2));
      if (c == ']') in_class = false;
    } else if (c == '[') {
      in_class = true;
      out += c;
      if (at(i + 1) == '^') out += pattern[++i];
      if (at(i + 1) == ']') refuse(pattern, "[]");
      continue;
    } else if (c == '^' || c == '$') {
      refuse(pattern, pattern.substr(i, 1));
    } else if (c == '(') {
      if (at(i + 1) == '*') refuse(pattern, "(*");
      if (at(i + 1) == '?') {
        constexpr std::array<std::string_view, 7> kGroups = {"(?:",  "(?i:", "(?=", "(?!",
                                                             "(?<=", "(?<!", "(?>"};
        bool known = false;
        for (const auto group : kGroups) known |= pattern.substr(i).starts_with(group);
        if (!known) refuse(pattern, pattern.substr(i, 4));
      }
    } else if ((c == '}' && at(i + 1) == '+') || (c == '{' && at(i + 1) == ',')) {
      refuse(pattern, pattern.substr(i, 2));
    }
    out += c;
  }
  return out;
}

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct SplitPattern::Code {
  explicit Code(std::string_view pattern) {
    if (pattern.size() > kMaxPatternLength) {
      throw Error(ErrorCategory::Unsupported, "the pre-tokenizer's pattern is too long",
                  {{"found", std::to_string(pattern.size())}, {"limit", std::to_string(kMaxPatternLength)}});
    }
    const std::string translated = translate(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(units(translated), translated.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
    if (!code) {
      throw Error(ErrorCategory::Format, "the pre-tokenizer's pattern is not a regular expression",
                  {{"pattern", std::string(pattern)}, {"reason", message_of(error)}});
    }
    jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  }
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  pcre2_code* code = nullptr;
  bool jit = false;
};

SplitPattern::SplitPattern(std::string_view pattern) : code_(std::make_shared<const Code>(pattern)) {}

struct SplitPattern::Matcher::State {
  State(std::shared_ptr<const Code> of, std::string_view subject) : code(std::move(of)), text(subject) {
    data = pcre2_match_data_create(1, nullptr);
    context = pcre2_match_context_create(nullptr);
    if (!data || !context) {
      release();
      throw std::bad_alloc();
    }
    const std::uint64_t limit = kMatchLimit + kMatchLimitPerByte * text.size();
    pcre2_set_heap_limit(context, kHeapLimitKib);
    pcre2_set_match_limit(context, static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, UINT32_MAX)));
  }
  ~State() { release(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void release() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }

  int match(std::size_t from) {
    if (code->jit) {
      const int rc = pcre2_jit_match(code->code, units(text), text.size(), from, 0, data, context);
      if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
    }
    return pcre2_match(code->code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                       context);
  }

  /// Finds the first match at or after `done` that is not empty, or puts it at the end of the text.
  void find() {
    const PCRE2_SIZE* match_at = pcre2_get_ovector_pointer(data);
    for (std::size_t from = done; from < text.size();) {
      const int rc = match(from);
      if (rc == PCRE2_ERROR_NOMATCH) break;
      if (rc < 0) {
        throw Error(ErrorCategory::Limit, "the pre-tokenizer's pattern cannot cut this text",
                    {{"reason", message_of(rc)}});
      }
      begin = match_at[0];
      end = match_at[1];
      if (begin >= done && end > begin) return;
      // An empty match: go on behind the next character.
      from = std::max(from, end) + 1;
      while (from < text.size() && (text[from] & 0xc0) == 0x80) ++from;
    }
    begin = end = text.size();
  }

  std::shared_ptr<const Code> code;
  std::string_view text;
  std::size_t done = 0;            ///< up to here the words were handed out
  std::size_t begin = 0, end = 0;  ///< of the match to come
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
};

void SplitPattern::Matcher::Delete::operator()(State* state) const noexcept {
  delete state;
}

SplitPattern::Matcher::Matcher(const SplitPattern& pattern, std::string_view text)
    : state_(new State(pattern.code_, text)) {}

std::string_view SplitPattern::Matcher::next() {
  State& s = *state_;
  if (s.done == s.end) s.find();
  const std::size_t from = s.done;
  // Either what lies before the match, or the match.
  s.done = from < s.begin ? s.begin : s.end;
  return s.text.substr(from, s.done - from);
}

}  // namespace sterna
