// Which type of key and value cache a model can do with.
#pragma once

#include <optional>
#include <vector>

#include "session/quantize/logit_judge.hpp"
#include "sterna/quantize.hpp"

namespace sterna {

/// The model on the judge's windows with each type of cache, the largest first; nll and kl against the
/// judge's reference.
std::vector<KvReport> measure_caches(const LogitJudge& judge, const Model& model, const Progress& progress);

/// Of those the smallest whose nll is within `most_rise`, or without one whose KL is at most 5 % above that
/// of the largest; the largest where none is.
KvType smallest_cache(const std::vector<KvReport>& measured, std::optional<double> most_rise);

}  // namespace sterna
