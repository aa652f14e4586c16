#include "tensor/ops/iterate.hpp"

#include <algorithm>
#include <optional>

#include "tensor/ops/convert.hpp"

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
    if (is_constant()) return constant(data);
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
  const void* constant(const std::byte* data) {
    if (data == filled_with_) return buffer_.bytes;
    std::byte element[kWidest];
    if (convert_ != nullptr) convert_(data, element, 1);
    fill(convert_ != nullptr ? element : data, computed_size_, buffer_.bytes, kBlock);
    filled_with_ = data;
    return buffer_.bytes;
  }

  Convert convert_;
  std::size_t stored_size_;
  std::size_t computed_size_;
  std::ptrdiff_t step_;
  const std::byte* filled_with_ =
      nullptr;  // the result overlaps no operand that is broadcast, so it stays true
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

}  // namespace

void simplify(std::vector<Axis>& axes, std::span<Input> inputs, Output& output) {
  const std::size_t result = inputs.size();
  std::erase_if(axes, [](const Axis& axis) { return axis.length == 1; });
  for (Axis& axis : axes) {
    if (axis.step[result] >= 0) continue;
    for (std::size_t k = 0; k < inputs.size(); ++k) inputs[k].data += (axis.length - 1) * axis.step[k];
    output.data += (axis.length - 1) * axis.step[result];
    for (std::ptrdiff_t& step : axis.step) step = -step;
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [&](const Axis& a, const Axis& b) { return a.step[result] > b.step[result]; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < axes.size(); ++i) {
    Axis& outer = axes[kept];
    const Axis& inner = axes[i];
    bool one_run = true;
    for (std::size_t k = 0; k <= result; ++k) one_run &= outer.step[k] == inner.step[k] * inner.length;
    if (one_run) {
      outer = Axis{outer.length * inner.length, inner.step};
    } else {
      axes[++kept] = inner;
    }
  }
  if (!axes.empty()) axes.resize(kept + 1);
}

void iterate(Loop loop, std::span<const Axis> axes, std::span<const Input> inputs, const Output& output) {
  const std::size_t count = inputs.size();
  const auto step = [&](std::size_t axis, std::size_t operand) {
    return axes.empty() ? static_cast<std::ptrdiff_t>(
                              size_of(operand < count ? inputs[operand].stored : output.stored))
                        : axes[axis].step[operand];
  };
  const std::size_t last = axes.empty() ? 0 : axes.size() - 1;
  const auto length = static_cast<std::size_t>(axes.empty() ? 1 : axes[last].length);

  std::array<std::optional<Reader>, kMaxOperands> readers;
  Writer writer(output, step(last, count));
  bool direct = writer.is_direct();
  for (std::size_t k = 0; k < count; ++k) {
    readers[k].emplace(inputs[k], step(last, k));
    direct &= readers[k]->is_direct();
  }
  const std::size_t block = direct ? length : kBlock;

  std::array<const std::byte*, kMaxOperands> data{};
  for (std::size_t k = 0; k < count; ++k) data[k] = inputs[k].data;
  std::byte* out = output.data;
  std::vector<std::int64_t> position(last, 0);
  for (;;) {
    for (std::size_t i = 0; i < length; i += block) {
      const std::size_t n = std::min(block, length - i);
      const auto at = static_cast<std::ptrdiff_t>(i);
      const void* in[kMaxOperands] = {};
      for (std::size_t k = 0; k < count; ++k) in[k] = readers[k]->read(data[k] + at * step(last, k), n);
      std::byte* const to = out + at * step(last, count);
      loop(in, writer.target(to), n);
      writer.write(to, n);
    }
    std::size_t axis = last;
    while (axis > 0) {
      --axis;
      const bool next = ++position[axis] < axes[axis].length;
      const std::ptrdiff_t by = next ? 1 : 1 - static_cast<std::ptrdiff_t>(axes[axis].length);
      for (std::size_t k = 0; k < count; ++k) data[k] += by * axes[axis].step[k];
      out += by * axes[axis].step[count];
      if (next) break;
      position[axis] = 0;
      if (axis == 0) return;
    }
    if (last == 0) return;
  }
}

}  // namespace sterna::ops
