// How text is generated: one table of settings that the options of `run`, `chat` and `batch` and the fields
// of a batch's records are both made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sterna/model.hpp"
#include "sterna/session.hpp"

namespace CLI {
class App;
}

namespace sterna::cli {

struct Generation {
  GenerateOptions options;
  std::optional<std::uint32_t> limit;  ///< -n; 0: until the context is full
  bool seeded = false;                 ///< a seed was given
};

struct Setting {
  enum class Kind : std::uint8_t { Value, Flag, List, MaybeValue };
  std::string_view name;  ///< "top-k": the option --top-k, and the field "top_k" of a batch's record
  Kind kind;
  std::string_view value;     ///< what the value is called in help
  std::string_view meaning;   ///< with the unit
  std::string (*fallback)();  ///< the default as text; empty: none to show
  /// Throws InvalidArgument (option, found, expected) for a text that is no value of the setting.
  void (*apply)(Generation& generation, std::string_view text);
};

std::span<const Setting> settings() noexcept;
/// The row of a name, `_` and `-` being the same; null when there is none.
const Setting* find_setting(std::string_view name) noexcept;

/// Settings by the text that they were given.
using GivenSettings = std::vector<std::pair<const Setting*, std::string>>;

/// One option for every row.
void add_generation_options(CLI::App& app, GivenSettings& given);

/// The library's defaults, the model's generation_config.json over them, then what was given; checked.
Generation resolve(const GivenSettings& given, const Model& model);

/// Sets max_tokens: -n, else `usual` or what the context has room for beside `prompt_tokens`. Throws Limit
/// when the prompt, or the prompt and an explicit -n, do not fit the context.
void fit(Generation& generation, std::size_t prompt_tokens, const SessionOptions& session,
         std::uint32_t usual = GenerateOptions{}.max_tokens);

/// A seed that differs from run to run.
std::uint64_t random_seed();

/// Tokens per second of the prompt and of the generated text; 0 when there was nothing to measure.
double prompt_rate(const GenerateResult& result) noexcept;
double generation_rate(const GenerateResult& result) noexcept;

/// "71 of 90 guesses right, 79 %"; empty when nothing was guessed.
std::string guesses_text(std::size_t drafted, std::size_t accepted);

}  // namespace sterna::cli
