// The rules file.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bytes.hpp"
#include "platform/mapped_file.hpp"
#include "quantize/precision.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostDepth = 8;  // the format has three levels
constexpr std::size_t kShown = 60;     // characters of a wrong value: enough to recognise it in one line

std::string names_of_precisions() {
  std::string names;
  for (const auto p :
       {Precision::Ternary, Precision::Int2, Precision::Int4, Precision::Int8, Precision::F16}) {
    names += (names.empty() ? "" : ", ") + std::string(to_string(p));
  }
  return names;
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

[[noreturn]] void refuse(const std::string& file, const std::string& key, std::string found,
                         std::string expected) {
  throw Error(ErrorCategory::Format, "wrong value in the rules",
              {{"file", file}, {"key", key}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

/// The text as JSON, in which no object has a key twice.
Json parse(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto event = [&](int depth, Json::parse_event_t kind, Json& value) {
    if (static_cast<std::size_t>(depth) > kMostDepth)
      refuse(file, "", "deeper nesting", "an object of rules");
    if (kind == Json::parse_event_t::object_start) keys.emplace_back();
    if (kind == Json::parse_event_t::object_end) keys.pop_back();
    if (kind == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      refuse(file, value.get<std::string>(), "the key twice", "once");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), event);
  } catch (const Json::exception& error) {
    throw Error(ErrorCategory::Format, "not valid JSON", {{"file", file}, {"reason", error.what()}});
  }
}

std::string string_of(const Json& rule, const char* key, const std::string& file, const std::string& where) {
  const auto at = rule.find(key);
  if (at == rule.end()) refuse(file, where + key, "nothing", "a string");
  if (!at->is_string()) refuse(file, where + key, shown(*at), "a string");
  return at->get<std::string>();
}

}  // namespace

std::vector<PrecisionRule> parse_precision_rules(std::string_view text, const std::string& file) {
  const Json root = parse(text, file);
  if (!root.is_object()) refuse(file, "", shown(root), "an object with the key rules");
  for (const auto& [key, value] : root.items()) {
    if (key != "rules") refuse(file, key, "an unknown key", "rules");
  }
  const auto list = root.find("rules");
  if (list == root.end()) refuse(file, "rules", "nothing", "an array");
  if (!list->is_array()) refuse(file, "rules", shown(*list), "an array");
  std::vector<PrecisionRule> rules;
  for (const Json& rule : *list) {
    const std::string where = "rules[" + std::to_string(rules.size()) + "]";
    if (!rule.is_object()) refuse(file, where, shown(rule), "an object");
    for (const auto& [key, value] : rule.items()) {
      if (key != "match" && key != "precision")
        refuse(file, where + "." + key, "an unknown key", "match, precision");
    }
    const std::string pattern = string_of(rule, "match", file, where + ".");
    if (std::ranges::find(rules, pattern, &PrecisionRule::pattern) != rules.end()) {
      refuse(file, where + ".match", shown(pattern) + " for the second time", "each pattern once");
    }
    const std::string name = string_of(rule, "precision", file, where + ".");
    const auto precision = precision_from_name(name);
    if (!precision) refuse(file, where + ".precision", shown(name), names_of_precisions());
    rules.push_back({pattern, *precision});
  }
  return rules;
}

std::vector<PrecisionRule> read_precision_rules(const std::string& file) {
  return parse_precision_rules(as_text(MappedFile::open(file)->bytes()), file);
}

}  // namespace sterna
