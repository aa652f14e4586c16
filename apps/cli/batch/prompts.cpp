#include "batch/prompts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "batch/csv.hpp"
#include "sterna/error.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;
using Prompts = std::vector<BatchPrompt>;

/// A scalar as the text that an option would be given.
std::string scalar_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', true);
}

void add_setting(BatchPrompt& record, const std::string& key, const Json& value) {
  const Setting* setting = find_setting(key);
  if (!setting) {
    record.fault = fmt::format("unknown field \"{}\"", key);
  } else if (value.is_object() && setting->kind == Setting::Kind::List) {  // {"12": -1}: id to bias
    for (const auto& [name, item] : value.items()) {
      record.settings.emplace_back(setting, name + "=" + scalar_text(item));
    }
  } else if (value.is_array() && setting->kind == Setting::Kind::List) {
    for (const Json& item : value) record.settings.emplace_back(setting, scalar_text(item));
  } else if (value.is_structured() || value.is_null()) {
    record.fault = fmt::format("the field \"{}\" is {}", key, value.type_name());
  } else {
    record.settings.emplace_back(setting, scalar_text(value));
  }
}

BatchPrompt from_json(const Json& item) {
  BatchPrompt record;
  if (item.is_string()) {
    record.prompt = item.get<std::string>();
    return record;
  }
  if (!item.is_object()) {
    record.fault = fmt::format("neither a string nor an object but {}", item.type_name());
    return record;
  }
  const auto prompt = item.find("prompt");
  if (prompt == item.end() || !prompt->is_string()) {
    record.fault = "no string \"prompt\"";
  } else {
    record.prompt = prompt->get<std::string>();
  }
  for (const auto& [key, value] : item.items()) {
    if (key == "id") {
      record.id = scalar_text(value);
    } else if (key != "prompt" && record.fault.empty()) {
      add_setting(record, key, value);
    }
  }
  return record;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

Prompts read_txt(const std::string& text, const std::string&) {
  Prompts prompts;
  for (const auto line : lines_of(text)) {
    prompts.emplace_back();
    prompts.back().prompt = std::string(line);
  }
  return prompts;
}

Prompts read_jsonl(const std::string& text, const std::string&) {
  Prompts prompts;
  for (const auto line : lines_of(text)) {
    const Json item = Json::parse(line, nullptr, false);
    if (item.is_discarded()) {
      prompts.emplace_back();
      prompts.back().fault = "the line is not JSON";
    } else {
      prompts.push_back(from_json(item));
    }
  }
  return prompts;
}

Prompts read_json(const std::string& text, const std::string& file) {
  const auto fail = [&](const std::string& found) -> Error {
    return {ErrorCategory::Format, "the prompts are not a JSON list", {{"file", file}, {"found", found}}};
  };
  Json list;
  try {
    list = Json::parse(text);
  } catch (const Json::exception& error) {
    throw fail(error.what());
  }
  if (!list.is_array()) throw fail(list.type_name());
  Prompts prompts;
  for (const Json& item : list) prompts.push_back(from_json(item));
  return prompts;
}

Prompts read_csv(const std::string& text, const std::string& file) {
  const auto rows = parse_csv(text, file);
  const auto fail = [&](const std::string& found, const std::string& expected) -> Error {
    return {ErrorCategory::Format,
            "the header of the CSV file is not as it should be",
            {{"file", file}, {"found", found}, {"expected", expected}}};
  };
  if (rows.empty()) throw fail("nothing", "a column \"prompt\"");
  const auto& header = rows.front();
  if (std::count(header.begin(), header.end(), "prompt") != 1) {
    throw fail(fmt::format("{}", fmt::join(header, ",")), "one column \"prompt\"");
  }
  for (const auto& column : header) {
    if (column != "prompt" && column != "id" && !find_setting(column)) throw fail(column, "id or a setting");
  }
  Prompts prompts;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    BatchPrompt& record = prompts.emplace_back();
    if (rows[r].size() != header.size()) {
      record.fault = fmt::format("{} fields where the header has {}", rows[r].size(), header.size());
      continue;
    }
    for (std::size_t c = 0; c < header.size(); ++c) {
      const std::string& field = rows[r][c];
      if (header[c] == "prompt") {
        record.prompt = field;
      } else if (header[c] == "id") {
        record.id = field;
      } else if (!field.empty()) {
        record.settings.emplace_back(find_setting(header[c]), field);
      }
    }
  }
  return prompts;
}

struct InputFormat {
  std::string_view extension;
  Prompts (*read)(const std::string& text, const std::string& file);
};

constexpr std::array kFormats{
    InputFormat{".txt", read_txt},
    InputFormat{".json", read_json},
    InputFormat{".jsonl", read_jsonl},
    InputFormat{".csv", read_csv},
};

}  // namespace

std::vector<BatchPrompt> read_prompts(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension();
  for (const InputFormat& format : kFormats) {
    if (format.extension != extension) continue;
    Prompts prompts = format.read(read_text(path), path);
    for (std::size_t i = 0; i < prompts.size(); ++i) prompts[i].index = i;
    return prompts;
  }
  throw Error(ErrorCategory::InvalidArgument, "the input's extension is not one of .txt, .json, .jsonl, .csv",
              {{"file", path}});
}

}  // namespace sterna::cli
