// How long candidates take for an operation: measured once, and remembered on disk.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/weight_stream.hpp"
#include "platform/choice_cache.hpp"

namespace sterna {

/// An operation in one class of shapes: what is chosen for.
struct Question {
  Operation operation;
  DType dtype;    ///< F32 unless it is a product
  Batch batch;    ///< One where an operation works token by token
  bool in_cache;  ///< the weights of a product lie in the last-level cache
};
/// "ternary i2_s one in cache"
std::string to_string(const Question& question);

/// One way to compute what is asked.
struct Candidate {
  const Backend* backend;
  std::string_view variant;
  Kernels kernels;  ///< the slots of the operation alone
};
/// "simd/avx512"
std::string name_of(const Candidate& candidate);

/// Seconds of a call.
struct Timing {
  double median;
  double slow;  ///< what nine calls of ten do not exceed
};

using MeasureTimings =
    std::function<std::vector<Timing>(const Question& question, std::span<const Candidate> candidates)>;

/// Measures on a team of threads; what that takes is made when it is first needed. Candidates take turns, so
/// that a slow spell of the machine hits all of them. A product has 2560 columns and 1, 4 or 32 tokens;
/// attention 512 positions of 4 heads that share keys, by 1 or 32 tokens; the others one token of 6912.
class Stopwatches {
 public:
  explicit Stopwatches(unsigned threads);
  std::vector<Timing> operator()(const Question& question, std::span<const Candidate> candidates);
  /// Of a backend's first variant; see Capabilities.
  Capabilities capabilities(const Backend& backend);
  unsigned threads() const noexcept { return threads_; }

 private:
  unsigned threads_;
  std::shared_ptr<ThreadPool> pool_;
  std::shared_ptr<WeightStream> stream_;
};

/// The answers that were measured before on this machine, with this version and number of threads, and those
/// that `measure` gives now.
class Timings {
 public:
  Timings(MeasureTimings measure, ChoiceCache cache, unsigned threads);

  struct Answer {
    std::vector<Timing> of;  ///< each candidate
    bool remembered;
  };
  Answer of(const Question& question, std::span<const Candidate> candidates) const;

 private:
  MeasureTimings measure_;
  ChoiceCache cache_;
  unsigned threads_;
};

/// Where timings and capabilities are remembered unless told otherwise.
ChoiceCache backend_cache();
/// Of this machine: the key of a question that depends on the number of threads.
std::string measured_key(unsigned threads, const std::string& question);

}  // namespace sterna
