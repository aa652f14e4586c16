#include "session/quantize/sensitivity.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include "kernels/kernel_table.hpp"
#include "model/model_impl.hpp"

namespace sterna {
namespace {

/// The median of a few products with one token, on this thread.
double nanoseconds_of(const Matrix& matrix, const Dispatch& dispatch) {
  constexpr int kRepetitions = 9;
  const auto& floats = dispatch.of(1).floats;
  std::vector<float> x(matrix.cols, 0.5f);
  std::vector<std::int16_t> codes(matrix.cols, 16384);
  const float scale = 1.0f / 32768;
  std::vector<float> out(matrix.rows);
  std::vector<double> times;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    dense_kernel(floats, matrix.dtype)({.weights = matrix.data,
                                        .weight_stride = matrix.stride,
                                        .cols = matrix.cols,
                                        .x = x.data(),
                                        .x_stride = matrix.cols,
                                        .tokens = 1,
                                        .row_begin = 0,
                                        .row_end = matrix.rows,
                                        .out = out.data(),
                                        .out_stride = matrix.rows,
                                        .codes = codes.data(),
                                        .codes_stride = matrix.cols,
                                        .code_scales = &scale});
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - begin;
    times.push_back(elapsed.count());
  }
  std::ranges::nth_element(times, times.begin() + kRepetitions / 2);
  return times[kRepetitions / 2];
}

}  // namespace

std::vector<Measured> measure_sensitivities(const std::vector<OpenMatrix>& candidates, MatrixStore& store,
                                            TrialModel& trial, const LogitJudge& judge,
                                            const SensitivityOptions& options) {
  std::vector<Measured> measured(candidates.size());
  std::uint64_t total = 0;
  for (const OpenMatrix& candidate : candidates) total += candidate.precisions.size();
  // Matrices of one shape and type take the same time.
  std::map<std::tuple<std::uint64_t, std::uint64_t, DType>, double> times;
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return candidates[i].block; });
  ResidualStream stream = judge.stream(*trial.model());
  std::uint64_t done = 0;
  for (const std::size_t i : order) {
    const auto& [source, block, precisions] = candidates[i];
    if (precisions.size() > 1 && block > stream.block()) stream.move_to(block);
    for (const Precision precision : precisions) {
      Sensitivity row;
      row.precision = precision;
      const DType dtype = store.dtype_of(precision);
      row.bytes = *storage_bytes(dtype, source.rows, source.cols);
      row.output_error = std::numeric_limits<double>::quiet_NaN();
      if (precisions.size() > 1) {
        const StoredMatrix& stored = store.store(source, precision);
        row.weights = stored.errors.weights.weight_error();
        if (stored.errors.outputs_known) row.output_error = stored.errors.outputs.relative();
        Matrix matrix = matrix_of(stored.dtype, source.rows, source.cols, stored.bytes);
        if (options.time) {
          const auto [at, fresh] = times.try_emplace({source.rows, source.cols, dtype});
          if (fresh) at->second = nanoseconds_of(matrix, trial.model()->impl().dispatch);
          measured[i].nanoseconds.push_back(at->second);
        }
        trial.replace(source.name, std::move(matrix));
        const Judgement judgement =
            block == 0 ? judge.judge(*trial.model()) : judge.judge(*trial.model(), stream);
        trial.restore(source.name);
        row.nll = judgement.nll - judge.reference_nll();
        row.kl = judgement.kl;
      } else if (options.time) {
        measured[i].nanoseconds.push_back(0);  // the same in every assignment
      }
      measured[i].sensitivities.push_back(row);
      if (options.progress) options.progress(++done, total, "measuring sensitivities");
    }
  }
  return measured;
}

}  // namespace sterna
