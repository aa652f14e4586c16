// Answers that were measured on this machine, remembered on disk: lines of a key, a tab and a value.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace sterna {

/// What an answer depends on besides its question: this version of Sterna and its kernels, the processor, its
/// instruction sets and the cores that this process may use. A key begins with it.
std::string machine_key();

/// Nothing here is an error: a file that is missing, damaged, or cannot be written means that what it would
/// have held is measured again. Several processes may use one file; of two that write at the same time one is
/// forgotten.
class ChoiceCache {
 public:
  /// An empty path remembers nothing.
  explicit ChoiceCache(std::filesystem::path path) : path_(std::move(path)) {}

  /// `$XDG_CACHE_HOME/sterna/NAME`, by default `~/.cache/sterna/NAME`; empty when neither is set to an
  /// absolute path.
  static std::filesystem::path default_path(const std::string& name);

  /// All lines that are whole; empty when there is no such file, or one too large to be ours.
  std::map<std::string, std::string> read() const;
  std::optional<std::string> find(const std::string& key) const;
  /// Makes the folder and replaces the file as a whole. Tabs and line breaks become spaces.
  void remember(const std::string& key, const std::string& value) const noexcept;

 private:
  std::filesystem::path path_;
};

}  // namespace sterna
