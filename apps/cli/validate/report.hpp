// What `validate` found, in the three forms that people and programs read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "validate/promise.hpp"

namespace sterna::cli {

struct Judged {
  const Promise* promise;
  PromiseResult result;
};

/// The machine and how it was measured.
struct ValidateSetting {
  std::string version;
  std::string processor;
  std::string kernels;
  unsigned cores = 0;
  unsigned threads = 0;
  bool quick = false;
  double seconds = 0;  ///< the whole run
};

std::string text_report(const ValidateSetting& setting, const std::vector<Judged>& judged);
/// The schema is in docs/validate.md.
nlohmann::ordered_json json_report(const ValidateSetting& setting, const std::vector<Judged>& judged);
/// One page that needs nothing but itself.
std::string html_report(const ValidateSetting& setting, const std::vector<Judged>& judged);

/// "at least 5 ×"
std::string bound_text(const Promise& promise);
std::string value_text(const Promise& promise, double value);

}  // namespace sterna::cli
