// An environment variable while a test needs it.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace sterna::testing {

/// Sets a variable (null: unsets it) and gives it its old value back when destroyed.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) { value == nullptr ? ::unsetenv(name_) : ::setenv(name_, value, 1); }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace sterna::testing
