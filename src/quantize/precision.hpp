// What a policy asks of an assignment, and the rules that decide before it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/precision.hpp"

namespace sterna {

/// Least of what, and how much worse the text may be predicted for it: assign_for_loss(…, ln
/// most_perplexity).
struct PolicyRow {
  Policy policy;
  std::string_view name;
  enum class Least { FileBytes, TokenTime } least;  ///< the time is predicted
  double most_perplexity;                           ///< times the float model's
  std::string_view meaning;
};

/// All policies, in the order that help lists them.
std::span<const PolicyRow> policies() noexcept;
const PolicyRow& policy_row(Policy policy) noexcept;

/// Whether the whole name is what the pattern says: `*` stands for any characters, none included, `?` for one
/// byte. At most |pattern| · |name| steps.
bool matches(std::string_view pattern, std::string_view name) noexcept;

/// What the first rule that matches says; nothing where none does.
std::optional<Precision> decided(std::span<const PrecisionRule> rules, std::string_view name) noexcept;

/// `{"rules": [{"match": "blk.*.ffn_down", "precision": "int8"}, …]}` and nothing else. Throws Io; Format
/// (file, key or rule, found, expected) for what is not that, an unknown precision, a key or a pattern given
/// twice.
std::vector<PrecisionRule> parse_precision_rules(std::string_view text, const std::string& file);
std::vector<PrecisionRule> read_precision_rules(const std::string& file);

}  // namespace sterna
