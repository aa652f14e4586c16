#include "platform/choice_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include "platform/atomic_file.hpp"
#include "platform/cpu.hpp"
#include "sterna/version.hpp"

namespace sterna {
namespace {

constexpr auto kFirstLine = "sterna choices 1";  // another version of the format is another first line
constexpr std::size_t kMostBytes = 1 << 20;      // room for the lines below, of a few hundred bytes each
constexpr std::size_t kMostLines = 1024;         // a machine has a hundred; beyond it the file is begun anew

std::string one_field(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace

std::string machine_key() {
  const CpuInfo& cpu = cpu_info();
  std::string key = "sterna " STERNA_VERSION "; " + cpu.name + "; ";
  for (const std::string& feature : feature_names(cpu.features)) key += feature + " ";
  return key + "; " + std::to_string(cpu.physical_cores) + " cores; ";
}

std::filesystem::path ChoiceCache::default_path(const std::string& name) {
  const auto absolute = [](const char* variable) -> std::filesystem::path {
    const char* value = std::getenv(variable);
    return value != nullptr && *value == '/' ? value : "";
  };
  const std::filesystem::path cache = absolute("XDG_CACHE_HOME");
  if (!cache.empty()) return cache / "sterna" / name;
  const std::filesystem::path home = absolute("HOME");
  return home.empty() ? home : home / ".cache" / "sterna" / name;
}

std::map<std::string, std::string> ChoiceCache::read() const {
  std::map<std::string, std::string> lines;
  std::error_code error;
  if (path_.empty() || !std::filesystem::is_regular_file(path_, error)) return lines;  // no pipe, no device
  std::ifstream file(path_, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) return lines;
  std::istringstream stream(text);
  std::string line;
  if (!std::getline(stream, line) || line != kFirstLine) return lines;
  while (std::getline(stream, line)) {
    if (stream.eof()) break;  // cut off before its end
    const auto tab = line.find('\t');
    if (tab == std::string::npos || line.find('\t', tab + 1) != std::string::npos) continue;
    lines[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return lines;
}

std::optional<std::string> ChoiceCache::find(const std::string& key) const {
  const auto lines = read();
  const auto found = lines.find(one_field(key));
  return found == lines.end() ? std::nullopt : std::optional(found->second);
}

void ChoiceCache::remember(const std::string& key, const std::string& value) const noexcept try {
  if (path_.empty()) return;
  auto lines = read();
  if (lines.size() >= kMostLines) lines.clear();
  lines[one_field(key)] = one_field(value);
  std::string text = std::string(kFirstLine) + "\n";
  for (const auto& [k, v] : lines) text += k + "\t" + v + "\n";
  std::filesystem::create_directories(path_.parent_path());
  AtomicFile file(path_);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
} catch (...) {  // a disk that is full or read-only: it is measured again next time
}

}  // namespace sterna
