// What `bench` says about a model.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/bench.hpp"

namespace sterna::cli {

nlohmann::ordered_json bench_json(const std::string& path, const Model& model, const BenchOptions& options,
                                  const BenchReport& report);
std::string bench_text(const std::string& path, const Model& model, const BenchOptions& options,
                       const BenchReport& report);

}  // namespace sterna::cli
