#include "session/quantize/cache_choice.hpp"

#include <limits>

#include "model/kv_type.hpp"

namespace sterna {
namespace {

// A twentieth of what the matrices cost: less than what other windows of the text would make of it.
constexpr double kMostShare = 0.05;

}  // namespace

std::vector<KvReport> measure_caches(const LogitJudge& judge, const Model& model, const Progress& progress) {
  std::vector<KvReport> measured;
  for (const KvTypeRow& row : kv_types()) {
    const Judgement judgement = judge.judge(model, row.type);
    measured.push_back({row.type, kv_bytes_per_token(model.config(), row.type),
                        judgement.nll - judge.reference_nll(), judgement.kl,
                        std::numeric_limits<double>::quiet_NaN()});
    if (progress) progress(measured.size(), kv_types().size(), "measuring caches");
  }
  return measured;
}

KvType smallest_cache(const std::vector<KvReport>& measured, std::optional<double> most_rise) {
  KvType chosen = measured.front().type;
  for (const KvReport& row : measured) {
    if (most_rise ? row.nll <= *most_rise : row.kl <= (1 + kMostShare) * measured.front().kl)
      chosen = row.type;
  }
  return chosen;
}

}  // namespace sterna
