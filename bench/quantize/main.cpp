// Whether the assignments that `quantize` chooses are good: at six budgets, beside random ones of the same
// size.
//
//   assignment_bench MODEL CALIBRATION.txt HELDOUT.txt [RANDOM] [TOKENS] [THREADS] [FIRST]
//
// For six budgets between the least possible and that of 4 bits everywhere, beyond which perplexity can
// hardly tell what is lost from luck: the chosen assignment, and the best of RANDOM (200) others whose bytes
// are within the budget and no more than 2 % below it, by perplexity and by KL from the float model on TOKENS
// (2044) held-out tokens. FIRST (1) to the sixth budget are taken. Fails where, by either, a random one is
// better or a larger budget is worse.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "model/model_impl.hpp"
#include "quantize/assignment.hpp"
#include "session/quantize/mixture.hpp"
#include "sterna/error.hpp"

namespace {

using namespace sterna;

constexpr std::uint32_t kWindow = 512;
constexpr unsigned kBudgets = 6;
constexpr double kSlack = 0.02;

std::string text_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCategory::Io, "cannot be read", {{"file", path}});
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Precisions drawn evenly, then single ones drawn again until the sum is right.
Assignment random_assignment(const std::vector<Options>& items, std::uint64_t budget,
                             std::mt19937_64& random) {
  Assignment assignment;
  for (const Options& options : items) {
    assignment.choice.push_back(static_cast<std::uint32_t>(random() % options.size()));
    assignment.cost += options[assignment.choice.back()].cost;
  }
  const auto least = static_cast<std::uint64_t>((1 - kSlack) * static_cast<double>(budget));
  while (assignment.cost > budget || assignment.cost < least) {
    const std::size_t i = random() % items.size();
    const auto other = static_cast<std::uint32_t>(random() % items[i].size());
    const std::uint64_t cost = assignment.cost - items[i][assignment.choice[i]].cost + items[i][other].cost;
    const bool nearer = assignment.cost > budget ? cost < assignment.cost : cost > assignment.cost;
    if (nearer || random() % 16 == 0) assignment.choice[i] = other, assignment.cost = cost;
  }
  return assignment;
}

int compare(int argc, char** argv) {
  const unsigned randoms = argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 200;
  const std::uint64_t tokens = argc > 5 ? static_cast<std::uint64_t>(std::atoll(argv[5])) : 2044;
  const unsigned threads = argc > 6 ? static_cast<unsigned>(std::atoi(argv[6])) : 0;
  const unsigned first = argc > 7 ? static_cast<unsigned>(std::atoi(argv[7])) : 1;
  const std::string calibration_text = text_of(argv[2]);
  const std::string heldout_text = text_of(argv[3]);

  TrialModel trial(argv[1], {.threads = threads});
  ThreadPool pool(threads);
  const Calibration calibration =
      calibrate(trial.model(), calibration_text,
                {.window = kWindow, .max_tokens = 32768, .gram = true, .threads = threads});
  MatrixStore store({.rounding = WeightRounding::Compensated,
                     .input_of = [&](std::string_view linear) { return calibration.of(linear); }},
                    pool);
  const Tokenizer& tokenizer = *trial.model()->tokenizer();
  const LogitJudge judge(
      *trial.model(),
      even_windows(tokenizer, calibration_text, kWindow, QuantizeOptions{}.sensitivity_tokens), pool);
  const LogitJudge heldout(*trial.model(), even_windows(tokenizer, heldout_text, kWindow, tokens), pool);

  const Checkpoint& checkpoint = trial.model()->impl().checkpoint;
  std::vector<OpenMatrix> candidates{
      {embedding_source(checkpoint), 0, {Precision::Int4, Precision::Int8, Precision::F16}}};
  if (!checkpoint.config.tied_embeddings)
    candidates.push_back(
        {checkpoint.head, checkpoint.layers.size(), {Precision::Int4, Precision::Int8, Precision::F16}});
  for (std::size_t n = 0; n < checkpoint.layers.size(); ++n) {
    for_each_linear(checkpoint.layers[n], [&](const LinearSource& source) {
      candidates.push_back(
          {source,
           n,
           {Precision::Ternary, Precision::Int2, Precision::Int4, Precision::Int8, Precision::F16}});
    });
  }
  const auto measured = measure_sensitivities(candidates, store, trial, judge, {});
  const QuantizeOptions options;
  Mixture chosen(candidates, measured, store, trial, judge, options);
  Mixture on_heldout(candidates, measured, store, trial, heldout, options);
  const double reference = std::exp(heldout.reference_nll());
  fmt::print("{} matrices, {} held-out tokens, perplexity in float {:.4f}\n", candidates.size(),
             heldout.tokens(), reference);
  fmt::print("{:>10} {:>10} | perplexity {:>8} {:>8} {:>8} | KL {:>8} {:>8} {:>8}\n", "budget", "bytes",
             "chosen", "best", "median", "chosen", "best", "median");

  std::uint64_t least = 0;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Options& item = chosen.items()[i];
    most += item[static_cast<std::size_t>(std::ranges::find(candidates[i].precisions, Precision::Int4) -
                                          candidates[i].precisions.begin())]
                .cost;
    least += std::ranges::min_element(item, {}, &Option::cost)->cost;
  }
  std::mt19937_64 random(1);
  bool good = true;
  Judgement previous{.nll = INFINITY, .kl = INFINITY};
  for (unsigned i = first; i <= kBudgets; ++i) {
    const double share = static_cast<double>(i) / (kBudgets + 1);  // geometric
    const auto budget = static_cast<std::uint64_t>(
        static_cast<double>(least) * std::pow(static_cast<double>(most) / static_cast<double>(least), share));
    const Assignment best = assign_within(chosen.items(), budget);
    const Judgement found = on_heldout.run(best);
    std::vector<double> nlls, kls;
    for (unsigned r = 0; r < randoms; ++r) {
      const Judgement other = on_heldout.run(random_assignment(chosen.items(), budget, random));
      nlls.push_back(other.nll);
      kls.push_back(other.kl);
    }
    std::ranges::sort(nlls);
    std::ranges::sort(kls);
    const bool beaten = nlls.front() < found.nll || kls.front() < found.kl;
    const bool worse = found.nll > previous.nll || found.kl > previous.kl;
    fmt::print("{:>10} {:>10} |            {:>8.4f} {:>8.4f} {:>8.4f} |    {:>8.5f} {:>8.5f} {:>8.5f}{}{}\n",
               budget, best.cost, std::exp(found.nll), std::exp(nlls.front()), std::exp(nlls[randoms / 2]),
               found.kl, kls.front(), kls[randoms / 2], beaten ? "  a random one is better" : "",
               worse ? "  worse than with less" : "");
    std::fflush(stdout);
    good = good && !beaten && !worse;
    previous = found;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr,
               "assignment_bench MODEL CALIBRATION.txt HELDOUT.txt [RANDOM] [TOKENS] [THREADS] [FIRST]\n");
    return 2;
  }
  try {
    return compare(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "assignment_bench: {}\n", error.what());
    return 1;
  }
}
