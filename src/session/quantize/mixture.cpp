#include "session/quantize/mixture.hpp"

#include <algorithm>
#include <cmath>

#include "quantize/precision.hpp"
#include "sterna/session.hpp"

namespace sterna {

std::optional<double> most_rise(const QuantizeOptions& options, const LogitJudge& judge) {
  if (options.policy) return std::log(policy_row(*options.policy).most_perplexity);
  if (options.target_perplexity > 0) return std::log(options.target_perplexity) - judge.reference_nll();
  return std::nullopt;
}

void replace_all(const std::vector<OpenMatrix>& candidates, const std::vector<Precision>& precisions,
                 MatrixStore& store, TrialModel& trial) {
  std::vector<Matrix> matrices;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const LinearSource& source = candidates[i].source;
    const StoredMatrix& stored = store.store(source, precisions[i]);
    matrices.push_back(matrix_of(stored.dtype, source.rows, source.cols, stored.bytes));
  }
  for (std::size_t i = 0; i < candidates.size(); ++i)
    trial.replace(candidates[i].source.name, std::move(matrices[i]));
}

Mixture::Mixture(const std::vector<OpenMatrix>& candidates, const std::vector<Measured>& measured,
                 MatrixStore& store, TrialModel& trial, const LogitJudge& judge,
                 const QuantizeOptions& options)
    : candidates_(candidates), store_(store), trial_(trial), judge_(judge), options_(options) {
  for (const Measured& matrix : measured) {
    Options bytes;
    Options times;
    for (std::size_t i = 0; i < matrix.sensitivities.size(); ++i) {
      const Sensitivity& row = matrix.sensitivities[i];
      bytes.push_back({row.bytes, row.kl});
      if (!matrix.nanoseconds.empty())
        times.push_back({static_cast<std::uint64_t>(std::llround(matrix.nanoseconds[i])), row.kl});
    }
    items_.push_back(std::move(bytes));
    if (!times.empty()) time_items_.push_back(std::move(times));
  }
}

Judgement Mixture::run(const Assignment& assignment) {
  std::vector<Precision> precisions;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    precisions.push_back(candidates_[i].precisions[assignment.choice[i]]);
  replace_all(candidates_, precisions, store_, trial_);
  const Judgement judgement = judge_.judge(*trial_.model());
  trial_.restore();
  return judgement;
}

std::uint64_t Mixture::bytes_of(const Assignment& assignment) const {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) bytes += items_[i][assignment.choice[i]].cost;
  return bytes;
}

Assignment Mixture::within_rise(double most_rise) {
  // The first try holds the sum of the predictions to the limit itself; three more come close, and each is a
  // whole evaluation.
  constexpr int kTries = 4;
  const auto& items = time_items_.empty() ? items_ : time_items_;
  double predicted = most_rise;
  Assignment assignment;
  for (int i = 0; i < kTries; ++i) {
    assignment = assign_for_loss(items, predicted);
    const double rise = run(assignment).nll - judge_.reference_nll();
    if (rise <= most_rise) return assignment;
    predicted *= std::max(most_rise / rise, 0.25) * 0.95;
  }
  return assignment;
}

Assignment Mixture::choose() {
  if (options_.budget > 0) return assign_within(items_, options_.budget);
  return within_rise(*most_rise(options_, judge_));
}

std::vector<FrontierPoint> Mixture::frontier(const Assignment& chosen) {
  std::vector<FrontierPoint> points;
  std::vector<Assignment> assignments = sterna::frontier(items_, std::max(options_.frontier, 2u));
  assignments.push_back(chosen);
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    const Judgement judgement = run(assignments[i]);
    points.push_back({bytes_of(assignments[i]), assignments[i].loss, std::exp(judgement.nll),
                      i + 1 == assignments.size()});
    if (options_.progress) options_.progress(i + 1, assignments.size(), "measuring the frontier");
  }
  std::ranges::sort(points, {}, &FrontierPoint::bytes);
  return points;
}

}  // namespace sterna
