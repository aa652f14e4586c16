// The output of `batch`, in the formats that are written at the end.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sterna::cli {

/// True when the journal itself is the output (.jsonl). Throws InvalidArgument for an extension that is none
/// of .jsonl, .json, .csv, .txt.
bool output_is_journal(const std::string& path);

/// Writes the records in the order of the prompts, atomically: a list of objects; a table; or a line a
/// prompt, line breaks written as \n, backslashes as \\, empty where the prompt failed.
void write_results(const std::string& path, const std::map<std::size_t, nlohmann::ordered_json>& records);

}  // namespace sterna::cli
