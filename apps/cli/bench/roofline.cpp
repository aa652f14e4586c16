#include "bench/roofline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/checked.hpp"
#include "bench/rates.hpp"
#include "kernels/kv_layout.hpp"
#include "model/kv_type.hpp"
#include "model/model_impl.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

/// What a test asks of the model.
struct Evaluations {
  std::size_t count;
  std::size_t tokens;  ///< of all evaluations together
  std::size_t tokens_at_once;
  std::size_t logits;     ///< evaluations that end in logits
  double positions;       ///< Σ over tokens of the positions that the token sees
  double positions_read;  ///< Σ over evaluations of the positions that its last token sees
};

Evaluations evaluations_of(const BenchResult& test, std::uint32_t batch) {
  const double n = test.tokens;
  const double depth = test.depth;
  if (test.kind == BenchKind::Generate) {  // after a prompt of one token
    const double positions = n * (n + 3) / 2 + n * depth;
    return {test.tokens, test.tokens, 1, test.tokens, positions, positions};
  }
  Evaluations prompt{ceil_div(test.tokens, batch), test.tokens,
                     std::min(test.tokens, batch), 1,
                     n * (n + 1) / 2 + n * depth,  0};
  for (std::size_t end = batch; end < test.tokens + batch; end += batch) {
    prompt.positions_read += depth + static_cast<double>(std::min<std::size_t>(end, test.tokens));
  }
  return prompt;
}

/// What bounds the arithmetic of a product.
const PeakProbe* peak_of(const Matrix& matrix, const Dispatch& dispatch, std::size_t tokens) {
  if (matrix.ternary) {
    return find_peak(dispatch.variant(Operation::Ternary, matrix.dtype, tokens), Operand::Int8, tokens);
  }
  return find_peak(dispatch.variant(Operation::Dense, matrix.dtype, tokens),
                   takes_codes16(matrix.dtype) ? Operand::Int16 : Operand::Float, tokens);
}

/// What the terms of a floor are reckoned with.
struct Context {
  const Model::Impl& model;
  const MachineRates& machine;
  unsigned threads;
};

/// A product with the activations of `tokens` tokens, `at_once` together, its weights read `reads` times.
void add_product(FloorTerm& term, const Context& context, const Matrix& matrix, std::size_t tokens,
                 std::size_t at_once, std::size_t reads) {
  const double operations = 2.0 * static_cast<double>(matrix.rows * matrix.cols * tokens);
  term.peak = peak_of(matrix, context.model.dispatch, at_once);
  term.operations += operations;
  term.arithmetic_seconds += operations / context.machine.peak(*term.peak, context.threads);
  term.bytes += static_cast<double>(matrix.rows * matrix.stride * reads);
}

FloorTerm attention_of(const Context& context, const ModelConfig& config, const Evaluations& evaluations,
                       KvType kv) {
  const bool integers = kv == KvType::I8;
  const KvBlockLayout layout = kv_block_layout(config.head_dim, row_of(kv).element_bytes, integers);
  FloorTerm term{.name = "attention"};
  term.peak =
      find_peak(context.model.dispatch.variant(Operation::Attention, DType::F32, evaluations.tokens_at_once),
                integers ? Operand::Int16 : Operand::FusedFloat, evaluations.tokens_at_once);
  term.operations = 4.0 * config.layers * config.heads * config.head_dim * evaluations.positions;
  term.arithmetic_seconds = term.operations / context.machine.peak(*term.peak, context.threads);
  term.bytes = evaluations.positions_read * config.layers * config.kv_heads *
               static_cast<double>(layout.bytes) / kKvBlock;
  return term;
}

}  // namespace

std::string_view FloorTerm::bound() const {
  return memory_seconds > arithmetic_seconds ? "memory" : peak->name;
}

Floor floor_of(const Model& model, const BenchResult& test, const SessionOptions& session,
               const MachineRates& machine) {
  const Context context{model.impl(), machine, test.threads};
  const Evaluations evaluations = evaluations_of(test, session.batch);
  FloorTerm products{.name = "products"};
  for (const Layer& layer : context.model.weights.layers) {
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate,
                                 &layer.up, &layer.down}) {
      add_product(products, context, linear->matrix, evaluations.tokens, evaluations.tokens_at_once,
                  evaluations.count);
    }
  }
  FloorTerm head{.name = "head"};  // of the last token of an evaluation alone
  add_product(head, context, context.model.weights.head.matrix, evaluations.logits, 1, evaluations.logits);

  Floor floor{{products, attention_of(context, model.config(), evaluations, kv_of(session.kv, model)), head},
              0};
  const bool in_cache = model.bytes_per_token() < last_level_cache_bytes();
  for (FloorTerm& term : floor.terms) {
    if (in_cache) term.bytes = 0;
    term.memory_seconds = term.bytes / machine.bandwidth(test.threads);
    floor.seconds += term.seconds();
  }
  return floor;
}

nlohmann::ordered_json floor_json(const Floor& floor, const BenchResult& test) {
  auto terms = nlohmann::ordered_json::array();
  for (const FloorTerm& term : floor.terms) {
    terms.push_back({{"name", term.name},
                     {"bytes", term.bytes},
                     {"operations", term.operations},
                     {"instructions", term.peak->name},
                     {"memory_seconds", term.memory_seconds},
                     {"arithmetic_seconds", term.arithmetic_seconds},
                     {"seconds", term.seconds()},
                     {"bound", term.bound()}});
  }
  const double rate = test.tokens / floor.seconds;
  return {{"seconds", floor.seconds},
          {"tokens_per_second", rate},
          {"share", median(test.rates) / rate},
          {"terms", terms}};
}

std::string floors_text(const Model& model, const BenchReport& report, const SessionOptions& session) {
  Table tests({"test", "threads", "tokens/s", "min", "max", "floor", "reached", "mostly"}, "lrrrrrr");
  Table parts({"part of the floor", "threads", "of", "share", "read", "operations", "bound by"}, "lrlrrr");
  for (const BenchResult& test : report.results) {
    const Floor floor = floor_of(model, test, session, report.machine);
    const double rate = median(test.rates);
    const auto largest =
        std::ranges::max_element(floor.terms, {}, [](const FloorTerm& term) { return term.seconds(); });
    tests.add({title(test), std::to_string(test.threads), format_rate(rate), format_rate(lowest(test.rates)),
               format_rate(highest(test.rates)), format_rate(test.tokens / floor.seconds),
               fmt::format("{:.1f} %", 100 * rate * floor.seconds / test.tokens),
               std::string(largest->bound())});
    for (const FloorTerm& term : floor.terms) {
      parts.add({title(test), std::to_string(test.threads), std::string(term.name),
                 fmt::format("{:.1f} %", 100 * term.seconds() / floor.seconds),
                 format_bytes(static_cast<std::uint64_t>(term.bytes)),
                 fmt::format("{:.2f} G", term.operations / 1e9), std::string(term.bound())});
    }
  }
  return tests.str() + "\n" + parts.str() +
         "\nfloor: tokens/s if every part took the longer of reading its bytes at the read bandwidth and\n"
         "multiplying at the peak of its kernels' instructions: linear layers, attention (fused float\n"
         "multiplications and additions, or int16 with --kv int8), and the head. Norms, activation "
         "functions,\n"
         "quantising, sampling and waiting for threads are not in it.\n";
}

}  // namespace sterna::cli
