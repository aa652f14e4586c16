#include "support/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

[[noreturn]] void fail_output() {
  if (errno == EPIPE) throw BrokenPipe{};
  throw Error(ErrorCategory::Io, "cannot write to standard output", {{"reason", std::strerror(errno)}});
}

struct Unit {
  double size;
  std::string_view name;
};

std::string format_scaled(double value, std::span<const Unit> units, std::string_view plain) {
  for (const Unit& unit : units) {
    if (value < unit.size) continue;
    const double scaled = value / unit.size;
    return fmt::format("{:.{}f} {}", scaled, scaled < 10 ? 2 : scaled < 1000 ? 1 : 0, unit.name);
  }
  return fmt::format("{:.0f}{}", value, plain);
}

std::string dump(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void write_note(std::string_view text) {
  if (!verbosity.quiet) std::fwrite(text.data(), 1, text.size(), stderr);
}

void write_error(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::fprintf(stderr, "sterna: %s\n", text.c_str());
}

void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void flush_out() {
  if (std::fflush(stdout) != 0) fail_output();
}

void write_json(const nlohmann::ordered_json& json) {
  write_out(dump(json, 2));
  flush_out();
}

std::string json_line(const nlohmann::ordered_json& json) {
  return dump(json, -1);
}

double shortest(float value) {
  return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<Unit, 4> kUnits{{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}}};
  return format_scaled(static_cast<double>(bytes), kUnits, " B");
}

std::string format_count(std::uint64_t count) {
  static constexpr std::array<Unit, 3> kUnits{{{1e9, "B"}, {1e6, "M"}, {1e3, "k"}}};
  return format_scaled(static_cast<double>(count), kUnits, "");
}

std::string format_seconds(double seconds) {
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string format_rate(double rate) {
  return fmt::format("{:.{}f}", rate, rate < 10 ? 2 : rate < 1000 ? 1 : 0);
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

Table::Table(std::vector<std::string> header, std::string_view right) : right_(right) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) {
  rows_.push_back(std::move(row));
}

std::string Table::str() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t width = i < widths.size() ? widths[i] : 0;
      const std::size_t padding = width - std::min(width, display_width(row[i]));
      const bool right = i < right_.size() && right_[i] == 'r';
      if (i > 0) line += "  ";
      if (right) line.append(padding, ' ');
      line += row[i];
      if (!right) line.append(padding, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace sterna::cli
