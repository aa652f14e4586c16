// Counts what the test program allocates.
#pragma once

#include <cstddef>

namespace sterna::testing {

/// Calls of operator new in this process so far, by any thread.
std::size_t allocations() noexcept;

}  // namespace sterna::testing
