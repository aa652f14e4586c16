#include "model/json_reader.hpp"

#include <limits>

#include "base/checked.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

// Configuration files are flat; deeper ones are an attack on the parser's stack.
constexpr int kMaxDepth = 64;

std::string shortened(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  constexpr std::size_t kShown = 60;  // enough to recognise it in one line
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

}  // namespace

JsonReader::JsonReader(const nlohmann::json& object, std::string file, std::string prefix)
    : object_(&object), file_(std::move(file)), prefix_(std::move(prefix)) {
  if (!object.is_object()) {
    throw Error(ErrorCategory::Format, "not a JSON object",
                {{"file", file_}, {"key", prefix_}, {"found", shortened(object)}});
  }
}

const nlohmann::json* JsonReader::find(std::string_view key) const {
  const auto at = object_->find(key);
  return at == object_->end() || at->is_null() ? nullptr : &*at;
}

void JsonReader::fail(std::string_view key, std::string_view expected) const {
  const nlohmann::json* value = find(key);
  throw Error(ErrorCategory::Format,
              value ? "wrong value in the configuration" : "missing from the configuration",
              {{"file", file_},
               {"key", prefix_ + std::string(key)},
               {"found", value ? shortened(*value) : "nothing"},
               {"expected", std::string(expected)}});
}

std::optional<std::uint64_t> JsonReader::unsigned_of(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number_unsigned()) fail(key, "a non-negative integer");
  return value->get<std::uint64_t>();
}

std::optional<std::uint32_t> JsonReader::u32_of(std::string_view key) const {
  const auto value = unsigned_of(key);
  if (!value) return std::nullopt;
  const auto narrow = checked_cast<std::uint32_t>(*value);
  if (!narrow) fail(key, "an integer below 2^32");
  return narrow;
}

std::uint32_t JsonReader::required_u32(std::string_view key) const {
  const auto value = u32_of(key);
  if (!value) fail(key, "a non-negative integer");
  return *value;
}

std::optional<double> JsonReader::number_of(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) fail(key, "a number");
  return value->get<double>();
}

std::optional<bool> JsonReader::bool_of(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonReader::string_of(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

std::optional<JsonReader> JsonReader::object_of(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) fail(key, "an object");
  return JsonReader(*value, file_, prefix_ + std::string(key) + ".");
}

nlohmann::json parse_json(std::string_view text, const std::string& file) {
  try {
    return nlohmann::json::parse(text.begin(), text.end(),
                                 [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
                                   if (depth > kMaxDepth) throw std::length_error("nested too deeply");
                                   return true;
                                 });
  } catch (const std::exception& error) {
    throw Error(ErrorCategory::Format, "not valid JSON", {{"file", file}, {"reason", error.what()}});
  }
}

nlohmann::json read_json_file(const std::string& file) {
  const auto mapped = MappedFile::open(file);
  return parse_json(as_text(mapped->bytes()), file);
}

}  // namespace sterna
