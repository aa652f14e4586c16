// Comma-separated values as RFC 4180 defines them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sterna::cli {

/// Rows of fields. Fields may be quoted and then hold commas, line breaks and doubled quotes; lines end with
/// LF or CRLF; a byte-order mark and empty lines are skipped. Throws Format (file, line) for a quote that is
/// not closed or stands inside a bare field.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, const std::string& file);

/// The field, quoted where it must be.
std::string csv_field(std::string_view text);

}  // namespace sterna::cli
