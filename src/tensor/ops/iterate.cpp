#include "tensor/ops/iterate.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "tensor/ops/convert.hpp"
#include "tensor/strided_loop.hpp"

namespace sterna::ops {
namespace {

/// Elements that go through the buffers at a time: those of four operands of 8 bytes stay in 32 KiB of L1.
constexpr std::size_t kBlock = 512;
constexpr std::size_t kWidest = 8;

std::size_t size_of(DType type) {
  return info(type).block_bytes;
}

struct alignas(64) Buffer {
  std::byte bytes[kBlock * kWidest];
};

/// An operand on its way to the loop.
class Reader {
 public:
  Reader(const Input& input, std::ptrdiff_t step)
      : convert_(input.stored == input.computed ? nullptr : converter(input.stored, input.computed)),
        stored_size_(size_of(input.stored)),
        computed_size_(size_of(input.computed)),
        step_(step) {}

  bool is_constant() const { return step_ == 0; }
  bool is_direct() const { return convert_ == nullptr && step_ == static_cast<std::ptrdiff_t>(stored_size_); }

  /// `n` elements from `data` on, side by side and converted: where they lie, or in the buffer.
  const void* read(const std::byte* data, std::size_t n) {
    if (is_direct()) return data;
    if (is_constant()) return constant(data, n);
    const void* contiguous = data;
    if (step_ != static_cast<std::ptrdiff_t>(stored_size_)) {
      std::byte* const to = convert_ == nullptr ? buffer_.bytes : gathered_.bytes;
      gather(data, step_, stored_size_, to, n);
      contiguous = to;
    }
    if (convert_ == nullptr) return contiguous;
    convert_(contiguous, buffer_.bytes, n);
    return buffer_.bytes;
  }

 private:
  const void* constant(const std::byte* data, std::size_t n) {
    if (data == filled_with_ && n <= filled_) return buffer_.bytes;
    std::byte element[kWidest];
    if (convert_ != nullptr) convert_(data, element, 1);
    fill(convert_ != nullptr ? element : data, computed_size_, buffer_.bytes, n);
    filled_with_ = data;
    filled_ = n;
    return buffer_.bytes;
  }

  Convert convert_;
  std::size_t stored_size_;
  std::size_t computed_size_;
  std::ptrdiff_t step_;
  const std::byte* filled_with_ =
      nullptr;  // the result overlaps no operand that is broadcast, so it stays true
  std::size_t filled_ = 0;
  Buffer buffer_;
  Buffer gathered_;
};

/// The result on its way from the loop.
class Writer {
 public:
  Writer(const Output& output, std::ptrdiff_t step)
      : convert_(output.stored == output.computed ? nullptr : converter(output.computed, output.stored)),
        stored_size_(size_of(output.stored)),
        step_(step) {}

  bool is_contiguous() const { return step_ == static_cast<std::ptrdiff_t>(stored_size_); }
  bool is_direct() const { return convert_ == nullptr && is_contiguous(); }

  void* target(std::byte* data) { return is_direct() ? static_cast<void*>(data) : buffer_.bytes; }
  void write(std::byte* data, std::size_t n) {
    if (is_direct()) return;
    const void* from = buffer_.bytes;
    if (convert_ != nullptr) {
      void* const to = is_contiguous() ? static_cast<void*>(data) : converted_.bytes;
      convert_(from, to, n);
      from = to;
    }
    if (!is_contiguous()) scatter(from, data, step_, stored_size_, n);
  }

 private:
  Convert convert_;
  std::size_t stored_size_;
  std::ptrdiff_t step_;
  Buffer buffer_;
  Buffer converted_;
};

/// The same for a number of operands, the result counted, that is known to the compiler.
template <std::size_t N>
void iterate_over(Loop loop, const Shape& shape, std::span<const Input> inputs, const Output& output) {
  const auto bytes = [](DType type) { return static_cast<std::int64_t>(size_of(type)); };
  std::array<LoopOperand, N> operands;
  operands[0] = {output.data, output.strides, bytes(output.stored)};
  for (std::size_t k = 1; k < N; ++k) {
    const Input& input = inputs[k - 1];
    operands[k] = {const_cast<std::byte*>(input.data), input.strides, bytes(input.stored)};
  }
  const LoopAxes axes = coalesce(shape, operands, LoopOrder::Any);
  const std::int64_t* const steps = axes.strides.data() + (axes.lengths.size() - 1) * N;

  Writer writer(output, steps[0]);
  std::array<std::optional<Reader>, N - 1> readers;
  bool direct = writer.is_direct();
  std::array<std::byte*, N> at;
  at[0] = operands[0].data;
  for (std::size_t k = 1; k < N; ++k) {
    readers[k - 1].emplace(inputs[k - 1], steps[k]);
    direct &= readers[k - 1]->is_direct();
    at[k] = operands[k].data;
  }
  run_loop<N>(axes, at, [&](const std::array<std::byte*, N>& run, std::int64_t count, const auto& strides) {
    const std::int64_t block = direct ? count : static_cast<std::int64_t>(kBlock);
    for (std::int64_t i = 0; i < count; i += block) {
      const auto n = static_cast<std::size_t>(std::min(block, count - i));
      std::array<const void*, N - 1> in;
      for (std::size_t k = 1; k < N; ++k) in[k - 1] = readers[k - 1]->read(run[k] + i * strides[k], n);
      std::byte* const to = run[0] + i * strides[0];
      loop(in.data(), writer.target(to), n);
      writer.write(to, n);
    }
  });
}

}  // namespace

void iterate(Loop loop, const Shape& shape, std::span<const Input> inputs, const Output& output) {
  switch (inputs.size()) {
    case 1:
      return iterate_over<2>(loop, shape, inputs, output);
    case 2:
      return iterate_over<3>(loop, shape, inputs, output);
    default:
      return iterate_over<4>(loop, shape, inputs, output);
  }
}

}  // namespace sterna::ops
