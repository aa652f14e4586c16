// The report as one page: a card for each promise, its cases as bars.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "support/html.hpp"
#include "support/output.hpp"
#include "validate/report.hpp"

namespace sterna::cli {
namespace {

constexpr std::string_view kStyle = R"(
:root{--kept:#1a7f37;--broken:#c1121f;--none:#6e7781}
@media(prefers-color-scheme:dark){:root{--kept:#4ac26b;--broken:#ff6b6b;--none:#9aa6b5}}
.head{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:baseline;justify-content:space-between}
.verdict{font-weight:600;border-radius:1rem;padding:.1rem .7rem;color:var(--paper);white-space:nowrap}
.kept{background:var(--kept)}.broken{background:var(--broken)}.none{background:var(--none)}
.case{margin:.7rem 0}.name{display:flex;justify-content:space-between;gap:1rem;font-size:.92rem}.name b{white-space:nowrap}
.bar{height:.65rem;border-radius:.2rem;min-width:1px;margin-top:.15rem;position:relative}
.bar.ours{background:var(--ours)}.bar.base{background:var(--base)}
.row{display:grid;grid-template-columns:1fr 8.5rem;gap:.6rem;align-items:center;font-size:.85rem;color:var(--soft)}
details{margin-top:.6rem}summary{cursor:pointer;color:var(--soft)}
)";

std::string_view css_class(Verdict verdict) {
  return verdict == Verdict::Kept ? "kept" : verdict == Verdict::Broken ? "broken" : "none";
}

/// A bar and its figure; `most` is the length of a whole line.
std::string bar(std::string_view kind, const Figure& figure, double most, std::string_view unit,
                std::string_view title) {
  const double share = most > 0 ? 100 * figure.median / most : 0;
  return fmt::format(
      R"(<div class="row"><div class="bar {}" style="width:{:.2f}%" title="{}: {:.4g} ({:.4g} to {:.4g}) {}"></div><span>{:.4g} {}</span></div>)",
      kind, std::clamp(share, 0.0, 100.0), escaped(title), figure.median, figure.low, figure.high,
      escaped(unit), figure.median, escaped(unit));
}

std::string case_block(const Promise& promise, const PromiseCase& c) {
  const double most = std::max(c.baseline.median, c.ours.median);
  std::string html = fmt::format(R"(<div class="case"><div class="name"><span>{}</span><b>{}</b></div>)",
                                 escaped(c.name), escaped(value_text(promise, c.value)));
  html += bar("base", c.baseline, most, c.unit, c.baseline_name);
  html += bar("ours", c.ours, most, c.unit, "sterna");
  html += fmt::format(R"(<div class="soft">grey: {}{}{}</div></div>)", escaped(c.baseline_name),
                      c.remark.empty() ? "" : "; ", escaped(c.remark));
  return html;
}

std::string card(const Judged& judged) {
  const Promise& promise = *judged.promise;
  const PromiseResult& result = judged.result;
  std::string html =
      fmt::format(R"(<section id="{}"><div class="head"><h2>{}</h2><span class="verdict {}">{}</span></div>)",
                  promise.id, escaped(promise.title), css_class(result.verdict), to_string(result.verdict));
  if (!result.cases.empty()) {
    html += fmt::format(
        R"(<p><span class="figure">{}</span> <span class="soft">promised {}; cases from {} to {}</span></p>)",
        escaped(value_text(promise, result.value)), escaped(bound_text(promise)),
        escaped(value_text(promise, result.low)), escaped(value_text(promise, result.high)));
  }
  if (!result.reason.empty()) html += fmt::format("<p><b>{}</b></p>", escaped(result.reason));
  html += fmt::format(R"(<p>{}</p><p class="soft">Against {}. {}</p>)", escaped(promise.definition),
                      escaped(promise.baseline), escaped(promise.reading));
  std::string beside;
  for (const PromiseCase& c : result.cases) (c.counts ? html : beside) += case_block(promise, c);
  if (!beside.empty()) html += "<details><summary>Measured beside</summary>" + beside + "</details>";
  return html + "</section>\n";
}

}  // namespace

std::string html_report(const ValidateSetting& setting, const std::vector<Judged>& judged) {
  const auto kept =
      std::ranges::count_if(judged, [](const Judged& j) { return j.result.verdict == Verdict::Kept; });
  const auto asked = std::ranges::count_if(
      judged, [](const Judged& j) { return j.result.verdict != Verdict::NotApplicable; });
  std::string html = page_begin("Sterna's promises on this machine", kStyle);
  html += fmt::format(
      "<p class=\"soft\">{}, {} cores, {} threads; {}; version {}; {}{}. Bars are medians; hover for "
      "quartiles.</p>\n<p>{} of {} promises that apply here are kept.</p>\n",
      escaped(setting.processor), setting.cores, setting.threads, escaped(setting.kernels),
      escaped(setting.version), format_seconds(setting.seconds), setting.quick ? ", quick" : "", kept, asked);
  for (const Judged& each : judged) html += card(each);
  return html + page_end();
}

}  // namespace sterna::cli
