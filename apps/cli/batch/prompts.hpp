// The input of `batch`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "support/generation.hpp"

namespace sterna::cli {

struct BatchPrompt {
  std::size_t index = 0;  ///< from 0, in the order of the input
  std::string id;         ///< the input's own name for it; may be empty
  std::string prompt;
  GivenSettings settings;  ///< the record's own, over those of the command line
  std::string fault;       ///< why the record cannot be used; empty when it can
};

/// By the file's extension: .txt (a prompt a line; empty lines are skipped), .json (a list of strings or
/// objects), .jsonl (a string or object a line), .csv (a header with a column "prompt"). An object has
/// "prompt", may have "id", and a field for each row of settings(). A single faulty record is marked as such;
/// a file that cannot be read as its format throws Format.
std::vector<BatchPrompt> read_prompts(const std::string& path);

}  // namespace sterna::cli
