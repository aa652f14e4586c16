// What each way of storing each matrix costs, measured with all the others left as they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "session/quantize/logit_judge.hpp"
#include "session/quantize/matrix_store.hpp"

namespace sterna {

/// A matrix and the precisions it may have.
struct OpenMatrix {
  LinearSource source;  ///< or the embedding's
  std::size_t block;  ///< the first that computes otherwise when it changes: 0 for the embedding, as many as
                      ///< there are for the head
  std::vector<Precision> precisions;
};

struct Measured {
  std::vector<Sensitivity> sensitivities;  ///< one per precision, in their order
  std::vector<double> nanoseconds;  ///< of one product with one token on one thread; empty unless asked for
};

struct SensitivityOptions {
  bool time = false;  ///< measure the products too
  Progress progress{};
};

/// Of every candidate with more than one precision each of them; of the others bytes alone. The trial is left
/// as it was. nll and kl are against the judge's reference, which is the trial as it is. Block after block,
/// so that the ones before are not run again: beside the judge memory is that of a residual stream.
std::vector<Measured> measure_sensitivities(const std::vector<OpenMatrix>& candidates, MatrixStore& store,
                                            TrialModel& trial, const LogitJudge& judge,
                                            const SensitivityOptions& options);

}  // namespace sterna
