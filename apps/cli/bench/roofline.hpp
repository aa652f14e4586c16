// The least time that a test of a model can take on this machine, from what it must read and multiply.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench.hpp"

namespace sterna::cli {

/// One part of the work: it takes the longer of reading its bytes from memory and doing its arithmetic at the
/// peak of the instructions that the chosen kernels use. (Samuel Williams et al. 2009, Roofline.)
struct FloorTerm {
  std::string_view name;
  double bytes = 0;       ///< read from memory; 0 where they fit the last-level cache
  double operations = 0;  ///< multiplications and additions
  const PeakProbe* peak = nullptr;
  double memory_seconds = 0;
  double arithmetic_seconds = 0;

  double seconds() const { return memory_seconds > arithmetic_seconds ? memory_seconds : arithmetic_seconds; }
  std::string_view bound() const;  ///< "memory" or the instructions' name
};

struct Floor {
  std::vector<FloorTerm> terms;
  double seconds = 0;  ///< their sum: they follow each other
};

/// Of the whole test:
///   products   every linear layer: its weights once per batch, 2 · rows · cols operations per token
///   attention  2 · 2 · heads · head_dim operations per layer and position seen; keys and values once per
///              batch
///   head       its weights and operations once per evaluation that gives logits
/// Not counted: norms, activation functions, quantising, sampling, waking threads.
Floor floor_of(const Model& model, const BenchResult& test, const SessionOptions& session,
               const MachineRates& machine);

/// {seconds, tokens_per_second, share, terms: [{name, bytes, operations, instructions, memory_seconds,
/// arithmetic_seconds, seconds, bound}]}
nlohmann::ordered_json floor_json(const Floor& floor, const BenchResult& test);
/// Tests beside their floors, then the floors' terms, and what is not in them.
std::string floors_text(const Model& model, const BenchReport& report, const SessionOptions& session);

}  // namespace sterna::cli
