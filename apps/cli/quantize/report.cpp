#include "quantize/report.hpp"

#include <nlohmann/json.hpp>

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const WeightError& error) {
  return {
      {"mse", error.mse}, {"sqnr_db", error.sqnr}, {"cosine", error.cosine}, {"max_error", error.max_error}};
}

Json json_of(const MatrixReport& matrix) {
  Json sensitivity = Json::array();
  for (const Sensitivity& s : matrix.sensitivity) {
    sensitivity.push_back({{"precision", to_string(s.precision)},
                           {"bytes", s.bytes},
                           {"weights", json_of(s.weights)},
                           {"output_error", s.output_error},
                           {"nll", s.nll},
                           {"kl", s.kl}});
  }
  return {
      {"name", matrix.name},
      {"shape", {matrix.rows, matrix.cols}},
      {"precision", to_string(matrix.chosen)},
      {"type", name(matrix.stored)},
      {"bytes", matrix.bytes},
      {"weights", json_of(matrix.error)},
      {"output_error", matrix.output_error},
      {"sensitivity", sensitivity},
      {"histogram",
       {{"least", matrix.histogram_least}, {"most", matrix.histogram_most}, {"counts", matrix.histogram}}}};
}

}  // namespace

Json json_report(const QuantizeReport& report) {
  Json matrices = Json::array(), frontier = Json::array(), kv = Json::array();
  for (const MatrixReport& matrix : report.matrices) matrices.push_back(json_of(matrix));
  for (const FrontierPoint& point : report.frontier) {
    frontier.push_back({{"bytes", point.bytes},
                        {"predicted_nll", point.predicted_nll},
                        {"perplexity", point.perplexity},
                        {"chosen", point.chosen}});
  }
  for (const KvReport& row : report.kv) {
    kv.push_back({{"type", to_string(row.type)},
                  {"bytes_per_token", row.bytes_per_token},
                  {"nll", row.nll},
                  {"kl", row.kl},
                  {"perplexity", row.perplexity}});
  }
  return {{"schema", 1},
          {"input", report.input},
          {"output", report.output},
          {"rounding", report.rounding},
          {"ternary_rule", report.ternary_rule ? Json(to_string(*report.ternary_rule)) : Json()},
          {"bytes", report.bytes},
          {"matrix_bytes", report.matrix_bytes},
          {"float_bytes", report.float_bytes},
          {"float_perplexity", report.float_perplexity},
          {"perplexity", report.perplexity},
          {"kl", report.kl},
          {"top1", report.top1},
          {"held_out", report.held_out},
          {"evaluated_tokens", report.evaluated_tokens},
          {"calibration_tokens", report.calibration_tokens},
          {"predicted_nll", report.predicted_nll},
          {"gap", report.gap},
          {"frontier_float_perplexity", report.frontier_float_perplexity},
          {"recovered_nll", report.recovered_nll},
          {"seconds", report.seconds},
          {"matrices", matrices},
          {"frontier", frontier},
          {"kv_type", report.kv_type ? Json(to_string(*report.kv_type)) : Json()},
          {"kv", kv}};
}

}  // namespace sterna::cli
