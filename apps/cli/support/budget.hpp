// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string_view>

namespace sterna::cli {

/// "12MB", "1.5GB" (powers of 1000), "12MiB" (of 1024), "800kB", "12000000", "60%" (of `whole` bytes),
/// rounded down. A space may stand before the unit, and its letters may be of either case. Throws
/// InvalidArgument (found, expected) for anything else, for none and for 2^53 bytes or more.
std::uint64_t parse_budget(std::string_view text, std::uint64_t whole);

}  // namespace sterna::cli
