#include <algorithm>
#include <array>
#include <concepts>
#include <type_traits>

#include "base/checked.hpp"
#include "format/gguf/gguf.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {
namespace {

// By type number: the order of the alternatives of Value and Array.
constexpr std::array<std::string_view, std::variant_size_v<Value::variant>> kTypeNames{
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

[[noreturn]] void fail_type(std::string_view key, const Value& found, std::string_view expected) {
  throw Error(ErrorCategory::Format, "metadata value has the wrong type",
              {{"key", std::string(key)}, {"found", type_name(found)}, {"expected", std::string(expected)}});
}

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

}  // namespace

std::size_t Array::size() const noexcept {
  return std::visit([](const auto& items) { return items.size(); }, static_cast<const variant&>(*this));
}

std::string type_name(const Value& value) {
  if (const auto* array = std::get_if<Array>(&value))
    return "array of " + std::string(kTypeNames[array->index()]);
  return std::string(kTypeNames[value.index()]);
}

const Value* Metadata::find(std::string_view key) const noexcept {
  const auto at = std::ranges::find_if(entries_, [&](const auto& entry) { return entry.first == key; });
  return at == entries_.end() ? nullptr : &at->second;
}

void Metadata::set(std::string key, Value value) {
  const auto at = std::ranges::find_if(entries_, [&](const auto& entry) { return entry.first == key; });
  if (at == entries_.end())
    entries_.emplace_back(std::move(key), std::move(value));
  else
    at->second = std::move(value);
}

void Metadata::erase(std::string_view key) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
}

std::optional<std::uint64_t> Metadata::unsigned_of(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  return std::visit(
      [&]<class T>(const T& v) -> std::uint64_t {
        if constexpr (Integer<T>) {
          if (const auto n = checked_cast<std::uint64_t>(v)) return *n;
          throw Error(ErrorCategory::Format, "metadata value is negative",
                      {{"key", std::string(key)}, {"found", std::to_string(v)}, {"expected", "0 or more"}});
        } else {
          fail_type(key, *value, "an integer");
        }
      },
      static_cast<const Value::variant&>(*value));
}

std::optional<double> Metadata::float_of(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* f32 = std::get_if<float>(value)) return *f32;
  if (const auto* f64 = std::get_if<double>(value)) return *f64;
  fail_type(key, *value, "f32 or f64");
}

std::optional<bool> Metadata::bool_of(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<bool>(value)) return *v;
  fail_type(key, *value, "bool");
}

std::optional<std::string_view> Metadata::string_of(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<std::string>(value)) return *v;
  fail_type(key, *value, "string");
}

const Array* Metadata::array_of(std::string_view key) const {
  const Value* value = find(key);
  if (!value) return nullptr;
  if (const auto* array = std::get_if<Array>(value)) return array;
  fail_type(key, *value, "array");
}

const StringTable* Metadata::strings_of(std::string_view key) const {
  const Array* array = array_of(key);
  if (!array) return nullptr;
  if (const auto* strings = std::get_if<StringTable>(array)) return strings;
  fail_type(key, *find(key), "array of string");
}

const std::vector<float>* Metadata::floats_of(std::string_view key) const {
  const Array* array = array_of(key);
  if (!array) return nullptr;
  if (const auto* floats = std::get_if<std::vector<float>>(array)) return floats;
  fail_type(key, *find(key), "array of f32");
}

std::optional<std::vector<std::int64_t>> Metadata::integers_of(std::string_view key) const {
  const Array* array = array_of(key);
  if (!array) return std::nullopt;
  return std::visit(
      [&](const auto& items) {
        using T = typename std::remove_cvref_t<decltype(items)>::value_type;
        std::vector<std::int64_t> integers;
        if constexpr (Integer<T>) {
          integers.reserve(items.size());
          for (const T item : items) {
            const auto n = checked_cast<std::int64_t>(item);
            if (!n)
              throw Error(ErrorCategory::Format, "metadata value is too large",
                          {{"key", std::string(key)},
                           {"found", std::to_string(item)},
                           {"expected", "at most 2^63 - 1"}});
            integers.push_back(*n);
          }
        } else {
          fail_type(key, *find(key), "array of integers");
        }
        return integers;
      },
      static_cast<const Array::variant&>(*array));
}

}  // namespace sterna::gguf
