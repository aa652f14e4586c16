#include "bench/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <tuple>

#include "backend/cpu/read_bandwidth.hpp"
#include "bench/rates.hpp"
#include "platform/thread_pool.hpp"
#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

/// FNV-1a of the bytes: enough to tell two outputs apart.
template <class T>
std::uint64_t fingerprint(std::span<const T> values) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : std::as_bytes(values)) {
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

/// Ids spread over the vocabulary, the same in every run; a longer prompt begins with a shorter one.
std::vector<TokenId> prompt_of(std::uint32_t tokens, std::uint32_t vocab) {
  std::vector<TokenId> ids(tokens);
  std::uint64_t state = 1;
  for (TokenId& id : ids) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    id = static_cast<TokenId>((state >> 33) % vocab);
  }
  return ids;
}

struct Measured {
  double rate;
  std::uint64_t output;  ///< fingerprint
};

Measured measure_prompt(Session& session, std::uint32_t tokens) {
  const auto ids = prompt_of(tokens, session.model().config().vocab);
  const auto begin = std::chrono::steady_clock::now();
  const auto logits = session.evaluate(ids);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {tokens / seconds, fingerprint(logits)};
}

/// Greedy generation after one token: one draw and one evaluation for each.
Measured measure_generation(Session& session, std::uint32_t tokens) {
  const auto ids = prompt_of(1, session.model().config().vocab);
  GenerateOptions options;
  options.max_tokens = tokens;
  options.sampling.temperature = 0;
  options.ignore_end = true;
  const GenerateResult result = session.generate(ids, options);
  if (result.tokens.size() != options.max_tokens) {
    throw Error(
        ErrorCategory::Internal, "the generation ended early",
        {{"found", std::to_string(result.tokens.size())}, {"expected", std::to_string(options.max_tokens)}});
  }
  return {tokens / result.generate_seconds, fingerprint(std::span<const TokenId>(result.tokens))};
}

Measured measure(Session& session, const BenchResult& test) {
  session.rewind(test.depth);
  return test.kind == BenchKind::Prompt ? measure_prompt(session, test.tokens)
                                        : measure_generation(session, test.tokens);
}

/// Remembers each test's output and compares the later ones with it.
class Verifier {
 public:
  void check(const BenchResult& test, std::uint64_t output) {
    const auto [first, is_new] =
        outputs_.try_emplace({test.kind, test.tokens, test.depth}, Output{output, test.threads});
    if (is_new || first->second.fingerprint == output) return;
    throw Error(ErrorCategory::Internal, "the output of a test differs between two of its runs",
                {{"test", title(test)},
                 {"first with threads", std::to_string(first->second.threads)},
                 {"then with threads", std::to_string(test.threads)}});
  }

 private:
  struct Output {
    std::uint64_t fingerprint;
    unsigned threads;
  };
  std::map<std::tuple<BenchKind, std::uint32_t, std::uint32_t>, Output> outputs_;
};

/// A session of the model for one thread count and depth, its cache filled to there.
struct Lane {
  Lane(const std::shared_ptr<const Model>& model, const SessionOptions& options, std::uint32_t depth_)
      : depth(depth_), session(model, options) {
    if (depth > 0) session.evaluate(prompt_of(depth, model->config().vocab));
  }

  std::uint32_t depth;
  Session session;
};

std::uint32_t context_for(const BenchOptions& options, std::uint32_t depth) {
  std::uint32_t context = 2;
  for (const std::uint32_t tokens : options.prompts) context = std::max(context, tokens);
  for (const std::uint32_t tokens : options.generated) context = std::max(context, tokens + 1);
  return depth + context;
}

std::vector<BenchResult> list_tests(const BenchOptions& options) {
  std::vector<BenchResult> tests;
  const auto add = [&](BenchKind kind, const std::vector<std::uint32_t>& lengths) {
    for (const std::uint32_t tokens : lengths) {
      for (const std::uint32_t depth : options.depths) {
        for (const unsigned threads : options.threads) tests.push_back({kind, tokens, depth, threads, {}});
      }
    }
  };
  add(BenchKind::Prompt, options.prompts);
  add(BenchKind::Generate, options.generated);
  return tests;
}

double limit_of(const BenchResult& test, double bandwidth, std::uint64_t bytes_per_token,
                std::uint32_t batch) {
  const double per_pass = bandwidth / static_cast<double>(std::max<std::uint64_t>(1, bytes_per_token));
  if (test.kind == BenchKind::Generate) return per_pass;
  const std::uint32_t passes = (test.tokens + batch - 1) / batch;
  return per_pass * test.tokens / passes;
}

}  // namespace

std::string_view to_string(BenchKind kind) noexcept {
  return kind == BenchKind::Prompt ? "prompt" : "generate";
}

std::string title(const BenchResult& test) {
  return fmt::format("{} {}", to_string(test.kind), test.tokens) +
         (test.depth > 0 ? fmt::format(" after {}", test.depth) : "");
}

BenchReport run_bench(const std::shared_ptr<const Model>& model, const BenchOptions& options,
                      const Progress& progress) {
  BenchReport report;
  report.results = list_tests(options);
  Machine machine(options.threads);
  report.bandwidth_buffer = machine.memory().size();
  report.machine = machine.rates(options.roofline ? supported_probes() : std::vector<const PeakProbe*>{});

  std::vector<Lane> lanes;
  for (const unsigned threads : options.threads) {
    for (const std::uint32_t depth : options.depths) {
      if (progress) progress(lanes.size(), options.threads.size() * options.depths.size(), "filling");
      SessionOptions session = options.session;
      session.threads = threads;
      session.context = context_for(options, depth);
      lanes.emplace_back(model, session, depth);
    }
  }
  const auto lane_of = [&](const BenchResult& test) -> Lane& {
    return *std::find_if(lanes.begin(), lanes.end(), [&](const Lane& lane) {
      return lane.session.options().threads == test.threads && lane.depth == test.depth;
    });
  };

  Verifier verifier;
  const std::size_t steps = (options.repetitions + 1) * report.results.size();
  std::size_t done = 0;
  for (unsigned round = 0; round <= options.repetitions; ++round) {
    const bool measured = round > 0;  // the first warms caches, clocks and pages
    MachineRates warm_up = report.machine;
    machine.measure(measured ? report.machine : warm_up);
    for (BenchResult& test : report.results) {
      if (progress) progress(done++, steps, "measuring");
      const Measured result = measure(lane_of(test).session, test);
      verifier.check(test, result.output);
      if (measured) test.rates.push_back(result.rate);
    }
  }
  for (BenchResult& test : report.results) {
    test.limit = limit_of(test, report.machine.bandwidth(test.threads), model->bytes_per_token(),
                          options.session.batch);
  }
  if (progress) progress(steps, steps, "measuring");
  return report;
}

}  // namespace sterna::cli
