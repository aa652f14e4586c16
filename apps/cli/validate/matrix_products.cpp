// Matrix products: ternary weights and int8 activations against OpenBLAS's float32, on the same shapes and
// threads.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>

#include "backend/product_pieces.hpp"
#include "base/checked.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/reference.hpp"
#include "packing/registry.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/error.hpp"
#include "validate/measures.hpp"

namespace sterna::cli {
namespace {

/// OpenBLAS, whose functions are asked for by name: it need not be the BLAS that the program is linked with.
class OpenBlas {
 public:
  /// Nothing where it is not installed.
  static std::optional<OpenBlas> load() {
    void* const library = ::dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    OpenBlas blas;
    if (library == nullptr || !blas.find(library, "cblas_sgemv", blas.sgemv) ||
        !blas.find(library, "cblas_sgemm", blas.sgemm) ||
        !blas.find(library, "openblas_set_num_threads", blas.set_threads) ||
        !blas.find(library, "openblas_get_corename", blas.core_name)) {
      return {};
    }
    return blas;
  }

  // As cblas.h declares them, enumerations as the integers they are.
  void (*sgemv)(int order, int transpose, int rows, int cols, float alpha, const float* a, int lda,
                const float* x, int x_step, float beta, float* y, int y_step) = nullptr;
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a,
                int lda, const float* b, int ldb, float beta, float* c, int ldc) = nullptr;
  void (*set_threads)(int threads) = nullptr;
  char* (*core_name)() = nullptr;

 private:
  template <class F>
  static bool find(void* library, const char* symbol, F& function) {
    function = reinterpret_cast<F>(::dlsym(library, symbol));
    return function != nullptr;
  }
};
constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;  // CBLAS

struct Shape {
  const char* name;
  std::size_t rows;
  std::size_t cols;
};
// The products of a layer of BitNet b1.58 2B4T.
constexpr Shape kShapes[] = {{"gate and up", 13824, 2560},
                             {"down", 2560, 6912},
                             {"query, key, value", 3840, 2560},
                             {"output", 2560, 2560}};

/// A matrix in both forms, as often as it takes for each to lie beyond the caches, and activations.
class Problem {
 public:
  Problem(const OpenBlas& blas, const Dispatch& dispatch, Shape shape, std::size_t tokens, std::size_t beyond)
      : blas_(blas),
        shape_(shape),
        tokens_(tokens),
        kernel_(*ternary_kernel(dispatch.of(tokens), DType::I2_S)),
        floats_(dispatch.of(tokens).floats),
        packed_bytes_(*storage_bytes(DType::I2_S, shape.rows, shape.cols)),
        x_stride_(round_up(shape.cols, kActivationPadding)),
        x_(tokens * shape.cols),
        codes_(tokens * x_stride_),
        sums_(tokens),
        scales_(tokens),
        products_(tokens * shape.rows),
        ours_(tokens * shape.rows),
        theirs_(tokens * shape.rows) {
    std::minstd_rand random(1);
    matrix_.rows = shape.rows;
    matrix_.cols = shape.cols;
    matrix_.trits.resize(shape.rows * shape.cols);
    for (auto& trit : matrix_.trits) trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
    matrix_.scales.values = {kScale};
    // A copy more than fills the caches, so that the first is gone when it is its turn again.
    const std::size_t elements = shape.rows * shape.cols;
    float_copies_ = 1 + ceil_div(beyond, elements * sizeof(float));
    packed_copies_ = 1 + ceil_div(beyond, packed_bytes_);
    dense_ = AlignedBuffer(float_copies_ * elements * sizeof(float));
    for (std::size_t i = 0; i < elements; ++i) dense()[i] = kScale * static_cast<float>(matrix_.trits[i]);
    for (std::size_t c = 1; c < float_copies_; ++c) std::copy_n(dense(), elements, dense() + c * elements);
    packed_ = AlignedBuffer(packed_copies_ * packed_bytes_);
    find_packing(DType::I2_S)->pack(matrix_, {}, {packed_.data(), packed_bytes_});
    for (std::size_t c = 1; c < packed_copies_; ++c) {
      std::copy_n(packed_.data(), packed_bytes_, packed_.data() + c * packed_bytes_);
    }
    std::normal_distribution<float> normal;
    for (float& v : x_) v = normal(random);
  }

  /// Activations in float32 to int8, the integer product, and back to float32.
  void run_ours(ThreadPool& pool) {
    for (std::size_t m = 0; m < tokens_; ++m) {
      const QuantizeResult q =
          floats_.quantize(x_.data() + m * shape_.cols, shape_.cols, x_stride_, codes(m));
      scales_[m] = q.scale;
      sums_[m] = q.sum;
    }
    const std::byte* weights = packed_.data() + next_packed_++ % packed_copies_ * packed_bytes_;
    const ProductPieces pieces(shape_.rows, shape_.cols, tokens_, pool.size(), kernel_.many_tokens);
    pool.deal(pieces.count(), [&](std::size_t i, unsigned) {
      const ProductPiece piece = pieces[i];
      const std::size_t at = piece.first * shape_.rows;
      kernel_.run({.weights = reinterpret_cast<const std::uint8_t*>(weights),
                   .weight_stride = shape_.cols / 4,
                   .cols = shape_.cols,
                   .x = codes(piece.first),
                   .x_stride = x_stride_,
                   .x_sums = sums_.data() + piece.first,
                   .tokens = piece.tokens(),
                   .row_begin = piece.begin,
                   .row_end = piece.end,
                   .out = products_.data() + at,
                   .out_stride = shape_.rows});
      floats_.scale_rows({.sums = products_.data() + at + piece.begin,
                          .sums_stride = shape_.rows,
                          .activation_scales = scales_.data() + piece.first,
                          .weight_scale = kScale,
                          .row_scales = nullptr,
                          .bias = nullptr,
                          .tokens = piece.tokens(),
                          .rows = piece.rows(),
                          .out = ours_.data() + at + piece.begin,
                          .out_stride = shape_.rows});
    });
  }

  void run_theirs() {
    const auto rows = static_cast<int>(shape_.rows), cols = static_cast<int>(shape_.cols);
    const float* weights = dense() + next_dense_++ % float_copies_ * shape_.rows * shape_.cols;
    if (tokens_ == 1) {
      blas_.sgemv(kRowMajor, kNoTranspose, rows, cols, 1, weights, cols, x_.data(), 1, 0, theirs_.data(), 1);
    } else {
      blas_.sgemm(kRowMajor, kNoTranspose, kTranspose, static_cast<int>(tokens_), rows, cols, 1, x_.data(),
                  cols, weights, cols, 0, theirs_.data(), rows);
    }
  }

  /// The integers equal the reference's in every 97th row, and the floats are near OpenBLAS's: rounding an
  /// activation moves it by half of max|x|/127 at most, and such errors of random sign add up like a walk.
  void check(ThreadPool& pool) {
    run_ours(pool);
    run_theirs();
    std::vector<std::int8_t> plain(tokens_ * shape_.cols);
    for (std::size_t m = 0; m < tokens_; ++m)
      std::copy_n(codes(m), shape_.cols, plain.data() + m * shape_.cols);
    std::vector<std::int32_t> expected(tokens_);
    for (std::size_t r = 0; r < shape_.rows; r += 97) {
      reference::ternary_matmul(&matrix_.trits[r * shape_.cols], 1, shape_.cols, plain.data(), tokens_,
                                expected.data());
      for (std::size_t m = 0; m < tokens_; ++m) {
        if (products_[m * shape_.rows + r] == expected[m]) continue;
        throw Error(ErrorCategory::Internal, "a ternary product is wrong",
                    {{"kernel", std::string(kernel_.name)},
                     {"found", std::to_string(products_[m * shape_.rows + r])},
                     {"expected", std::to_string(expected[m])}});
      }
    }
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < ours_.size(); ++i) {
      difference += std::pow(ours_[i] - theirs_[i], 2);
      size += std::pow(theirs_[i], 2);
    }
    const double relative = std::sqrt(difference / size);
    if (!(relative < 0.02)) {
      throw Error(ErrorCategory::Internal, "the ternary product is far from the float one",
                  {{"found", fmt::format("{:.3g}", relative)}, {"expected", "less than 0.02"}});
    }
  }

 private:
  static constexpr float kScale = 0.5f;
  float* dense() { return reinterpret_cast<float*>(dense_.data()); }
  std::int8_t* codes(std::size_t token) {
    return reinterpret_cast<std::int8_t*>(codes_.data()) + token * x_stride_;
  }

  const OpenBlas& blas_;
  Shape shape_;
  std::size_t tokens_;
  const TernaryKernel& kernel_;
  FloatKernels floats_;
  std::size_t packed_bytes_;
  std::size_t x_stride_;
  TernaryMatrix matrix_;
  std::size_t float_copies_ = 0, packed_copies_ = 0, next_dense_ = 0, next_packed_ = 0;
  AlignedBuffer dense_, packed_;
  std::vector<float> x_;
  AlignedBuffer codes_;
  std::vector<std::int32_t> sums_;
  std::vector<float> scales_;
  std::vector<std::int32_t> products_;
  std::vector<float> ours_, theirs_;
};

template <class F>
double microseconds(F run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

PromiseCase measure(const OpenBlas& blas, const Dispatch& dispatch, Shape shape, std::size_t tokens,
                    unsigned threads, bool quick) {
  // Twice the last cache: of what is read once around, less than half can still be there.
  const std::size_t beyond = tokens == 1 ? 2 * last_level_cache_bytes() : 0;
  Problem problem(blas, dispatch, shape, tokens, beyond);
  ThreadPool pool(threads);
  blas.set_threads(static_cast<int>(threads));
  problem.check(pool);
  std::vector<double> ours, theirs;
  for (int repetition = 0; repetition < (quick ? 7 : 15); ++repetition) {
    // Each leaves its threads spinning for a while; the first product of the other pays for that.
    problem.run_theirs();
    theirs.push_back(microseconds([&] { problem.run_theirs(); }));
    problem.run_ours(pool);
    ours.push_back(microseconds([&] { problem.run_ours(pool); }));
  }
  PromiseCase result{
      .name = fmt::format("{} {} × {}, {}, {} thread{}", shape.name, shape.rows, shape.cols,
                          tokens == 1 ? "one token" : fmt::format("{} tokens", tokens), threads,
                          threads == 1 ? "" : "s"),
      .unit = "µs",
      .baseline_name = fmt::format("{} ({})", tokens == 1 ? "sgemv" : "sgemm", blas.core_name()),
      .baseline = figure_of(std::move(theirs)),
      .ours = figure_of(std::move(ours)),
      .counts = tokens == 1};
  result.value = result.baseline.median / result.ours.median;
  return result;
}

}  // namespace

PromiseResult measure_matrix_products(const ValidateOptions& options, const Progress& progress) {
  const std::optional<OpenBlas> blas = OpenBlas::load();
  if (!blas) return not_applicable("OpenBLAS, the baseline, is not installed (libopenblas0)");
  const Dispatch dispatch = make_dispatch({});
  std::vector<PromiseCase> cases;
  std::vector<unsigned> thread_counts{1};
  if (options.threads > 1) thread_counts.push_back(options.threads);
  const std::size_t shapes = options.quick ? 2 : std::size(kShapes);
  const std::size_t steps = shapes + 2;
  for (std::size_t s = 0; s < shapes; ++s) {
    progress(s, steps, kShapes[s].name);
    for (const unsigned threads : thread_counts)
      cases.push_back(measure(*blas, dispatch, kShapes[s], 1, threads, options.quick));
  }
  progress(shapes, steps, "prompts");
  for (const std::size_t tokens : {128, 512}) {
    if (options.quick && tokens != 128) continue;
    for (const unsigned threads : thread_counts) {
      cases.push_back(measure(*blas, dispatch, kShapes[1], tokens, threads, options.quick));
    }
  }
  progress(steps, steps, "matrix products");
  return judged_by_median(promise_of("matrix-products"), std::move(cases));
}

PromiseResult measure_accelerators(const ValidateOptions&, const Progress&) {
  return not_applicable("this build has no accelerator: the processor's own kernels are all there is");
}

}  // namespace sterna::cli
