// Which precision each matrix gets, from what each costs.
#pragma once

#include <optional>
#include <vector>

#include "quantize/assignment.hpp"
#include "session/quantize/sensitivity.hpp"
#include "sterna/quantize.hpp"

namespace sterna {

/// How much a target or a policy lets the loss rise on the judge's windows, nats a token; none without
/// either.
std::optional<double> most_rise(const QuantizeOptions& options, const LogitJudge& judge);

/// Puts all candidates in their place, each stored in its precision. All are stored before the first is put
/// there: statistics that are still to be gathered are the float model's.
void replace_all(const std::vector<OpenMatrix>& candidates, const std::vector<Precision>& precisions,
                 MatrixStore& store, TrialModel& trial);

class Mixture {
 public:
  /// Everything must outlive it.
  Mixture(const std::vector<OpenMatrix>& candidates, const std::vector<Measured>& measured,
          MatrixStore& store, TrialModel& trial, const LogitJudge& judge, const QuantizeOptions& options);

  /// What budget, target or policy ask for. A target or a policy is about perplexity: the least bytes (or
  /// time) whose predicted rise is within it, and, as predictions add up what acts together, whose measured
  /// rise on the judge's windows is too; where it is not, predictions are held to as much less as they were
  /// short.
  Assignment choose();

  /// Assignments for evenly spaced budgets, and the chosen one, each run.
  std::vector<FrontierPoint> frontier(const Assignment& chosen);

  /// Mean KL and nll on the judge's windows with every matrix stored so.
  Judgement run(const Assignment& assignment);
  std::uint64_t bytes_of(const Assignment& assignment) const;
  const std::vector<Options>& items() const noexcept { return items_; }

 private:
  Assignment within_rise(double most_rise);

  const std::vector<OpenMatrix>& candidates_;
  MatrixStore& store_;
  TrialModel& trial_;
  const LogitJudge& judge_;
  const QuantizeOptions& options_;
  std::vector<Options> items_;       ///< bytes and KL
  std::vector<Options> time_items_;  ///< nanoseconds and KL, for Policy::Speed
};

}  // namespace sterna
