// What each codec makes of a model's ternary matrices: bytes, and how fast they are decoded.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "inspect/report.hpp"

namespace sterna::cli {

/// Encodes every ternary matrix of the model with every codec and times decoding, one matrix at a time.
/// Throws what open_checkpoint throws, Mismatch for a model without ternary matrices.
nlohmann::ordered_json codecs_report(const InspectArgs& args);

/// Its part of the report for people, on standard output.
void write_codecs_text(const nlohmann::ordered_json& codecs);

}  // namespace sterna::cli
