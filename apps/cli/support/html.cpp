#include "support/html.hpp"

#include <fmt/format.h>

namespace sterna::cli {
namespace {

constexpr std::string_view kStyle = R"(
:root{--paper:#fff;--ink:#1c2330;--soft:#5b6675;--line:#dde2e9;--ours:#1f6feb;--base:#b6bfcb}
@media(prefers-color-scheme:dark){:root{--paper:#11151c;--ink:#e7ecf3;--soft:#9aa6b5;--line:#2a323e;--ours:#5aa2ff;--base:#566273}}
*{box-sizing:border-box}body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:60rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:0}p{margin:.4rem 0}.soft{color:var(--soft);font-size:.9rem}
section{border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:1rem 0}
.figure{font-size:1.5rem;font-weight:600}
)";

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page_begin(std::string_view title, std::string_view style) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{1}{2}</style></head><body>\n"
      "<h1>{0}</h1>\n",
      escaped(title), kStyle, style);
}

std::string page_end() {
  return "</body></html>\n";
}

}  // namespace sterna::cli
