#include "sterna/bitlinear.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include "backend/dispatch.hpp"
#include "backend/product_pieces.hpp"
#include "memory/arena.hpp"
#include "packing/codec_stream.hpp"
#include "platform/cpu.hpp"
#include "quantize/bitlinear_cache.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

// Tokens that go through together: enough for a kernel to use an unpacked tile of weights many times, and few
// enough that their int8 rows stay in the L2 cache.
constexpr std::size_t kTokens = 256;

bool is_float(DType dtype) {
  return info(dtype).kind == DTypeKind::Float;
}

[[noreturn]] void refuse(ErrorCategory category, std::string_view message, std::string found,
                         std::string expected) {
  throw Error(category, message, {{"found", std::move(found)}, {"expected", std::move(expected)}});
}

/// The team of so many threads, shared by the layers that ask for it and gone with the last of them.
std::shared_ptr<ThreadPool> team_of(unsigned threads) {
  static std::mutex mutex;
  static std::map<unsigned, std::weak_ptr<ThreadPool>> teams;
  if (threads == 0) threads = cpu_info().physical_cores;
  const std::lock_guard lock(mutex);
  auto& slot = teams[threads];
  auto team = slot.lock();
  if (!team) slot = team = std::make_shared<ThreadPool>(threads);
  return team;
}

std::vector<float> read_bias(const std::optional<Tensor>& bias, std::int64_t out) {
  if (!bias) return {};
  if (!is_float(bias->dtype()) || bias->shape() != Shape{out}) {
    refuse(ErrorCategory::InvalidArgument, "a bias does not fit its layer",
           std::string(name(bias->dtype())) + " " + to_string(bias->shape()),
           "floats " + to_string(Shape{out}));
  }
  return bias->to(DType::F32).to_vector<float>();
}

}  // namespace

struct BitLinear::Impl {
  Impl(std::int64_t outputs, std::int64_t inputs, const std::optional<Tensor>& b, BitLinearOptions o)
      : options(std::move(o)), out(outputs), in(inputs), bias(read_bias(b, outputs)) {
    team = team_of(options.threads);
    dispatch =
        make_dispatch({.backend = options.backend,
                       .kernel = options.kernel,
                       .weight_bytes = static_cast<std::uint64_t>(out) * static_cast<std::uint64_t>(in) / 4,
                       .threads = team->size()});
  }

  WeightKey key_of(Bytes content, DType dtype) const {
    return {content_hash(content),
            static_cast<std::uint64_t>(out),
            static_cast<std::uint64_t>(in),
            dtype,
            options.grain,
            options.grain == WeightGrain::Group ? options.group : 0};
  }

  std::shared_ptr<const BitLinearWeights> weights() {
    if (kept) return kept;
    const std::lock_guard lock(mutex);
    std::optional<Tensor> whole;  // the float weights, one after another
    if (!key) {
      whole = floats.contiguous();
      key = key_of({whole->raw(), whole->bytes()}, whole->dtype());
    }
    return WeightCache::process().get(*key, [&] {
      if (!whole) whole = floats.contiguous();
      return kernel_weights(quantize_weights(*whole, options.grain, options.group));
    });
  }

  void run(const BitLinearWeights& weights, const float* x, std::size_t tokens, float* y) const;

  BitLinearOptions options;
  std::int64_t out = 0;
  std::int64_t in = 0;
  std::vector<float> bias;
  std::shared_ptr<ThreadPool> team;
  Dispatch dispatch;
  Tensor floats;                                 ///< of a layer from float weights
  std::shared_ptr<const BitLinearWeights> kept;  ///< of a layer from packed ones
  std::mutex mutex;                              ///< of the key: one thread reads the float weights
  std::optional<WeightKey> key;
};

/// y[tokens, out] of x[tokens, in], tokens ≤ kTokens.
void BitLinear::Impl::run(const BitLinearWeights& weights, const float* x, std::size_t tokens,
                          float* y) const {
  const Kernels& kernels = dispatch.of(tokens);
  const TernaryKernel& kernel = *ternary_kernel(kernels, DType::I2_S);
  const std::size_t groups = weights.groups;
  const std::size_t group_padded = round_up<std::size_t>(weights.group, kActivationPadding);
  const std::size_t code_row = groups * group_padded;
  const ProductPieces pieces(static_cast<std::size_t>(out), code_row, tokens, team->size(),
                             kernel.many_tokens);
  const std::size_t most = ProductPieces::most(tokens, kernel.many_tokens.rows);
  const bool grouped = weights.scales.grain == ScaleGrain::Block;

  std::span<std::int8_t> codes;
  std::span<float> code_scales, parts;
  std::span<std::int32_t> code_sums, sums;
  // Of the default pool, which keeps the block for the next call.
  const Arena workspace = Arena::sized_by([&](Arena& arena) {
    codes = arena.array<std::int8_t>(tokens * code_row);
    code_scales = arena.array<float>(tokens);
    code_sums = arena.array<std::int32_t>(groups * tokens);
    sums = arena.array<std::int32_t>(team->size() * most);
    parts = arena.array<float>(grouped ? team->size() * most : 0);
  });

  const auto cols = static_cast<std::size_t>(in);
  const auto rows = static_cast<std::size_t>(out);
  const auto quantize = [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t t = begin; t < end; ++t) {
      std::int8_t* row = codes.data() + t * code_row;
      const QuantizeResult result =
          kernels.floats.quantize(x + t * cols, cols, round_up<std::size_t>(cols, kActivationPadding), row);
      code_scales[t] = result.scale;
      code_sums[t] = result.sum;
      if (groups == 1) continue;
      // Every group of its own, filled up with zeros: from the last, whose place is not behind where it lies.
      for (std::size_t g = groups; g-- > 0;) {
        std::int8_t* to = row + g * group_padded;
        std::memmove(to, row + g * weights.group, weights.group);
        std::memset(to + weights.group, 0, group_padded - weights.group);
        std::int32_t sum = 0;
        for (std::size_t k = 0; k < weights.group; ++k) sum += to[k];
        code_sums[g * tokens + t] = sum;
      }
    }
  };
  if (tokens == 1) {
    quantize(0, 1, 0);  // waking threads costs more than a row
  } else {
    team->parallel_for(tokens, 1, quantize);
  }

  const auto multiply = [&](std::size_t g, const ProductPiece& piece, std::int32_t* to) {
    kernel.run({.weights = reinterpret_cast<const std::uint8_t*>(weights.codes.data()) +
                           (g * rows + piece.begin) * weights.stride,
                .weight_stride = weights.stride,
                .cols = weights.group,
                .x = codes.data() + piece.first * code_row + g * group_padded,
                .x_stride = code_row,
                .x_sums = code_sums.data() + g * tokens + piece.first,
                .tokens = piece.tokens(),
                .row_begin = 0,
                .row_end = piece.rows(),
                .out = to,
                .out_stride = piece.rows()});
  };
  const auto compute = [&](const ProductPiece& piece, unsigned thread) {
    const std::size_t count = piece.rows();
    const float* b = bias.empty() ? nullptr : bias.data() + piece.begin;
    float* to = y + piece.first * rows + piece.begin;
    std::int32_t* sum = sums.data() + thread * most;
    if (!grouped) {
      const bool by_row = weights.scales.grain == ScaleGrain::Row;
      multiply(0, piece, sum);
      kernels.floats.scale_rows({.sums = sum,
                                 .sums_stride = count,
                                 .activation_scales = code_scales.data() + piece.first,
                                 .weight_scale = by_row ? 1.0f : weights.scales.values[0],
                                 .row_scales = by_row ? weights.scales.values.data() + piece.begin : nullptr,
                                 .bias = b,
                                 .tokens = piece.tokens(),
                                 .rows = count,
                                 .out = to,
                                 .out_stride = rows});
      return;
    }
    float* part = parts.data() + thread * most;
    std::fill_n(part, piece.tokens() * count, 0.0f);
    for (std::size_t g = 0; g < groups; ++g) {
      multiply(g, piece, sum);
      for (std::size_t t = 0; t < piece.tokens(); ++t) {
        for (std::size_t r = 0; r < count; ++r) {
          part[t * count + r] +=
              static_cast<float>(sum[t * count + r]) * weights.scales.values[(piece.begin + r) * groups + g];
        }
      }
    }
    for (std::size_t t = 0; t < piece.tokens(); ++t) {
      for (std::size_t r = 0; r < count; ++r) {
        const float scaled = part[t * count + r] / code_scales[piece.first + t];
        to[t * rows + r] = b ? scaled + b[r] : scaled;
      }
    }
  };
  team->deal(pieces.count(), [&](std::size_t i, unsigned thread) { compute(pieces[i], thread); });
}

BitLinear::BitLinear(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
BitLinear::BitLinear(BitLinear&&) noexcept = default;
BitLinear& BitLinear::operator=(BitLinear&&) noexcept = default;
BitLinear::~BitLinear() = default;

BitLinear::BitLinear(Tensor weights, const std::optional<Tensor>& bias, BitLinearOptions options) {
  if (weights.rank() != 2 || weights.size() == 0 || !is_float(weights.dtype()) ||
      weights.dtype() == DType::F64) {
    refuse(ErrorCategory::InvalidArgument, "weights of a linear layer are a matrix of floats",
           std::string(name(weights.dtype())) + " " + to_string(weights.shape()),
           "f32, f16 or bf16 (out, in)");
  }
  const std::int64_t in = weights.size(1);
  if (options.grain == WeightGrain::Group && (options.group == 0 || in % options.group != 0)) {
    refuse(ErrorCategory::InvalidArgument, "a group does not divide the inputs of its layer",
           std::to_string(options.group), "a divisor of " + std::to_string(in));
  }
  impl_ = std::make_unique<Impl>(weights.size(0), in, bias, std::move(options));
  impl_->floats = std::move(weights);
}

BitLinear BitLinear::packed(DType dtype, std::span<const std::byte> bytes, std::int64_t out, std::int64_t in,
                            const std::optional<Tensor>& bias, BitLinearOptions options) {
  const Packing* packing = find_packing(dtype);
  if (!packing || out <= 0 || in <= 0) {
    refuse(ErrorCategory::InvalidArgument, "packed weights of a linear layer are a ternary matrix",
           std::string(name(dtype)) + " " + to_string(Shape{out, in}),
           "i2_s, tq1_0, tq2_0, iq1_bn or iq2_bn");
  }
  auto impl = std::make_unique<Impl>(out, in, bias, std::move(options));
  WeightKey key = impl->key_of(bytes, dtype);
  key.group = impl->options.i2s_group;
  impl->kept = WeightCache::process().get(key, [&] {
    return kernel_weights(packing->unpack(bytes, key.rows, key.cols, {.i2s_group = impl->options.i2s_group}));
  });
  return BitLinear(std::move(impl));
}

BitLinear BitLinear::encoded(std::span<const std::byte> stream, const std::optional<Tensor>& bias,
                             BitLinearOptions options) {
  const CodecStream source(stream);
  const auto out = checked_cast<std::int64_t>(source.rows());
  const auto in = checked_cast<std::int64_t>(source.cols());
  if (!out || !in || *out == 0 || *in == 0) {
    refuse(ErrorCategory::InvalidArgument, "an encoded matrix is no linear layer",
           std::to_string(source.rows()) + " by " + std::to_string(source.cols()), "rows and columns");
  }
  auto impl = std::make_unique<Impl>(*out, *in, bias, std::move(options));
  impl->kept = WeightCache::process().get(impl->key_of(stream, DType::F64),
                                          [&] { return kernel_weights(source.decode()); });
  return BitLinear(std::move(impl));
}

Tensor BitLinear::forward(const Tensor& x) const {
  Shape shape = x.shape();
  if (shape.size() > 0) shape.back() = impl_->out;
  Tensor out = Tensor::empty(shape, DType::F32);
  forward_into(x, out);
  return out;
}

void BitLinear::forward_into(const Tensor& x, const Tensor& out) const {
  if (!is_float(x.dtype())) {
    refuse(ErrorCategory::InvalidArgument, "a linear layer takes floats", std::string(name(x.dtype())),
           "f64, f32, f16 or bf16");
  }
  if (x.rank() == 0 || x.shape().back() != impl_->in) {
    refuse(ErrorCategory::Mismatch, "the input does not fit its layer", to_string(x.shape()),
           "(..., " + std::to_string(impl_->in) + ")");
  }
  Shape shape = x.shape();
  shape.back() = impl_->out;
  if (out.shape() != shape || out.dtype() != DType::F32 || !out.is_contiguous() || out.may_overlap(x)) {
    refuse(ErrorCategory::InvalidArgument, "no room for the result of a linear layer",
           std::string(name(out.dtype())) + " " + to_string(out.shape()),
           "f32 " + to_string(shape) + ", contiguous and apart from the input");
  }
  const auto weights = impl_->weights();
  if (x.size() == 0) return;
  const Tensor input = x.to(DType::F32).contiguous();
  const auto tokens = static_cast<std::size_t>(x.size() / impl_->in);
  const auto* from = input.data<float>();
  auto* to = out.mutable_data<float>();
  for (std::size_t t = 0; t < tokens; t += kTokens) {
    impl_->run(*weights, from + t * static_cast<std::size_t>(impl_->in), std::min(kTokens, tokens - t),
               to + t * static_cast<std::size_t>(impl_->out));
  }
}

std::int64_t BitLinear::in_features() const noexcept {
  return impl_->in;
}

std::int64_t BitLinear::out_features() const noexcept {
  return impl_->out;
}

bool BitLinear::ready() const {
  if (impl_->kept) return true;
  const std::lock_guard lock(impl_->mutex);
  return impl_->key && WeightCache::process().holds(*impl_->key);
}

void BitLinear::weights_changed() {
  const std::lock_guard lock(impl_->mutex);
  impl_->key.reset();
}

}  // namespace sterna
