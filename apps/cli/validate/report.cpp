#include "validate/report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Figure& figure) {
  return {{"median", figure.median}, {"first_quartile", figure.low}, {"third_quartile", figure.high}};
}

/// "12.3 (12.1 to 12.6)"
std::string spread_text(const Figure& figure) {
  if (figure.low == figure.high) return fmt::format("{:.4g}", figure.median);
  return fmt::format("{:.4g} ({:.4g} to {:.4g})", figure.median, figure.low, figure.high);
}

}  // namespace

std::string bound_text(const Promise& promise) {
  return fmt::format("{} {:.3g} {}", promise.bound == Bound::AtLeast ? "at least" : "at most", promise.limit,
                     promise.unit);
}

std::string value_text(const Promise& promise, double value) {
  return fmt::format("{:.3g} {}", value, promise.unit);
}

std::string text_report(const ValidateSetting& setting, const std::vector<Judged>& judged) {
  std::string text =
      fmt::format("sterna {}, {}, {} cores, {} threads, {}{}\n", setting.version, setting.processor,
                  setting.cores, setting.threads, setting.kernels, setting.quick ? ", quick" : "");
  for (const Judged& each : judged) {
    const Promise& promise = *each.promise;
    const PromiseResult& result = each.result;
    text +=
        fmt::format("\n{}: {}, promised {}\n", promise.title, to_string(result.verdict), bound_text(promise));
    text += fmt::format("  {}\n  against {}\n", promise.definition, promise.baseline);
    if (!result.reason.empty()) text += fmt::format("  {}\n", result.reason);
    if (result.cases.empty()) continue;
    text += fmt::format("  found {} (cases from {} to {})\n", value_text(promise, result.value),
                        value_text(promise, result.low), value_text(promise, result.high));
    Table table({"  case", "unit", "baseline", "sterna", std::string(promise.unit), ""}, "llrrrl");
    for (const PromiseCase& c : result.cases) {
      table.add({"  " + c.name + (c.counts ? "" : " (beside)"), c.unit,
                 c.baseline_name + " " + spread_text(c.baseline), spread_text(c.ours),
                 fmt::format("{:.3g}", c.value), c.remark});
    }
    text += table.str();
  }
  text += fmt::format("\n{} in all\n", format_seconds(setting.seconds));
  return text;
}

Json json_report(const ValidateSetting& setting, const std::vector<Judged>& judged) {
  Json promises = Json::array();
  for (const Judged& each : judged) {
    const Promise& promise = *each.promise;
    const PromiseResult& result = each.result;
    Json cases = Json::array();
    for (const PromiseCase& c : result.cases) {
      cases.push_back({{"name", c.name},
                       {"unit", c.unit},
                       {"baseline_name", c.baseline_name},
                       {"baseline", json_of(c.baseline)},
                       {"sterna", json_of(c.ours)},
                       {"value", c.value},
                       {"counts", c.counts},
                       {"remark", c.remark}});
    }
    Json row{{"id", promise.id},
             {"title", promise.title},
             {"definition", promise.definition},
             {"baseline", promise.baseline},
             {"bound", promise.bound == Bound::AtLeast ? "at least" : "at most"},
             {"limit", promise.limit},
             {"unit", promise.unit},
             {"verdict", to_string(result.verdict)},
             {"reason", result.reason}};
    if (!cases.empty()) {
      row["value"] = result.value;
      row["low"] = result.low;
      row["high"] = result.high;
    }
    row["cases"] = cases;
    promises.push_back(std::move(row));
  }
  return {{"schema", 1},
          {"version", setting.version},
          {"processor", setting.processor},
          {"cores", setting.cores},
          {"threads", setting.threads},
          {"kernels", setting.kernels},
          {"quick", setting.quick},
          {"seconds", setting.seconds},
          {"promises", promises}};
}

}  // namespace sterna::cli
