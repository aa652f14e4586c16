#include "batch/results.hpp"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "batch/csv.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;
using Records = std::map<std::size_t, Json>;

std::string as_json(const Records& records) {
  Json list = Json::array();
  for (const auto& [index, record] : records) {
    list.push_back(record);
    list.back().erase("key");
  }
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_csv(const Records& records) {
  constexpr const char* kColumns[] = {"index",         "id",     "prompt",  "text", "stop",
                                      "prompt_tokens", "tokens", "seconds", "error"};
  std::string text;
  for (const char* column : kColumns) text += std::string(text.empty() ? "" : ",") + column;
  text += "\r\n";
  for (const auto& [index, record] : records) {
    std::string line;
    for (const char* column : kColumns) {
      if (column != kColumns[0]) line += ',';
      const auto field = record.find(column);
      if (field == record.end()) continue;
      line += csv_field(field->is_string() ? field->get<std::string>() : field->dump());
    }
    text += line + "\r\n";
  }
  return text;
}

std::string as_txt(const Records& records) {
  std::string text;
  for (const auto& [index, record] : records) {
    for (const char c : record.value("text", std::string{})) {
      if (c == '\n') {
        text += "\\n";
      } else if (c == '\\') {
        text += "\\\\";
      } else {
        text += c;
      }
    }
    text += '\n';
  }
  return text;
}

struct OutputFormat {
  std::string_view extension;
  std::string (*render)(const Records& records);  ///< null: the journal is the output
};

constexpr std::array kFormats{
    OutputFormat{".jsonl", nullptr},
    OutputFormat{".json", as_json},
    OutputFormat{".csv", as_csv},
    OutputFormat{".txt", as_txt},
};

const OutputFormat& format_of(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension();
  for (const OutputFormat& format : kFormats) {
    if (format.extension == extension) return format;
  }
  throw Error(ErrorCategory::InvalidArgument,
              "the output's extension is not one of .jsonl, .json, .csv, .txt", {{"file", path}});
}

}  // namespace

bool output_is_journal(const std::string& path) {
  return format_of(path).render == nullptr;
}

void write_results(const std::string& path, const Records& records) {
  AtomicFile out(path);
  out.write(as_bytes(format_of(path).render(records)));
  out.commit();
}

}  // namespace sterna::cli
