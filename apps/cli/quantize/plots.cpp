#include "quantize/plots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "support/html.hpp"
#include "support/output.hpp"

namespace sterna::cli {

const std::string_view kPlotStyle = R"(
:root{--p0:#b3261e;--p1:#c77700;--p2:#1f6feb;--p3:#1a7f37;--p4:#7a5ad6}
@media(prefers-color-scheme:dark){:root{--p0:#ff7b72;--p1:#f0a83c;--p2:#5aa2ff;--p3:#4ac26b;--p4:#b69cff}}
.plot{width:100%;max-width:42rem;display:block;margin:.5rem 0}.plot text,.tile text{fill:var(--soft);font:11px system-ui,sans-serif}
.grid{stroke:var(--line);stroke-width:1;fill:none}.measured{stroke:var(--ours);stroke-width:1.6;fill:none}
.predicted{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3;fill:none}.dot{fill:var(--ours)}
.ring{fill:none;stroke:var(--ink);stroke-width:1.6}.bars{fill:var(--ours)}
.p0{fill:var(--p0)}.p1{fill:var(--p1)}.p2{fill:var(--p2)}.p3{fill:var(--p3)}.p4{fill:var(--p4)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.9rem}.legend svg{width:.7rem;height:.7rem;margin-right:.3rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.7rem;margin-top:.5rem}
.tile{font-size:.78rem;overflow-wrap:anywhere}.tile svg{width:100%;display:block}
)";

namespace {

constexpr double kWidth = 400;  // of a plot, in units of which a phone shows 0.85 pixels and a desktop 1.7
constexpr double kRight = 12;
constexpr double kLeastNats =
    1e-5;  // what is measured below is noise: a text of 30,000 tokens resolves no more

std::string text(double x, double y, std::string_view anchor, std::string_view content) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", x, y, anchor,
                     escaped(content));
}

std::string line(std::string_view kind, double x1, double y1, double x2, double y2) {
  return fmt::format(R"(<path class="{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>)", kind, x1, y1, x2, y2);
}

std::string svg(std::string_view kind, double height, std::string_view label, std::string_view body) {
  return fmt::format(R"(<svg class="{}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>)",
                     kind, kWidth, height, escaped(label), body);
}

std::string reading(std::string_view sentence) {
  return fmt::format("<p>{}</p>\n", escaped(sentence));
}

/// Round numbers, four or so, from `least` to `most`.
std::vector<double> ticks(double least, double most) {
  const double span = most - least;
  if (!(span > 0) || !std::isfinite(span)) return {least};
  const double power = std::pow(10, std::floor(std::log10(span / 3)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (span / step > 5) step = factor * power;
  }
  std::vector<double> found;
  for (double at = std::ceil(least / step) * step; at <= most + step * 1e-9; at += step) found.push_back(at);
  return found;
}

/// "ffn_down" of "blk.3.ffn_down"; another name is its own kind.
std::string_view kind_of(std::string_view name) {
  if (!name.starts_with("blk.")) return name;
  const auto dot = name.find('.', 4);
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

struct Extremes {
  const MatrixReport* least_of = nullptr;
  const MatrixReport* most_of = nullptr;
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  void see(const MatrixReport& matrix, double value) {
    if (value < least) least = value, least_of = &matrix;
    if (value > most) most = value, most_of = &matrix;
  }
};

}  // namespace

std::string sensitivity_plot(const QuantizeReport& report) {
  std::vector<std::string_view> kinds;  // in the order of the file
  std::map<Precision, Extremes> extremes;
  double most = kLeastNats * 10;
  for (const MatrixReport& matrix : report.matrices) {
    if (matrix.sensitivity.empty()) continue;
    if (std::ranges::find(kinds, kind_of(matrix.name)) == kinds.end()) kinds.push_back(kind_of(matrix.name));
    for (const Sensitivity& s : matrix.sensitivity) {
      if (!std::isfinite(s.kl)) continue;
      extremes[s.precision].see(matrix, s.kl);
      most = std::max(most, s.kl);
    }
  }
  if (extremes.empty()) return {};
  const double left = 92, top = 8, lane = 6, row = lane * 5 + 6;
  const double height = top + row * static_cast<double>(kinds.size()) + 40;
  const double floor = std::log10(kLeastNats), ceiling = std::ceil(std::log10(most));
  const auto x_of = [&](double nats) {
    const double power = std::log10(std::max(nats, kLeastNats));
    return left + (kWidth - kRight - left) * (power - floor) / (ceiling - floor);
  };
  std::string body;
  for (double power = floor; power <= ceiling; ++power) {
    const double x = x_of(std::pow(10, power));
    body += line("grid", x, top, x, height - 36);
    body += text(x, height - 22, power == ceiling ? "end" : "middle",
                 power == floor ? fmt::format("≤1e{:.0f}", power)
                 : power < -3   ? fmt::format("1e{:.0f}", power)
                                : fmt::format("{:g}", std::pow(10, power)));
  }
  body += text(kWidth - kRight, height - 6, "end", "KL from the float model, nats a token (log scale)");
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const double y = top + row * static_cast<double>(k);
    body += line("grid", left, y, kWidth - kRight, y);
    body += text(left - 6, y + row / 2 + 4, "end", kinds[k]);
  }
  for (const MatrixReport& matrix : report.matrices) {
    for (const Sensitivity& s : matrix.sensitivity) {
      if (!std::isfinite(s.kl)) continue;
      const auto kind = static_cast<double>(std::ranges::find(kinds, kind_of(matrix.name)) - kinds.begin());
      body += fmt::format(
          R"(<circle class="p{}" cx="{:.1f}" cy="{:.1f}" r="2.4" opacity=".75"><title>{} {}: {:.3g} nats a token</title></circle>)",
          static_cast<int>(s.precision), x_of(s.kl),
          top + row * kind + lane * (static_cast<double>(s.precision) + 0.5) + 3, escaped(matrix.name),
          to_string(s.precision), s.kl);
    }
  }
  std::string html = R"(<div class="legend">)";
  for (const auto& [precision, unused] : extremes) {
    html += fmt::format(
        R"(<span><svg viewBox="0 0 10 10"><circle class="p{}" cx="5" cy="5" r="5"/></svg>{}</span>)",
        static_cast<int>(precision), to_string(precision));
  }
  html += "</div>\n" +
          svg("plot", height,
              "KL from the float model with one matrix stored in each precision, nats a token", body) +
          "\n";
  for (const auto& [precision, e] : extremes) {
    if (e.most <= kLeastNats) {
      html += reading(
          fmt::format("{} costs nothing that can be measured: at most {:.0e} nats a token in any matrix.",
                      to_string(precision), kLeastNats));
    } else if (e.least_of == e.most_of) {
      html += reading(
          fmt::format("{} in {} costs {:.3g} nats a token.", to_string(precision), e.most_of->name, e.most));
    } else {
      html += reading(fmt::format("{} costs least in {} ({:.3g} nats a token) and most in {} ({:.3g}).",
                                  to_string(precision), e.least_of->name, e.least, e.most_of->name, e.most));
    }
  }
  return html;
}

std::string frontier_plot(const QuantizeReport& report) {
  struct Point {
    double x, measured, predicted;
    const FrontierPoint* of;
  };
  std::vector<Point> points;
  double least = std::numeric_limits<double>::infinity(), most = -least;
  const bool has_float =
      report.frontier_float_perplexity > 0 && std::isfinite(report.frontier_float_perplexity);
  for (const FrontierPoint& point : report.frontier) {
    const Point p{static_cast<double>(point.bytes) / 1e6, point.perplexity > 0 ? point.perplexity : NAN,
                  has_float ? report.frontier_float_perplexity * std::exp(point.predicted_nll) : NAN, &point};
    for (const double y : {p.measured, p.predicted, has_float ? report.frontier_float_perplexity : NAN}) {
      if (std::isfinite(y)) least = std::min(least, y), most = std::max(most, y);
    }
    points.push_back(p);
  }
  if (points.empty() || !(least <= most)) return {};
  const double left = 48, top = 22, height = 250, bottom = height - 36;
  const auto [first, last] = std::ranges::minmax(points, {}, &Point::x);
  const double wide = std::max(last.x - first.x, 1e-9), high = std::max(most - least, most * 1e-6);
  const double x_low = first.x - 0.04 * wide, x_high = last.x + 0.04 * wide;
  const double y_low = least - 0.08 * high, y_high = most + 0.08 * high;
  const auto x_of = [&](double x) {
    return left + (kWidth - kRight - left) * (x - x_low) / (x_high - x_low);
  };
  const auto y_of = [&](double y) { return bottom - (bottom - top) * (y - y_low) / (y_high - y_low); };
  std::string body;
  for (const double x : ticks(x_low, x_high)) {
    body += line("grid", x_of(x), top, x_of(x), bottom) +
            text(x_of(x), bottom + 14, "middle", fmt::format("{:.4g}", x));
  }
  for (const double y : ticks(y_low, y_high)) {
    body += line("grid", left, y_of(y), kWidth - kRight, y_of(y)) +
            text(left - 5, y_of(y) + 4, "end", fmt::format("{:.5g}", y));
  }
  body += text(kWidth - kRight, height - 6, "end", "size of the matrices, MB");
  body += text(left, top - 8, "start", "perplexity");
  if (has_float) {
    body += line("predicted", left, y_of(report.frontier_float_perplexity), kWidth - kRight,
                 y_of(report.frontier_float_perplexity));
    body += text(left + 4, y_of(report.frontier_float_perplexity) - 4, "start", "float");
  }
  for (const auto& [kind, value] :
       {std::pair{"predicted", &Point::predicted}, std::pair{"measured", &Point::measured}}) {
    std::string path;
    for (const Point& p : points) {
      if (std::isfinite(p.*value))
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x_of(p.x), y_of(p.*value));
    }
    if (!path.empty()) body += fmt::format(R"(<path class="{}" d="{}"/>)", kind, path);
  }
  const Point* chosen = nullptr;
  double furthest = 0;
  for (const Point& p : points) {
    if (p.of->chosen) chosen = &p;
    const double y = std::isfinite(p.measured) ? p.measured : p.predicted;
    if (!std::isfinite(y)) continue;
    if (std::isfinite(p.measured)) {
      body += fmt::format(
          R"(<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"><title>{:.2f} MB: perplexity {:.4g}, predicted {:.4g}</title></circle>)",
          x_of(p.x), y_of(y), p.x, p.measured, p.predicted);
      if (std::isfinite(p.predicted)) furthest = std::max(furthest, std::abs(p.measured / p.predicted - 1));
    }
    if (p.of->chosen)
      body += fmt::format(R"(<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="7"/>)", x_of(p.x), y_of(y));
  }
  std::string html = svg("plot", height, "Size in MB against perplexity", body);
  html +=
      "\n<p class=\"soft\">Solid: measured. Dashed: predicted from the sum of the losses below, and the "
      "float model's. "
      "Ring: chosen.</p>\n";
  std::string sentence;
  if (chosen && std::isfinite(chosen->measured) && has_float) {
    sentence = fmt::format(
        "The choice takes {:.2f} MB and raises the perplexity from {:.2f} to {:.2f} ({:+.2f} %). ", chosen->x,
        report.frontier_float_perplexity, chosen->measured,
        100 * (chosen->measured / report.frontier_float_perplexity - 1));
  }
  const auto measured =
      std::ranges::count_if(points, [](const Point& p) { return std::isfinite(p.measured); });
  if (measured > 0 && has_float) {
    sentence +=
        fmt::format("Predictions are within {:.2g} % of the {} points measured.", 100 * furthest, measured);
  }
  return html + reading(sentence.empty() ? fmt::format("{} budgets from {:.2f} to {:.2f} MB.", points.size(),
                                                       first.x, last.x)
                                         : sentence);
}

std::string histograms(const QuantizeReport& report) {
  std::string tiles;
  Extremes tails;
  for (const MatrixReport& matrix : report.matrices) {
    const auto& counts = matrix.histogram;
    const double width = matrix.histogram_most - matrix.histogram_least;
    double all = 0, sum = 0, squares = 0;
    std::uint64_t highest = 0;
    const auto bin = [&](std::size_t i) {
      return matrix.histogram_least +
             width * (static_cast<double>(i) + 0.5) / static_cast<double>(counts.size());
    };
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto n = static_cast<double>(counts[i]);
      all += n, sum += n * bin(i), squares += n * bin(i) * bin(i);
      highest = std::max(highest, counts[i]);
    }
    if (highest == 0 || !std::isfinite(width)) continue;
    const double mean = sum / all, deviation = std::sqrt(std::max(0.0, squares / all - mean * mean));
    if (deviation > 0) {
      tails.see(matrix, std::max(matrix.histogram_most - mean, mean - matrix.histogram_least) / deviation);
    }
    constexpr double kHeight = 110, kBars = 90;
    std::string path;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double left = kWidth * static_cast<double>(i) / static_cast<double>(counts.size());
      const double high = kBars * static_cast<double>(counts[i]) / static_cast<double>(highest);
      if (counts[i] == 0) continue;
      path += fmt::format("M{:.1f} {:.0f}v-{:.1f}h{:.1f}V{:.0f}z", left, kBars, high,
                          kWidth / static_cast<double>(counts.size()) * 0.9, kBars);
    }
    tiles += fmt::format(
        R"(<div class="tile">{}{}<br><span class="soft">{:.3g} to {:.3g}, up to {:.2g} % a bin</span></div>)",
        svg("", kHeight, "weights of " + matrix.name,
            fmt::format(R"(<path class="bars" d="{}"/>)", path) +
                line("grid", 0, kBars + 1, kWidth, kBars + 1)),
        escaped(matrix.name), matrix.histogram_least, matrix.histogram_most,
        100 * static_cast<double>(highest) / all);
    tiles += '\n';
  }
  if (tiles.empty()) return {};
  std::string html =
      "<p class=\"soft\">Along: the weight's value, from the least to the greatest. Up: the share of the "
      "matrix's weights in the bin.</p>\n";
  if (tails.most_of) {
    html +=
        reading(fmt::format("{} has the longest tail: its furthest weight is {:.1f} standard deviations from "
                            "the mean; in {} it is "
                            "{:.1f}.",
                            tails.most_of->name, tails.most, tails.least_of->name, tails.least));
  }
  return html + "<div class=\"tiles\">\n" + tiles + "</div>\n";
}

}  // namespace sterna::cli
