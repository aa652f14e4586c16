// What the engine calls: the kernels that were chosen, by how many tokens are computed together.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "backend/strategy.hpp"

namespace sterna {

inline constexpr std::size_t kBatches = 3;
inline constexpr std::size_t kFewTokens = 8;  ///< the most of Batch::Few

struct Dispatch {
  std::array<Kernels, kBatches> kernels;  ///< by Batch; no slot is null
  std::vector<BackendChoice> choices;
  bool low_memory = false;  ///< weights that must be repacked are to take the fewest bits

  static Batch batch_of(std::size_t tokens) noexcept {
    return tokens == 1 ? Batch::One : tokens <= kFewTokens ? Batch::Few : Batch::Many;
  }
  const Kernels& of(std::size_t tokens) const noexcept {
    return kernels[static_cast<std::size_t>(batch_of(tokens))];
  }
  /// Who computes an operation, of products one with a matrix of this dtype: "avx512". Empty where nothing
  /// was chosen for it.
  std::string_view variant(Operation operation, DType dtype, std::size_t tokens) const noexcept;
};

/// Chooses from the backends of `table` as the options and the environment say. A backend that is not
/// available, or cannot compute an operation, is passed over: the choices say so, and the log. Throws as
/// choose_backends, and Unsupported when no backend computes some operation.
Dispatch make_dispatch(std::span<const Backend> table, const BackendOptions& options, const Timings& timings);
/// From the backends of this build, with timings of this machine.
Dispatch make_dispatch(const BackendOptions& options);

}  // namespace sterna
