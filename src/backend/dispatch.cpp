#include "backend/dispatch.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/log.hpp"
#include "platform/cpu.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// What was asked for: a strategy, and perhaps a backend and a variant of it.
struct Wish {
  const Strategy* strategy = &strategy_table().front();
  const Backend* backend = nullptr;
  std::string_view variant;
};

void take_backend(std::span<const Backend> table, const std::string& name, Wish& wish) {
  if (name.empty()) return;
  for (const Strategy& row : strategy_table()) {
    if (row.name == name) return void(wish.strategy = &row);
  }
  try {
    wish.backend = &find_backend(table, name);
  } catch (const Error& error) {  // says which names there are, and a strategy's would do as well
    std::string known(error.value("expected"));
    for (const Strategy& row : strategy_table()) known += " " + std::string(row.name);
    throw Error(error.category(), error.message(), {{"found", name}, {"expected", known}});
  }
  require_available(*wish.backend);
}

void take_variant(std::span<const Backend> table, const std::string& kernel, Wish& wish) {
  if (kernel.empty()) return;
  std::string_view isa = kernel;
  for (const TernaryKernel& row : ternary_kernels()) {
    if (row.name == kernel) isa = row.isa;
  }
  for (const Backend& backend : table) {
    if (!backend.why_not().empty()) continue;
    for (const std::string_view variant : backend.variants()) {
      if (variant != isa) continue;
      if (wish.backend != nullptr && wish.backend != &backend) {
        throw Error(ErrorCategory::InvalidArgument, "the kernel is another backend's",
                    {{"found", kernel},
                     {"backend", std::string(backend.name)},
                     {"expected", "one of " + std::string(wish.backend->name)}});
      }
      wish.backend = &backend;
      wish.variant = variant;
      return;
    }
  }
  select_float_kernels(kernel);  // throws, and says what there is or what the processor lacks
  throw Error(ErrorCategory::Unsupported, "no available backend has the kernel", {{"found", kernel}});
}

/// An option goes before a variable, and what is said of one is not undone by a variable of the other.
Wish wish_of(std::span<const Backend> table, const BackendOptions& options) {
  Wish wish;
  take_backend(
      table, options.backend.empty() && options.kernel.empty() ? variable("STERNA_BACKEND") : options.backend,
      wish);
  const bool forced = wish.backend != nullptr && !options.backend.empty();
  take_variant(table, options.kernel.empty() && !forced ? variable("STERNA_KERNEL") : options.kernel, wish);
  return wish;
}

/// Who can compute what is asked, and why the others cannot.
struct Offers {
  struct PassedOver {
    const Backend* backend;
    std::string reason;
  };
  std::vector<Candidate> candidates;
  std::vector<PassedOver> passed_over;
};

class Chooser {
 public:
  Chooser(std::span<const Backend> table, const Wish& wish, const Timings& timings)
      : wish_(wish), timings_(timings) {
    for (const Backend& backend : table) {
      rows_.push_back({&backend, backend.why_not(), {}});
      if (rows_.back().why_not.empty()) rows_.back().variants = backend.variants();
    }
    std::ranges::stable_sort(rows_, std::ranges::greater{},
                             [](const Row& row) { return row.backend->priority; });
  }

  struct Chosen {
    Candidate candidate;
    std::string why;
  };
  Chosen choose(const Question& question) {
    Offers offers = offers_for(question);
    std::vector<Candidate> wanted;
    std::ranges::copy_if(offers.candidates, std::back_inserter(wanted), [&](const Candidate& c) {
      return (wish_.backend == nullptr || c.backend == wish_.backend) &&
             (wish_.variant.empty() || c.variant == wish_.variant);
    });
    const bool forced = wish_.backend != nullptr && !wanted.empty();
    if (wanted.empty()) wanted = offers.candidates;
    if (wanted.empty()) {
      throw Error(ErrorCategory::Unsupported, "no backend computes the operation",
                  {{"operation", to_string(question)}, {"reason", told(offers, nullptr)}});
    }
    const Pick pick = wish_.strategy->pick(question, wanted, timings_);
    const Candidate& chosen = wanted[pick.candidate];
    const std::string passed_over = forced ? "" : told(offers, chosen.backend);
    return {chosen,
            (forced ? "asked for" : pick.why) + (passed_over.empty() ? "" : "; passed over: " + passed_over)};
  }

 private:
  struct Row {
    const Backend* backend;
    std::string why_not;
    std::vector<std::string_view> variants;
  };

  Offers offers_for(const Question& question) const {
    Offers offers;
    for (const Row& row : rows_) {
      std::string reason = row.why_not;
      bool offered = false;
      for (const std::string_view variant : row.variants) {
        if (!wish_.variant.empty() && row.backend == wish_.backend && variant != wish_.variant) continue;
        Kernels provided;
        Candidate candidate{row.backend, variant, {}};
        try {
          row.backend->provide(variant, question.operation, provided);
          if (!copy_slots(question.operation, question.dtype, provided, candidate.kernels)) {
            reason = "it has no kernel";
            continue;
          }
        } catch (const Error& error) {
          if (error.category() != ErrorCategory::Unsupported) throw;
          reason = error.what();
          continue;
        }
        offered = true;
        // An instruction set that adds nothing to the next one has its kernels.
        const bool same = std::ranges::any_of(offers.candidates, [&](const Candidate& other) {
          return other.backend == row.backend && other.kernels == candidate.kernels;
        });
        if (!same) offers.candidates.push_back(std::move(candidate));
      }
      if (!offered) offers.passed_over.push_back({row.backend, reason});
    }
    return offers;
  }

  /// The backends that would have gone before the chosen one: to the log, once each, and for the choice.
  std::string told(const Offers& offers, const Backend* chosen) {
    std::string text;
    for (const auto& [backend, reason] : offers.passed_over) {
      const bool wanted = backend == wish_.backend;
      if (chosen != nullptr && !wanted && backend->priority <= chosen->priority) continue;
      const std::string line = std::string(backend->name) + " (" + reason + ")";
      text += (text.empty() ? "" : ", ") + line;
      if (!told_.insert(line).second) continue;
      log(wanted ? LogLevel::Warning : LogLevel::Info, "backend passed over: " + line);
    }
    return text;
  }

  const Wish& wish_;
  const Timings& timings_;
  std::vector<Row> rows_;
  std::set<std::string> told_;
};

struct Asked {
  Operation operation;
  DType dtype;
  bool by_batch;
};

std::vector<Asked> asked() {
  std::vector<Asked> list;
  for (const DType dtype : kTernaryTypes) list.push_back({Operation::Ternary, dtype, true});
  for (const DType dtype : kDenseTypes) list.push_back({Operation::Dense, dtype, true});
  list.push_back({Operation::Attention, DType::F32, true});
  for (const Operation each : {Operation::Elementwise, Operation::Reduction, Operation::Quantize}) {
    list.push_back({each, DType::F32, false});
  }
  return list;
}

}  // namespace

std::string_view Dispatch::variant(Operation operation, DType dtype, std::size_t tokens) const noexcept {
  const bool product = operation == Operation::Ternary || operation == Operation::Dense;
  std::string_view found;
  for (const BackendChoice& choice : choices) {
    if (choice.operation != operation || (product && choice.dtype != dtype)) continue;
    if (choice.batch == batch_of(tokens)) return choice.variant;
    if (choice.batch == Batch::One) found = choice.variant;  // which may stand for all
  }
  return found;
}

Dispatch make_dispatch(std::span<const Backend> table, const BackendOptions& options,
                       const Timings& timings) {
  const Wish wish = wish_of(table, options);
  const bool in_cache = options.weight_bytes != 0 && options.weight_bytes <= last_level_cache_bytes();
  Chooser chooser(table, wish, timings);
  Dispatch dispatch;
  dispatch.low_memory = wish.strategy->name == "low-memory";
  for (const Asked& each : asked()) {
    for (std::size_t batch = 0; batch < (each.by_batch ? kBatches : 1); ++batch) {
      const Question question{each.operation, each.dtype, static_cast<Batch>(batch), in_cache};
      const auto [candidate, why] = chooser.choose(question);
      dispatch.choices.push_back({each.operation, each.dtype, question.batch,
                                  std::string(candidate.backend->name), std::string(candidate.variant), why});
      for (std::size_t to = batch; to < (each.by_batch ? batch + 1 : kBatches); ++to) {
        copy_slots(each.operation, each.dtype, candidate.kernels, dispatch.kernels[to]);
      }
    }
  }
  return dispatch;
}

Dispatch make_dispatch(const BackendOptions& options) {
  const Stopwatches stopwatches(options.threads);
  return make_dispatch(backend_table(), options,
                       Timings(stopwatches, backend_cache(), stopwatches.threads()));
}

}  // namespace sterna
