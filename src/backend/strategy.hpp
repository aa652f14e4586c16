// The strategies: which of the candidates computes an operation.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "backend/timing.hpp"

namespace sterna {

struct Pick {
  std::size_t candidate;
  std::string why;
};

struct Strategy {
  std::string_view name;
  std::string_view summary;
  /// `candidates` is not empty and ordered by the backends' priorities, then as each prefers its variants.
  Pick (*pick)(const Question& question, std::span<const Candidate> candidates, const Timings& timings);
};

/// The first is the default.
std::span<const Strategy> strategy_table() noexcept;

}  // namespace sterna
