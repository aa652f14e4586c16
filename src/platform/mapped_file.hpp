// A file's bytes, mapped or read.
#pragma once

#include <filesystem>
#include <memory>

#include "base/bytes.hpp"

namespace sterna {

struct MapOptions {
  bool map = true;    ///< false reads the whole file into memory (`--no-mmap`)
  bool lock = false;  ///< keeps the pages in memory (`--mlock`); Io error when the limit forbids it
};

/// Immutable bytes of a regular file; the address is aligned to 64 or more. A file that shrinks while mapped
/// is outside the contract.
class MappedFile {
 public:
  /// Throws Io (file, reason) for anything that is not a readable regular file. An empty file has empty
  /// bytes.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, MapOptions options = {});
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  Bytes bytes() const noexcept { return bytes_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  bool is_mapped() const noexcept { return mapped_; }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  Bytes bytes_;
  bool mapped_ = false;
};

}  // namespace sterna
