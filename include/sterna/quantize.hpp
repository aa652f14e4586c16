// From a float checkpoint to a small model: what each choice costs, a good one under a budget, and the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sterna/dtype.hpp"
#include "sterna/log.hpp"
#include "sterna/model.hpp"
#include "sterna/precision.hpp"

namespace sterna {

/// One matrix stored in one precision, all others left in float.
struct Sensitivity {
  Precision precision;
  std::uint64_t bytes = 0;
  WeightError weights;
  double output_error = 0;  ///< Σ |ŵx − wx|² / Σ |wx|² over the calibration's inputs x; NaN without one
  double nll = 0;           ///< mean negative log-likelihood, nats a token, minus the float model's
};

struct MatrixReport {
  std::string name;  ///< "blk.0.attn_q"
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  Precision chosen = Precision::F16;
  DType stored = DType::F16;
  std::uint64_t bytes = 0;
  WeightError error;
  double output_error = 0;               ///< as in Sensitivity, of what was written
  std::vector<Sensitivity> sensitivity;  ///< empty where nothing was to be chosen
  double histogram_least = 0;            ///< weights: equal bins over [least, most]
  double histogram_most = 0;
  std::vector<std::uint64_t> histogram;
};

/// An optimal assignment for one budget.
struct FrontierPoint {
  std::uint64_t bytes = 0;   ///< of all matrices and the embedding
  double predicted_nll = 0;  ///< sum of the sensitivities
  double perplexity = 0;     ///< measured
  bool chosen = false;
};

struct KvReport {
  KvType type;
  double perplexity = 0;
  std::uint64_t bytes_per_token = 0;
};

struct QuantizeReport {
  std::string input;
  std::string output;
  std::uint64_t bytes = 0;        ///< of the file
  std::uint64_t float_bytes = 0;  ///< of the same tensors in f16
  double float_perplexity = 0;    ///< 0: nothing was evaluated
  double perplexity = 0;          ///< of the file written
  double kl = 0;                  ///< mean KL(float ‖ quantised), nats a token
  double top1 = 0;                ///< share of positions with the same most likely token
  std::uint64_t evaluated_tokens = 0;
  std::uint64_t calibration_tokens = 0;
  std::vector<MatrixReport> matrices;
  std::vector<FrontierPoint> frontier;  ///< by bytes; empty without a budget
  std::vector<KvReport> kv;
  double recovered_nll = 0;  ///< nll before recovery minus after
  double seconds = 0;
};

}  // namespace sterna
