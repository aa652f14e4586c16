// Which of its kernels OpenBLAS runs.
#pragma once

#include "platform/restart.hpp"

namespace sterna::cli {

/// What makes OpenBLAS use this processor's vector instructions where it takes it for one without: releases
/// older than the processor fall back to SSE3. Empty where it knows better, or is not there.
Settings openblas_settings();

}  // namespace sterna::cli
