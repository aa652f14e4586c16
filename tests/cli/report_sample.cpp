// Writes the report of a made-up quantisation to standard output: what quantize_report_test.py checks, and
// what shows the page without a model. report_sample full|odd|empty html|json
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "quantize/report.hpp"

namespace sterna {
namespace {

QuantizeReport full() {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  QuantizeReport report;
  report.input = "tales-dense";
  report.output = "small.gguf";
  report.rounding = "compensated";
  report.bytes = 5'914'000;
  report.matrix_bytes = 5'800'000;
  report.float_bytes = 35'600'000;
  report.float_perplexity = 31.229;
  report.perplexity = 31.71;
  report.frontier_float_perplexity = 31.229;
  report.kl = 0.0152;
  report.top1 = 0.934;
  report.evaluated_tokens = 31171;
  report.calibration_tokens = 245'000;
  report.recovered_nll = 0.0041;
  report.seconds = 71.3;
  const char* kinds[] = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
  for (int n = -1; n < 6 * 7; ++n) {
    MatrixReport m;
    m.name = n < 0 ? "token_embd" : "blk." + std::to_string(n / 7) + "." + kinds[n % 7];
    m.rows = n < 0 ? 8192 : n % 7 < 4 ? 384 : 1024;
    m.cols = 384;
    const double importance = std::exp(normal(random)) * (n < 0 ? 0.2 : n % 7 == 6 ? 0.08 : 0.02);
    struct Way {
      Precision precision;
      DType type;
      double bits, error;
    };
    const Way ways[] = {{Precision::Ternary, DType::TQ1_0, 1.69, 0.5},
                        {Precision::Int2, DType::Q2_0, 2.25, 0.3},
                        {Precision::Int4, DType::Q4_0, 4.5, 0.012},
                        {Precision::Int8, DType::Q8_0, 8.5, 4e-5},
                        {Precision::F16, DType::F16, 16, 1e-8}};
    const auto weights = static_cast<double>(m.rows * m.cols);
    for (const Way& way : ways) {
      Sensitivity s;
      s.precision = way.precision;
      s.bytes = static_cast<std::uint64_t>(weights * way.bits / 8);
      s.output_error = way.error * 0.8;
      s.weights = {way.error * 4e-4, -10 * std::log10(way.error), std::sqrt(1 - way.error),
                   0.1 * std::sqrt(way.error)};
      s.nll = importance * way.error + 5e-6 * normal(random);
      s.kl = importance * way.error;
      m.sensitivity.push_back(s);
    }
    const std::size_t choice = 1 + random() % 3;
    m.chosen = ways[choice].precision;
    m.stored = ways[choice].type;
    m.bytes = m.sensitivity[choice].bytes;
    m.error = m.sensitivity[choice].weights;
    m.output_error = m.sensitivity[choice].output_error;
    m.histogram.resize(64);
    m.histogram_least = -0.11;
    m.histogram_most = 0.09 + 0.05 * std::abs(normal(random));
    for (int i = 0; i < 50000; ++i) {
      const double at =
          (0.02 * normal(random) - m.histogram_least) / (m.histogram_most - m.histogram_least) * 64;
      if (at >= 0 && at < 64) ++m.histogram[static_cast<std::size_t>(at)];
    }
    report.matrices.push_back(m);
  }
  for (int b = 0; b < 6; ++b) {
    const double megabytes = 4.2 + 2.2 * b;
    const double nll = 0.25 * std::exp(-0.75 * b);
    report.frontier.push_back({static_cast<std::uint64_t>(megabytes * 1e6), nll,
                               31.229 * std::exp(nll * (1 + 0.12 * std::exp(-b))), b == 2});
  }
  report.kv = {{KvType::F32, 3072, 0.0151, 0.0169, 31.71},
               {KvType::F16, 1536, 0.0151, 0.01691, 31.711},
               {KvType::I8, 864, 0.0154, 0.0173, 31.74}};
  report.kv_type = KvType::I8;
  return report;
}

/// Everything that may be missing or no number, and a name that is markup.
QuantizeReport odd() {
  QuantizeReport report = full();
  report.input = "<script>alert(\"1\")</script>&";
  report.matrices.resize(3);
  const double none = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  report.matrices[0].name = "a<b>&\"c\"";
  report.matrices[0].sensitivity = {};
  report.matrices[0].histogram = {};
  report.matrices[0].error = {none, infinity, none, none};
  report.matrices[0].output_error = none;
  report.matrices[1].rows = 0;
  report.matrices[1].histogram.assign(64, 0);
  for (Sensitivity& s : report.matrices[1].sensitivity) s.nll = none;
  report.matrices[2].histogram = {5};
  report.matrices[2].histogram_most = report.matrices[2].histogram_least;
  report.matrices[2].sensitivity.resize(1);
  report.matrices[2].sensitivity[0].nll = infinity;
  report.frontier.resize(1);
  report.frontier[0].perplexity = none;
  report.frontier[0].chosen = true;
  report.perplexity = report.kl = infinity;
  report.top1 = none;
  report.kv[0].perplexity = report.kv[0].kl = none;
  return report;
}

}  // namespace
}  // namespace sterna

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::string sample = arguments[1];
  const sterna::QuantizeReport report = sample == "full"  ? sterna::full()
                                        : sample == "odd" ? sterna::odd()
                                                          : sterna::QuantizeReport{};
  const std::string text = std::string(arguments[2]) == "html" ? sterna::cli::html_report(report)
                                                               : sterna::cli::json_report(report).dump(2);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
