// What a batch has done so far, on disk: one JSON object a line, appended as each prompt ends, so that a run
// that breaks off can be taken up again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "batch/prompts.hpp"

namespace sterna::cli {

class Journal {
 public:
  using Record = nlohmann::ordered_json;

  /// Reads the journal, if there is one. Its records must be of these prompts: `keys[i]` (of prompt i, its
  /// settings and the model) is their "key"; otherwise Mismatch. Failed prompts and an unfinished last line
  /// are forgotten, to be done again.
  Journal(std::filesystem::path path, const std::vector<std::string>& keys);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::map<std::size_t, Record>& records() const noexcept { return records_; }
  bool holds(std::size_t index) const { return records_.count(index) != 0; }
  /// Writes the record's line to the disk before it returns. Throws Io.
  void append(std::size_t index, Record record);

 private:
  void read(const std::vector<std::string>& keys);

  std::filesystem::path path_;
  int fd_ = -1;
  std::map<std::size_t, Record> records_;
};

/// 16 hexadecimal digits that differ when any of the texts does.
std::string record_key(std::initializer_list<std::string_view> texts);

}  // namespace sterna::cli
