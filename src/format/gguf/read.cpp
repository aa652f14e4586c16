// Files on disk, whole or split. A split is NAME-00001-of-0000N.gguf and its siblings; each part is a GGUF
// file of its own that says which part of how many it is, and the first holds the metadata.
#include <algorithm>
#include <cstdio>

#include "format/gguf/gguf.hpp"
#include "platform/pages.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {
namespace {

constexpr std::string_view kPart = "split.no";  // from 0
constexpr std::string_view kParts = "split.count";
constexpr std::string_view kTensors = "split.tensors.count";  // of all parts together

/// What lies before the tensors: copied when it was read, and not needed again.
Bytes header_of(const File& file, Bytes bytes) {
  std::size_t header = bytes.size();
  for (const StoredTensor& tensor : file.container.tensors()) {
    header = std::min(header, static_cast<std::size_t>(tensor.bytes.data() - bytes.data()));
  }
  return bytes.first(header);
}

File open(const std::filesystem::path& path, const ReadOptions& options) {
  const auto mapped = MappedFile::open(path, options.map);
  File file = parse(mapped->bytes(), path.string());
  file.container.keep(mapped);
  if (mapped->is_mapped()) unpopulate(header_of(file, mapped->bytes()));
  return file;
}

/// "-00001-of-00003.gguf"
std::string part_suffix(std::uint64_t part, std::uint64_t parts) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05llu-of-%05llu.gguf", static_cast<unsigned long long>(part + 1),
                static_cast<unsigned long long>(parts));
  return text;
}

[[noreturn]] void fail(std::string_view message, const std::filesystem::path& file, std::string_view key,
                       std::string found, std::string expected) {
  throw Error(ErrorCategory::Format, message,
              {{"file", file.string()},
               {"key", std::string(key)},
               {"found", std::move(found)},
               {"expected", std::move(expected)}});
}

std::uint64_t number_of(const File& part, std::string_view key, const std::filesystem::path& path) {
  try {
    const auto number = part.metadata.unsigned_of(key);
    if (!number) fail("a part of a split model does not say what it is", path, key, "nothing", "a number");
    return *number;
  } catch (const Error& error) {
    throw error.with("file", path.string());
  }
}

void check(const File& part, std::string_view key, std::uint64_t expected,
           const std::filesystem::path& path) {
  const std::uint64_t found = number_of(part, key, path);
  if (found != expected)
    fail("a part of a split model is not the one that its name says", path, key, std::to_string(found),
         std::to_string(expected));
}

/// Adds the tensors of the other parts to the first.
void append_parts(File& file, std::uint64_t parts, const std::filesystem::path& path,
                  const ReadOptions& options) {
  if (const auto part = number_of(file, kPart, path); part != 0)
    throw Error(ErrorCategory::InvalidArgument, "this is a later part of a split model: open its first part",
                {{"file", path.string()},
                 {"found", "part " + std::to_string(part + 1) + " of " + std::to_string(parts)},
                 {"expected", "part 1"}});
  const std::string suffix = part_suffix(0, parts);
  std::string prefix = path.string();
  if (!prefix.ends_with(suffix))
    fail("the name of a split model's first part does not say so", path, kParts, std::to_string(parts),
         "a name that ends in " + suffix);
  prefix.resize(prefix.size() - suffix.size());

  for (std::uint64_t i = 1; i < parts; ++i) {
    const std::filesystem::path part_path = prefix + part_suffix(i, parts);
    const File part = open(part_path, options);
    check(part, kPart, i, part_path);
    check(part, kParts, parts, part_path);
    for (const StoredTensor& tensor : part.container.tensors()) {
      if (!file.container.add(tensor))
        throw Error(ErrorCategory::Format, "a tensor lies in two parts of a split model",
                    {{"file", part_path.string()},
                     {"tensor", tensor.name},
                     {"found", "also in " + file.container.find(tensor.name)->file}});
    }
    for (const auto& mapped : part.container.files()) file.container.keep(mapped);
  }
  const std::uint64_t total = number_of(file, kTensors, path);
  if (total != file.container.tensors().size())
    fail("the parts of a split model do not hold all its tensors", path, kTensors,
         std::to_string(file.container.tensors().size()), std::to_string(total));
}

}  // namespace

File read(const std::filesystem::path& path, const ReadOptions& options) {
  File file = open(path, options);
  const std::uint64_t parts = file.metadata.find(kParts) ? number_of(file, kParts, path) : 1;
  if (parts > 1) append_parts(file, parts, path, options);
  // What was read is whole: written again, it must not claim to be a part.
  for (const std::string_view key : {kPart, kParts, kTensors}) file.metadata.erase(key);
  return file;
}

}  // namespace sterna::gguf
