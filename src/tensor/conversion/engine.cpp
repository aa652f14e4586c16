// Chooses strategies, and deals the work of many tensors to a team of threads.
#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "platform/thread_pool.hpp"
#include "sterna/error.hpp"
#include "tensor/axis.hpp"
#include "tensor/conversion/counters.hpp"
#include "tensor/conversion/strategy.hpp"

namespace sterna {
namespace {

/// Elements of a contiguous tensor that a thread takes at a time: at most 1 MiB, to spread the last ones
/// evenly.
constexpr std::int64_t kPiece = (std::int64_t{1} << 17) / kPackedGrain * kPackedGrain;

ConversionStrategy resolve(const Tensor& x, DType dtype, const ConversionOptions& options, long handles) {
  using enum ConversionStrategy;
  const std::string_view sharing = zero_copy_obstacle(x, dtype);
  const std::string_view reusing = in_place_obstacle(x, dtype, handles);
  const auto require = [&](std::string_view obstacle) {
    if (obstacle.empty()) return;
    throw tensor_error(ErrorCategory::InvalidArgument, "convert", "the strategy cannot be followed", x,
                       {{"strategy", std::string(to_string(options.strategy))},
                        {"to", std::string(name(dtype))},
                        {"reason", std::string(obstacle)}});
  };
  switch (options.strategy) {
    case ZeroCopy:
      require(sharing);
      break;
    case InPlace:
      require(reusing);
      break;
    case Auto:
      if (sharing.empty()) return ZeroCopy;
      if (reusing.empty() && info(dtype).bits() == info(x.dtype()).bits()) return InPlace;
      return x.storage() && x.storage()->owner() == Storage::Owner::Mapped ? Streaming : Standard;
    default:
      break;
  }
  return options.strategy;
}

/// A tensor on its way.
struct Task {
  Tensor source;
  RowConversion conversion;
  ConversionStrategy strategy;
  Tensor result;
};

/// A part of a task for one thread: some of the elements, or (n = 0) all of them.
struct Job {
  std::size_t task;
  std::int64_t first = 0;
  std::int64_t n = 0;
};

bool in_pieces(const Task& task) {
  return task.strategy == ConversionStrategy::Standard && task.source.is_contiguous();
}

void run(Task& task, const Job& job, const ConversionOptions& options) {
  const DType from = task.source.dtype();
  const DType to = task.result.dtype();
  if (job.n > 0) {
    return task.conversion(task.source.raw() + bytes_of(from, job.first),
                           task.result.mutable_raw() + bytes_of(to, job.first), job.n, job.first);
  }
  switch (task.strategy) {
    case ConversionStrategy::InPlace:
      task.result = converted_in_place(task.source, to, task.conversion);
      break;
    case ConversionStrategy::Streaming:
      for_each_chunk(task.source, options.chunk_bytes,
                     [&](const std::byte* elements, std::int64_t first, std::int64_t n) {
                       task.conversion(elements, task.result.mutable_raw() + bytes_of(to, first), n, first);
                     });
      break;
    default:
      convert_elements(task.source, task.result, task.conversion);
  }
}

}  // namespace

ConversionStrategy conversion_strategy(const Tensor& x, DType dtype, const ConversionOptions& options) {
  const RowConversion conversion("convert", x.dtype(), dtype);  // refuses dtypes
  return resolve(x, dtype, options, x.storage().use_count());
}

struct ConversionEngine::State {
  std::optional<ThreadPool> pool;
  ConversionTally tally;

  void count(ConversionStrategy strategy, std::uint64_t bytes) {
    tally.add(strategy, bytes);
    count_conversion(strategy, bytes);
  }
};

ConversionEngine::ConversionEngine(unsigned threads) : state_(std::make_unique<State>()) {
  if (threads != 1) state_->pool.emplace(threads);
}

ConversionEngine::~ConversionEngine() = default;

Tensor ConversionEngine::convert(Tensor x, DType dtype, const ConversionOptions& options) {
  std::vector<Tensor> one;
  one.push_back(std::move(x));
  return std::move(convert(std::move(one), dtype, options).front());
}

std::vector<Tensor> ConversionEngine::convert(std::vector<Tensor> tensors, DType dtype,
                                              const ConversionOptions& options) {
  const std::size_t count = tensors.size();
  const auto named = [count](std::size_t place, const Error& error) {
    return count > 1 ? error.with("tensor", std::to_string(place)) : error;
  };
  std::vector<Task> tasks;
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < count; ++i) {
    try {
      const RowConversion conversion("convert", tensors[i].dtype(), dtype, options.quality);
      const auto strategy = resolve(tensors[i], dtype, options, tensors[i].storage().use_count());
      tasks.push_back({std::move(tensors[i]), conversion, strategy, {}});
      Task& task = tasks.back();
      if (strategy == ConversionStrategy::ZeroCopy) {
        task.result = reinterpreted(task.source, dtype);
        continue;
      }
      const bool reuses = strategy == ConversionStrategy::InPlace;
      task.result = Tensor::empty(reuses ? Shape{0} : task.source.shape(), dtype, task.source.device());
      if (!in_pieces(task)) {
        jobs.push_back({i});
        continue;
      }
      for (std::int64_t first = 0; first < task.source.size(); first += kPiece)
        jobs.push_back({i, first, std::min(kPiece, task.source.size() - first)});
    } catch (const Error& error) {
      throw named(i, error);
    }
  }

  std::mutex mutex;
  std::exception_ptr failure;
  std::size_t failed = jobs.size();
  const auto work = [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) {
      try {
        run(tasks[jobs[i].task], jobs[i], options);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) failure = std::current_exception();
        failed = std::min(failed, i);
        return;
      }
    }
  };
  if (state_->pool && jobs.size() > 1) {
    state_->pool->parallel_for(jobs.size(), 1, work);
  } else {
    work(0, jobs.size(), 0);
  }
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      throw named(jobs[failed].task, error);
    }
  }

  std::vector<Tensor> results;
  for (Task& task : tasks) {
    state_->count(task.strategy, task.result.bytes());
    results.push_back(std::move(task.result));
  }
  return results;
}

void ConversionEngine::stream(const Tensor& x, DType dtype,
                              const std::function<void(const Tensor& chunk, std::int64_t first)>& sink,
                              const ConversionOptions& options) {
  const RowConversion conversion("stream", x.dtype(), dtype, options.quality);
  Tensor chunk;  // made for the first portion, which is the largest
  for_each_chunk(x, options.chunk_bytes, [&](const std::byte* elements, std::int64_t first, std::int64_t n) {
    if (first == 0) chunk = Tensor::empty({n}, dtype);
    conversion(elements, chunk.mutable_raw(), n, first);
    sink(n == chunk.size() ? chunk : Tensor(chunk.storage(), dtype, {n}, {1}), first);
  });
  state_->count(ConversionStrategy::Streaming, static_cast<std::uint64_t>(bytes_of(dtype, x.size())));
}

ConversionCounters ConversionEngine::counters() const noexcept {
  return state_->tally.read();
}

}  // namespace sterna
