#include "session/quantize/matrix_store.hpp"

#include <algorithm>
#include <exception>

#include "model/gguf_layout.hpp"
#include "packing/registry.hpp"
#include "sterna/error.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

// Rows that are encoded at once: as many as write_model hands out.
constexpr std::uint64_t kRows = 512;
// Every precision of a model of 100 million weights.
constexpr std::uint64_t kMostStored = std::uint64_t{512} << 20;

/// Calls work(row) for each of `rows` and rethrows a failure.
template <class Work>
void for_each_row(ThreadPool& pool, std::uint64_t rows, Work&& work) {
  std::vector<std::exception_ptr> failures(pool.size());
  pool.parallel_for(rows, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    try {
      for (std::size_t row = begin; row < end; ++row) work(row);
    } catch (...) {
      failures[thread] = std::current_exception();
    }
  });
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

void decode_row(DType dtype, const std::byte* row, std::uint64_t cols, float* out) {
  const Packing* packing = find_packing(dtype);
  packing ? packing->dequantize_row(row, cols, out) : dequantize_row(dtype, row, cols, out);
}

void encode_rows(const GridMatrix& matrix, std::uint64_t first, std::uint64_t rows, DType dtype,
                 MutableBytes out, ThreadPool& pool) {
  const std::uint64_t bytes = *storage_bytes(dtype, 1, matrix.cols);
  const std::uint64_t groups = matrix.cols / matrix.group;
  for_each_row(pool, rows, [&](std::uint64_t row) {
    encode_row(dtype, std::span(matrix.codes).subspan((first + row) * matrix.cols, matrix.cols),
               std::span(matrix.scales).subspan((first + row) * groups, groups), out.data() + row * bytes);
  });
}

}  // namespace

std::vector<float> all_rows(const LinearSource& source, ThreadPool& pool) {
  std::vector<float> w(source.rows * source.cols);
  for_each_row(pool, source.rows,
               [&](std::uint64_t row) { read_rows(source, row, 1, w.data() + row * source.cols); });
  return w;
}

LinearSource embedding_source(const Checkpoint& checkpoint) {
  LinearSource source = checkpoint.head;
  source.name = "token_embd";
  source.weight = checkpoint.embedding;
  source.bias = nullptr;
  return source;
}

DType MatrixStore::dtype_of(Precision precision) const {
  const Grid* grid = grid_of(precision);
  if (!grid) return DType::F16;
  return precision == Precision::Ternary ? options_.ternary : grid->dtype;
}

const Compensation& MatrixStore::compensation_of(const InputStatistics& input) {
  if (compensated_ != input.name) {
    compensation_ = std::make_unique<Compensation>(input.gram, input.channels);
    compensated_ = input.name;
  }
  return *compensation_;
}

GridMatrix MatrixStore::rounded(const LinearSource& source, const Grid& grid, std::uint64_t rows,
                                std::span<const float> w) {
  const InputStatistics* input = input_of(source);
  const bool nearest = options_.rounding == WeightRounding::Nearest;
  const GroupRules rules{nearest ? ScaleRule::Extreme : ScaleRule::LeastSquares, options_.ternary_rule};
  if (!input) return round_nearest(grid, rules, w, rows, source.cols, {}, pool_);
  auto& importance = importance_[input->name];
  if (importance.empty()) importance.assign(input->second_moments.begin(), input->second_moments.end());
  if (options_.rounding == WeightRounding::Compensated) {
    return round_compensated(grid, rules, compensation_of(*input), w, rows, importance, pool_);
  }
  return round_nearest(grid, rules, w, rows, source.cols, importance, pool_);
}

/// Adds the errors of some rows.
void MatrixStore::account(const LinearSource& source, std::uint64_t rows, std::span<const float> w,
                          DType dtype, Bytes out, StoreErrors& errors) {
  const std::uint64_t bytes = *storage_bytes(dtype, 1, source.cols);
  std::vector<float> stored(rows * source.cols);
  for_each_row(pool_, rows, [&](std::uint64_t row) {
    decode_row(dtype, out.data() + row * bytes, source.cols, stored.data() + row * source.cols);
  });
  for (std::uint64_t row = 0; row < rows; ++row) {
    errors.weights.add(w.subspan(row * source.cols, source.cols),
                       std::span(stored).subspan(row * source.cols, source.cols));
  }
  const InputStatistics* input = input_of(source);
  errors.outputs_known = input && !input->gram.empty();
  if (!errors.outputs_known) return;
  const OutputError more = output_error(w, stored, rows, source.cols, input->gram, pool_);
  errors.outputs.error += more.error;
  errors.outputs.whole += more.whole;
}

MatrixEncoder MatrixStore::encoder(const LinearSource& source, Precision precision, StoreErrors& errors) {
  const auto at = stored_.find({source.name, precision});
  if (at == stored_.end()) return rounding_encoder(source, precision, errors);
  return {at->second.dtype,
          [&errors, &stored = at->second, bytes = *storage_bytes(at->second.dtype, 1, source.cols)](
              std::uint64_t first, std::uint64_t rows, std::span<const float>, MutableBytes out) {
            errors = stored.errors;
            std::ranges::copy(std::span(stored.bytes).subspan(first * bytes, rows * bytes), out.begin());
          }};
}

MatrixEncoder MatrixStore::rounding_encoder(const LinearSource& source, Precision precision,
                                            StoreErrors& errors) {
  const DType dtype = dtype_of(precision);
  gguf_model::check_fits(source.name + ".weight", dtype, source.rows, source.cols);
  return {dtype, [this, &source, &errors, precision, dtype](std::uint64_t, std::uint64_t rows,
                                                            std::span<const float> w, MutableBytes out) {
            if (const Grid* grid = grid_of(precision)) {
              encode_rows(rounded(source, *grid, rows, w), 0, rows, dtype, out, pool_);
            } else {
              const std::uint64_t bytes = *storage_bytes(dtype, 1, source.cols);
              for_each_row(pool_, rows, [&](std::uint64_t row) {
                quantize_row(dtype, w.data() + row * source.cols, source.cols, out.data() + row * bytes);
              });
            }
            account(source, rows, w, dtype, out, errors);
          }};
}

MatrixEncoder MatrixStore::encoder(const LinearSource& source, Precision precision, GridMatrix matrix,
                                   StoreErrors& errors) {
  const DType dtype = dtype_of(precision);
  gguf_model::check_fits(source.name + ".weight", dtype, source.rows, source.cols);
  return {dtype, [this, &source, &errors, dtype, matrix = std::move(matrix)](
                     std::uint64_t first, std::uint64_t rows, std::span<const float> w, MutableBytes out) {
            encode_rows(matrix, first, rows, dtype, out, pool_);
            account(source, rows, w, dtype, out, errors);
          }};
}

const StoredMatrix& MatrixStore::store(const LinearSource& source, Precision precision) {
  const auto [at, fresh] = stored_.try_emplace({source.name, precision});
  if (!fresh) return at->second;
  StoredMatrix& stored = at->second;
  const MatrixEncoder encoder = rounding_encoder(source, precision, stored.errors);
  stored.dtype = encoder.dtype;
  const std::uint64_t bytes = *storage_bytes(stored.dtype, 1, source.cols);
  stored.bytes.resize(source.rows * bytes);
  const std::vector<float> w = all_rows(source, pool_);
  for (std::uint64_t first = 0; first < source.rows; first += kRows) {
    const std::uint64_t rows = std::min(kRows, source.rows - first);
    encoder.encode(first, rows, std::span(w).subspan(first * source.cols, rows * source.cols),
                   MutableBytes(stored.bytes).subspan(first * bytes, rows * bytes));
  }
  stored_bytes_ += stored.bytes.size();
  if (stored_bytes_ > kMostStored) {  // all others; the assignments that are run one after another share most
    auto kept = stored_.extract(at);
    stored_.clear();
    stored_bytes_ = kept.mapped().bytes.size();
    return stored_.insert(std::move(kept)).position->second;
  }
  return stored;
}

GridMatrix MatrixStore::round(const LinearSource& source, Precision precision) {
  return rounded(source, *grid_of(precision), source.rows, all_rows(source, pool_));
}

}  // namespace sterna
