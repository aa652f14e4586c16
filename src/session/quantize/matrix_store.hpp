// A model's float matrices in each precision: their bytes, and what that costs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model_writer.hpp"
#include "model/trial_model.hpp"
#include "platform/thread_pool.hpp"
#include "quantize/compensated.hpp"
#include "quantize/metrics.hpp"
#include "sterna/calibration.hpp"
#include "sterna/quantize.hpp"

namespace sterna {

struct StoreOptions {
  WeightRounding rounding = WeightRounding::LeastSquares;
  DType ternary = DType::TQ1_0;
  std::optional<TernaryRule> ternary_rule{};
  /// The statistics of what a linear layer reads, valid until the next call; null where there are none.
  /// Compensated needs the Gram matrices.
  std::function<const InputStatistics*(std::string_view linear)> input_of{};
};

/// What storing a matrix did to it.
struct StoreErrors {
  ErrorSums weights;
  OutputError outputs;
  bool outputs_known = false;
};

struct StoredMatrix {
  DType dtype;
  std::vector<std::byte> bytes;  ///< rows in the model's order
  StoreErrors errors;
};

class MatrixStore {
 public:
  MatrixStore(const StoreOptions& options, ThreadPool& pool) : options_(options), pool_(pool) {}

  DType dtype_of(Precision precision) const;
  /// An encoder for write_model, whose rows' errors are added to `errors`. Throws Mismatch where the columns
  /// are no multiple of the block. The store, the source and `errors` must outlive it. What was stored lately
  /// is not rounded again; then it is valid until the next call of store().
  MatrixEncoder encoder(const LinearSource& source, Precision precision, StoreErrors& errors);
  /// The same for codes and scales that are given.
  MatrixEncoder encoder(const LinearSource& source, Precision precision, GridMatrix matrix,
                        StoreErrors& errors);
  /// All rows. Valid until the next call; what was stored lately is kept.
  const StoredMatrix& store(const LinearSource& source, Precision precision);
  /// All rows on the precision's grid.
  GridMatrix round(const LinearSource& source, Precision precision);

 private:
  MatrixEncoder rounding_encoder(const LinearSource& source, Precision precision, StoreErrors& errors);
  GridMatrix rounded(const LinearSource& source, const Grid& grid, std::uint64_t rows,
                     std::span<const float> w);
  void account(const LinearSource& source, std::uint64_t rows, std::span<const float> w, DType dtype,
               Bytes out, StoreErrors& errors);
  const InputStatistics* input_of(const LinearSource& source) const {
    return options_.input_of ? options_.input_of(source.name) : nullptr;
  }
  const Compensation& compensation_of(const InputStatistics& input);

  StoreOptions options_;
  ThreadPool& pool_;
  std::string compensated_;                               ///< the input whose `compensation_` is
  std::unique_ptr<Compensation> compensation_;            ///< of the last input: Q, K and V share one
  std::map<std::string, std::vector<float>> importance_;  ///< by input
  std::map<std::pair<std::string, Precision>, StoredMatrix> stored_;
  std::uint64_t stored_bytes_ = 0;
};

/// All rows of a dense source in float32, in the model's order.
std::vector<float> all_rows(const LinearSource& source, ThreadPool& pool);

/// The embedding as the source of a matrix named "token_embd".
LinearSource embedding_source(const Checkpoint& checkpoint);

}  // namespace sterna
