// What `quantize` found, for programs and for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sterna/quantize.hpp"

namespace sterna::cli {

/// The schema is in docs/quantization.md.
nlohmann::ordered_json json_report(const QuantizeReport& report);
/// One page that needs nothing but itself. What was not measured is left out.
std::string html_report(const QuantizeReport& report);

}  // namespace sterna::cli
