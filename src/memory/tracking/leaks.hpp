#pragma once

#include "sterna/memory.hpp"

namespace sterna {

/// One warning to the log sink for each block of the pool that is alive and tracked, up to a hundred, with
/// its stack if there is one.
void log_leaks(const MemoryPool& pool);

}  // namespace sterna
