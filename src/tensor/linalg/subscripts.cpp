#include "tensor/linalg/subscripts.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "sterna/error.hpp"

namespace sterna::linalg {
namespace {

constexpr std::string_view kArrow = "->";
constexpr std::string_view kDots = "...";

constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Parser {
 public:
  Parser(std::string_view text, std::span<const Tensor> operands) : text_(text), operands_(operands) {}

  Subscripts parse() {
    if (operands_.empty()) fail("there is no operand");
    std::string_view inputs = text_;
    std::string_view output;
    const std::size_t arrow = inputs.find(kArrow);
    const bool has_output = arrow != std::string_view::npos;
    if (has_output) {
      output = inputs.substr(arrow + kArrow.size());
      inputs = inputs.substr(0, arrow);
    }
    const auto terms = static_cast<std::size_t>(std::count(inputs.begin(), inputs.end(), ',')) + 1;
    if (terms != operands_.size()) fail("there are not as many subscripts as operands", terms);
    Subscripts result;
    for (const Tensor& operand : operands_) {
      const std::string_view term = inputs.substr(0, inputs.find(','));
      inputs.remove_prefix(std::min(term.size() + 1, inputs.size()));
      result.operands.push_back(operand_labels(term, operand));
    }
    result.output = has_output ? output_labels(output) : implicit_output();
    return result;
  }

 private:
  /// The letters of a term in place, and where its "..." stands (or npos).
  struct Term {
    Labels letters;
    std::size_t dots = std::string_view::npos;
  };
  Term term_of(std::string_view text) const {
    Term term;
    while (!text.empty()) {
      if (text.starts_with(kDots)) {
        if (term.dots != std::string_view::npos) fail("\"...\" stands twice in one term");
        term.dots = term.letters.size();
        text.remove_prefix(kDots.size());
      } else if (is_letter(text.front()) || text.front() == ' ') {
        if (text.front() != ' ') term.letters.push_back(text.front());
        text.remove_prefix(1);
      } else {
        fail("there is neither a letter nor \"...\" at place " + std::to_string(text.data() - text_.data()));
      }
    }
    return term;
  }

  static void insert_dots(Labels& labels, std::size_t at, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k)
      labels.insert(labels.begin() + static_cast<std::ptrdiff_t>(at + k),
                    kEllipsisLabel + static_cast<int>(count - 1 - k));
  }

  Labels operand_labels(std::string_view text, const Tensor& operand) {
    Term term = term_of(text);
    for (const int letter : term.letters) ++uses_[static_cast<std::size_t>(letter)];
    const bool dots = term.dots != std::string_view::npos;
    if (dots ? term.letters.size() > operand.rank() : term.letters.size() != operand.rank())
      fail("an operand of shape " + to_string(operand.shape()) + " does not have the axes of \"" +
           std::string(text) + '"');
    if (dots) {
      const std::size_t count = operand.rank() - term.letters.size();
      insert_dots(term.letters, term.dots, count);
      broadcast_ = std::max(broadcast_, count);
    }
    return std::move(term.letters);
  }

  Labels output_labels(std::string_view text) const {
    Term term = term_of(text);
    for (std::size_t k = 0; k < term.letters.size(); ++k) {
      const int letter = term.letters[k];
      if (uses_[static_cast<std::size_t>(letter)] == 0)
        fail(std::string("the output has an axis that no operand has: '") + static_cast<char>(letter) + '\'');
      if (std::count(term.letters.begin(), term.letters.end(), letter) > 1)
        fail(std::string("the output has an axis twice: '") + static_cast<char>(letter) + '\'');
    }
    if (term.dots != std::string_view::npos) {
      insert_dots(term.letters, term.dots, broadcast_);
    } else if (broadcast_ > 0) {
      fail("the operands have axes of \"...\" and the output has not");
    }
    return std::move(term.letters);
  }

  Labels implicit_output() const {
    Labels labels;
    insert_dots(labels, 0, broadcast_);
    for (std::size_t letter = 0; letter < uses_.size(); ++letter) {
      if (uses_[letter] == 1) labels.push_back(static_cast<int>(letter));
    }
    return labels;
  }

  [[noreturn]] void fail(std::string_view message, std::size_t terms = 0) const {
    std::string shapes;
    for (const Tensor& operand : operands_)
      shapes += (shapes.empty() ? "" : ", ") + to_string(operand.shape());
    Error::Values values{{"operation", "einsum"}, {"subscripts", std::string(text_)}, {"operands", shapes}};
    if (terms > 0) values.emplace_back("found", std::to_string(terms));
    throw Error(ErrorCategory::InvalidArgument, message, std::move(values));
  }

  std::string_view text_;
  std::span<const Tensor> operands_;
  std::array<int, 128> uses_{};
  std::size_t broadcast_ = 0;  // axes of "..."
};

}  // namespace

Subscripts parse_subscripts(std::string_view text, std::span<const Tensor> operands) {
  return Parser(text, operands).parse();
}

}  // namespace sterna::linalg
