// Pages of memory, given back to the system.
#pragma once

#include "base/bytes.hpp"

namespace sterna {

/// Takes the pages that hold `bytes` out of this process's memory, those at both ends too. Only for bytes
/// that are mapped from a file and never written: reading them again brings the file's contents back.
void release_pages(Bytes bytes) noexcept;

}  // namespace sterna
