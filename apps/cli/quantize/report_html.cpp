// The report as one page: what the model is now, what each choice costs, and every matrix.
#include <fmt/format.h>

#include <cmath>

#include "quantize/plots.hpp"
#include "quantize/report.hpp"
#include "support/html.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

constexpr std::string_view kStyle = R"(
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.8rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;width:100%}
th{text-align:right;color:var(--soft);font-weight:500;vertical-align:bottom}td{text-align:right;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .35rem;border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left;padding-left:0}
)";

std::string number(double value, std::string_view format) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  return fmt::format(fmt::runtime(format), value);
}

std::string fact(std::string_view figure, std::string_view what, std::string_view beside) {
  return fmt::format(
      R"(<div><div class="soft">{}</div><div class="figure">{}</div><div class="soft">{}</div></div>)",
      escaped(what), escaped(figure), escaped(beside));
}

std::string facts(const QuantizeReport& report) {
  std::string html = "<section><div class=\"facts\">";
  html += fact(format_bytes(report.bytes), "file",
               report.float_bytes > 0 && report.bytes > 0
                   ? fmt::format("{} in f16, {:.2f} times as large", format_bytes(report.float_bytes),
                                 static_cast<double>(report.float_bytes) / static_cast<double>(report.bytes))
                   : "");
  if (report.float_perplexity > 0) {
    html += fact(number(report.perplexity, "{:.3f}"), "perplexity",
                 fmt::format("float {}, {} %", number(report.float_perplexity, "{:.3f}"),
                             number(100 * (report.perplexity / report.float_perplexity - 1), "{:+.2f}")));
    html += fact(number(report.kl, "{:.4g}"), "KL from the float model", "nats a token");
    html += fact(number(100 * report.top1, "{:.2f} %"), "same most likely token",
                 fmt::format("of {} tokens", report.evaluated_tokens));
  }
  if (report.recovered_nll != 0)
    html += fact(number(report.recovered_nll, "{:.4f}"), "won back", "nats a token");
  html += "</div></section>\n";
  return html;
}

std::string section(std::string_view title, std::string_view explanation, const std::string& content) {
  if (content.empty()) return {};
  return fmt::format("<section><h2>{}</h2>\n<p class=\"soft\">{}</p>\n{}</section>\n", escaped(title),
                     escaped(explanation), content);
}

std::string matrix_table(const QuantizeReport& report) {
  if (report.matrices.empty()) return {};
  std::string html =
      "<div class=\"wide\"><table><thead><tr><th>matrix</th><th>rows × "
      "columns</th><th>precision</th><th>type</th>"
      "<th>bits</th><th>size</th><th>SQNR, dB</th><th>cosine</th><th>max error</th><th>output "
      "error, %</th>"
      "</tr></thead><tbody>\n";
  for (const MatrixReport& m : report.matrices) {
    const double weights = static_cast<double>(m.rows) * static_cast<double>(m.cols);
    html += fmt::format(
        "<tr><td>{}</td><td>{} × "
        "{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        escaped(m.name), m.rows, m.cols, to_string(m.chosen), name(m.stored),
        number(weights > 0 ? 8 * static_cast<double>(m.bytes) / weights : NAN, "{:.2f}"),
        format_bytes(m.bytes), number(m.error.sqnr, "{:.1f}"), number(m.error.cosine, "{:.6f}"),
        number(m.error.max_error, "{:.3g}"), number(100 * m.output_error, "{:.3g}"));
  }
  return html + "</tbody></table></div>\n";
}

std::string kv_table(const QuantizeReport& report) {
  if (report.kv.empty()) return {};
  std::string html =
      "<div class=\"wide\"><table><thead><tr><th>type</th><th>bytes a "
      "token</th><th>loss, nats</th><th>KL, nats</th><th>perplexity</th></tr></thead><tbody>\n";
  for (const KvReport& row : report.kv) {
    html +=
        fmt::format("<tr><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    to_string(row.type), row.type == report.kv_type ? ", taken" : "", row.bytes_per_token,
                    number(row.nll, "{:+.5f}"), number(row.kl, "{:.5f}"), number(row.perplexity, "{:.4f}"));
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::string html_report(const QuantizeReport& report) {
  std::string html = page_begin("A model quantised", fmt::format("{}{}", kPlotStyle, kStyle));
  html += fmt::format(
      "<p class=\"soft\">{} to {}, in {}; {}{}.</p>\n", escaped(report.input), escaped(report.output),
      format_seconds(report.seconds),
      report.calibration_tokens > 0 ? fmt::format("calibrated on {} tokens", report.calibration_tokens)
                                    : "not calibrated",
      report.ternary_rule ? fmt::format("; ternary by {}", to_string(*report.ternary_rule)) : "");
  html += facts(report);
  html += section("Size and quality", "The best assignment of precisions for each budget.",
                  frontier_plot(report));
  html += section(
      "What each matrix costs",
      "One matrix at a time stored in one precision, all others in float: the mean KL of the next token from "
      "the float model, nearly what it adds to the negative log-likelihood.",
      sensitivity_plot(report));
  html += section("Key and value cache",
                  "The model with its matrices as chosen and each type of the cache: its loss above the "
                  "float model's and "
                  "its KL from that on the calibration text, its perplexity on the other one.",
                  kv_table(report));
  html += section("Matrices",
                  "Shape is rows × columns, bits those of a weight in the file. SQNR is the power of the "
                  "weights over that of their errors; the output error that of the layer's "
                  "outputs over the calibration's inputs.",
                  matrix_table(report));
  html += section("Weights", "Before quantisation.", histograms(report));
  return html + page_end();
}

}  // namespace sterna::cli
