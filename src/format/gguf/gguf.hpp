// GGUF v2 and v3: metadata and tensors in one file, or split over several. Layout: docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/string_table.hpp"
#include "format/container.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/log.hpp"

namespace sterna::gguf {

/// An array of one element type, stored as such: a vocabulary's 128k scores are 512 KB, not 128k variants.
/// The alternative's index is the format's type number, as in Value.
struct Array : std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                            std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                            std::vector<float>, std::vector<bool>, StringTable, std::vector<Array>,
                            std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>> {
  using variant::variant;
  std::size_t size() const noexcept;
};

/// A metadata value: the 13 types of the format, arrays of arrays included.
struct Value
    : std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float,
                   bool, std::string, Array, std::uint64_t, std::int64_t, double> {
  using variant::variant;  // the alternative's index is the format's type number
};

/// The format's name of a value's type, for messages: "u32", "string", "array of f32".
std::string type_name(const Value& value);

/// Key → value in file order; keys are unique.
class Metadata {
 public:
  Metadata() = default;
  /// The caller knows that the keys are unique.
  explicit Metadata(std::vector<std::pair<std::string, Value>> entries) : entries_(std::move(entries)) {}

  const Value* find(std::string_view key) const noexcept;
  void set(std::string key, Value value);  ///< replaces or appends
  void erase(std::string_view key);
  const std::vector<std::pair<std::string, Value>>& entries() const noexcept { return entries_; }

  /// Typed reads: nothing when the key is absent; Format (key, found, expected) when it holds something else.
  /// Integers of any width convert when the value fits; floats convert from f32 and f64.
  std::optional<std::uint64_t> unsigned_of(std::string_view key) const;
  std::optional<double> float_of(std::string_view key) const;
  std::optional<bool> bool_of(std::string_view key) const;
  std::optional<std::string_view> string_of(std::string_view key) const;
  const Array* array_of(std::string_view key) const;
  const StringTable* strings_of(std::string_view key) const;
  const std::vector<float>* floats_of(std::string_view key) const;
  /// An array of integers of any width, widened; Format when a u64 does not fit.
  std::optional<std::vector<std::int64_t>> integers_of(std::string_view key) const;

 private:
  std::vector<std::pair<std::string, Value>> entries_;
};

/// What dtype_id and a GGUF tensor type number mean to each other, one row each; unsupported ones carry
/// advice.
std::optional<DType> dtype_of_type(std::uint32_t type) noexcept;
std::optional<std::uint32_t> type_of_dtype(DType dtype) noexcept;

struct File {
  std::uint32_t version = 3;
  Metadata metadata;
  Container container;
};

struct ReadOptions {
  MapOptions map;
};

/// Reads a file, and where it is the first of a split (`-00001-of-0000N.gguf`), its siblings too; then the
/// `split.*` keys are dropped. Every count, offset and size is checked against the file before it is used.
/// Throws Io, Format or Unsupported with file, tensor or key, found, expected; InvalidArgument for a later
/// part of a split.
File read(const std::filesystem::path& path, const ReadOptions& options = {});

/// The same for one file that is in memory already; siblings of a split are not looked for. The container
/// views `bytes`, which must outlive it; `name` stands for the file in errors.
File parse(Bytes bytes, const std::string& name);

/// A tensor to be written: `fill` produces the bytes when its turn comes, so that a model larger than memory
/// can be written.
struct OutTensor {
  std::string name;
  DType dtype;
  std::vector<std::uint64_t> shape;           ///< outermost first
  std::function<void(AtomicFile& out)> fill;  ///< writes exactly storage_bytes
};

/// Writes version 3, atomically, alignment from `general.alignment` or 32. The bytes depend on the arguments
/// alone.
void write(const std::filesystem::path& path, const Metadata& metadata, std::vector<OutTensor> tensors,
           const Progress& progress = {});

/// 128 or 64: how many weights the groups of the file's I2_S tensors hold (x86 or ARM wrote it). The format
/// does not say, and every code is valid either way: decided by the key that our own writer sets, otherwise
/// by what trained weights show (i2s_group.hpp). Nothing when undecided.
std::optional<std::uint32_t> detect_i2s_group(const File& file);

}  // namespace sterna::gguf
