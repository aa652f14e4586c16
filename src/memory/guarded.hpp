// Calling what somebody else wrote.
#pragma once

#include <exception>
#include <string>

#include "base/log.hpp"

namespace sterna {

/// f(); what it throws is logged as a failure of `what` and goes no further. Tells whether it came through.
template <class F>
bool guarded(const std::string& what, F&& f) {
  try {
    f();
    return true;
  } catch (const std::exception& error) {
    log_warning(what + " failed: " + error.what());
  } catch (...) {
    log_warning(what + " failed");
  }
  return false;
}

}  // namespace sterna
