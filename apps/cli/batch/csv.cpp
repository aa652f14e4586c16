#include "batch/csv.hpp"

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : text_(text), file_(file) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  std::vector<std::vector<std::string>> rows() {
    std::vector<std::vector<std::string>> rows;
    while (position_ < text_.size()) {
      if (take_line_end()) continue;
      rows.push_back(row());
    }
    return rows;
  }

 private:
  std::vector<std::string> row() {
    std::vector<std::string> fields;
    for (;;) {
      fields.push_back(peek() == '"' ? quoted() : bare());
      if (position_ == text_.size() || take_line_end()) return fields;
      if (peek() != ',') fail("text after a closing quote");
      ++position_;
    }
  }

  std::string quoted() {
    std::string field;
    const std::size_t line = line_;
    for (++position_; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '\n') ++line_;
      if (c == '"') {
        ++position_;
        if (peek() != '"') return field;
      }
      field += c;
    }
    line_ = line;
    fail("a quote that is not closed");
  }

  std::string bare() {
    const std::size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != ',' && !at_line_end()) {
      if (text_[position_] == '"') fail("a quote inside a field that does not start with one");
      ++position_;
    }
    return std::string(text_.substr(begin, position_ - begin));
  }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  bool at_line_end() const { return peek() == '\n' || text_.substr(position_, 2) == "\r\n"; }

  bool take_line_end() {
    if (position_ == text_.size() || !at_line_end()) return false;
    position_ += peek() == '\r' ? 2 : 1;
    ++line_;
    return true;
  }

  [[noreturn]] void fail(const char* found) const {
    throw Error(ErrorCategory::Format, "the CSV file is damaged",
                {{"file", file_}, {"line", std::to_string(line_)}, {"found", found}});
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

std::vector<std::vector<std::string>> parse_csv(std::string_view text, const std::string& file) {
  return Parser(text, file).rows();
}

std::string csv_field(std::string_view text) {
  const bool bare = text.find_first_of(",\"\r\n") == text.npos;
  if (bare) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + "\"";
}

}  // namespace sterna::cli
