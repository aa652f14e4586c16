#include "sterna/error.hpp"

#include <algorithm>

namespace sterna {
namespace {

std::string one_line(std::string_view message, const Error::Values& values) {
  std::string line(message);
  const char* separator = " (";
  for (const auto& [role, value] : values) {
    line += separator;
    line += role + ": " + value;
    separator = ", ";
  }
  if (!values.empty()) line += ')';
  // Values can come from a damaged file: keep the promise of one printable line.
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

}  // namespace

std::string_view to_string(ErrorCategory category) noexcept {
  switch (category) {
    case ErrorCategory::InvalidArgument:
      return "invalid_argument";
    case ErrorCategory::Io:
      return "io";
    case ErrorCategory::Format:
      return "format";
    case ErrorCategory::Unsupported:
      return "unsupported";
    case ErrorCategory::Mismatch:
      return "mismatch";
    case ErrorCategory::Limit:
      return "limit";
    case ErrorCategory::Cancelled:
      return "cancelled";
    case ErrorCategory::Internal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorCategory category, std::string_view message, Values values)
    : std::runtime_error(one_line(message, values)),
      category_(category),
      message_(message),
      values_(std::move(values)) {}

std::string_view Error::value(std::string_view role) const noexcept {
  const auto at =
      std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == role; });
  return at == values_.end() ? std::string_view{} : std::string_view(at->second);
}

Error Error::with(std::string_view role, std::string_view value) const {
  Values values = values_;
  if (this->value(role).empty()) values.emplace_back(role, value);
  return Error(category_, message_, std::move(values));
}

}  // namespace sterna
