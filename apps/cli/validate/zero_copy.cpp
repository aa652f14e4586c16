// Conversions without a copy: how many operations of a fixed workload share the storage of what they are
// given, of those that could.
#include <fmt/format.h>

#include "sterna/conversion.hpp"
#include "sterna/dlpack.hpp"
#include "sterna/error.hpp"
#include "sterna/manipulation.hpp"
#include "sterna/model.hpp"
#include "sterna/tensor.hpp"
#include "validate/measures.hpp"

namespace sterna::cli {
namespace {

/// Counts what was done to tensors: told by their storage, not by what an operation says of itself.
class Tally {
 public:
  explicit Tally(std::string name) : name_(std::move(name)) {}

  void add(bool shared, std::uint64_t bytes) {
    ++operations_;
    bytes_ += bytes;
    if (!shared) return;
    ++shared_;
    shared_bytes_ += bytes;
  }
  void add(const Tensor& from, const Tensor& to) { add(to.shares_storage_with(from), to.bytes()); }

  PromiseCase result() const {
    const auto figure = [](std::uint64_t n) { return Figure{double(n), double(n), double(n)}; };
    return {.name = name_,
            .unit = "operations",
            .baseline_name = "all that could share",
            .baseline = figure(operations_),
            .ours = figure(shared_),
            .value = 100.0 * static_cast<double>(shared_) / static_cast<double>(operations_),
            .counts = false,
            .remark =
                fmt::format("{:.2f} of {:.2f} MB shared", double(shared_bytes_) / 1e6, double(bytes_) / 1e6)};
  }
  void add(const Tally& other) {
    operations_ += other.operations_;
    shared_ += other.shared_;
    bytes_ += other.bytes_;
    shared_bytes_ += other.shared_bytes_;
  }
  PromiseCase by_bytes() const {
    PromiseCase result = this->result();
    const auto figure = [](std::uint64_t n) {
      return Figure{double(n) / 1e6, double(n) / 1e6, double(n) / 1e6};
    };
    result.name = name_ + ", by bytes";
    result.unit = "MB";
    result.baseline = figure(bytes_);
    result.ours = figure(shared_bytes_);
    result.value = 100.0 * static_cast<double>(shared_bytes_) / static_cast<double>(bytes_);
    result.remark.clear();
    return result;
  }

 private:
  std::string name_;
  std::uint64_t operations_ = 0, shared_ = 0, bytes_ = 0, shared_bytes_ = 0;
};

Tally load(const std::filesystem::path& path) {
  Tally tally("load a model: matrices used where they lie");
  const auto model = Model::load(path);
  for (const WeightReport& weight : model->weights()) tally.add(weight.owned_bytes == 0, weight.stored_bytes);
  return tally;
}

Tally view(const Tensor& x) {
  Tally tally("slice, reshape, permute, broadcast");
  for (std::int64_t i = 0; i < 8; ++i) {
    tally.add(x, x.slice(0, {.start = i, .stop = i + 16}));
    tally.add(x, x.select(0, i));
    tally.add(x, x.slice(1, {.start = -1, .stop = {}, .step = -2}));
    tally.add(x, x.reshape({x.size(0) / 4, 4, -1}));
    tally.add(x, x.permute({1, 0}));
    tally.add(x, x.expand_dims({0}).broadcast_to({3, x.size(0), x.size(1)}));
  }
  return tally;
}

Tally exchange(const Tensor& x) {
  Tally tally("hand tensors out and in by DLPack");
  for (const Tensor& each : {x, x.permute({1, 0}), x.slice(0, {.start = 3, .stop = 40, .step = 5})}) {
    const Tensor back = from_dlpack(to_dlpack(each));
    tally.add(back.raw() == each.raw(), back.bytes());
  }
  return tally;
}

/// What a program does between reading and computing: most tensors have the dtype that is asked for, some
/// need other bits. Those in place count as shared: nothing new is allocated.
Tally convert(const Tensor& x) {
  Tally tally("convert to the dtype that a step wants");
  ConversionEngine engine;
  const auto one = [&](Tensor from, DType to) {
    const std::byte* before = from.raw();
    const Tensor after = engine.convert(std::move(from), to);
    tally.add(after.raw() == before, after.bytes());
  };
  for (int i = 0; i < 8; ++i) one(x.slice(0, {.start = i}), DType::F32);  // as it is
  one(x.to(DType::Bool), DType::U8);                                      // the same bits
  one(Tensor::arange(4096).to(DType::I32), DType::F32);                   // the last handle: in place
  one(x, DType::F16);  // other bits, of a tensor still in use
  return tally;
}

/// The rows of a batch are written into it; what shares is the batch handed on, row by row.
Tally batch(const Tensor& x) {
  Tally tally("build a batch and hand on its rows");
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < 8; ++i) rows.push_back(x.select(0, i));
  const Tensor together = stack(rows, 0);
  tally.add(together.shares_storage_with(x), together.bytes());  // this one moves bytes
  for (std::int64_t i = 0; i < 8; ++i) tally.add(together, together.select(0, i));
  return tally;
}

}  // namespace

PromiseResult measure_zero_copy(const ValidateOptions& options, const Progress& progress) {
  progress(0, 2, "loading");
  const Tensor x = Tensor::arange(64 * 1024).to(DType::F32).reshape({64, 1024});
  Tally all("the whole workload");
  std::vector<PromiseCase> cases;
  for (const Tally& tally : {load(options.model), view(x), exchange(x), convert(x), batch(x)}) {
    all.add(tally);
    cases.push_back(tally.result());
  }
  for (PromiseCase each : {all.result(), all.by_bytes()}) {
    each.counts = true;
    cases.push_back(std::move(each));
  }
  progress(2, 2, "zero-copy");
  return judged(promise_of("zero-copy"), std::move(cases));
}

}  // namespace sterna::cli
