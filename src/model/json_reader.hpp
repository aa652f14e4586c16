// Typed reads of a JSON object that came from a file: what is absent is absent, what is wrong is an error
// that names file, key, found and expected.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace sterna {

class JsonReader {
 public:
  JsonReader(const nlohmann::json& object, std::string file, std::string prefix = {});

  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::optional<std::uint64_t> unsigned_of(std::string_view key) const;
  std::optional<double> number_of(std::string_view key) const;
  std::optional<bool> bool_of(std::string_view key) const;
  std::optional<std::string> string_of(std::string_view key) const;
  std::optional<JsonReader> object_of(std::string_view key) const;
  const nlohmann::json* find(std::string_view key) const;  ///< null when absent or JSON's null

  /// The value, or an error that it is missing.
  std::uint32_t required_u32(std::string_view key) const;
  std::optional<std::uint32_t> u32_of(std::string_view key) const;

  [[noreturn]] void fail(std::string_view key, std::string_view expected) const;

 private:
  const nlohmann::json* object_;
  std::string file_;
  std::string prefix_;
};

/// Text as JSON; Format (file, reason) when it is not, or nests deeper than any configuration does.
nlohmann::json parse_json(std::string_view text, const std::string& file);
/// A whole file as JSON; Io or Format (file, reason).
nlohmann::json read_json_file(const std::string& file);

}  // namespace sterna
