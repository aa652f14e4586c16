#include "model/validate_config.hpp"

#include <cmath>

#include "sterna/error.hpp"

namespace sterna {
namespace {

// No published model comes near these; they keep every product of two sizes far from overflow.
constexpr std::uint32_t kMaxSize = 1u << 24;
constexpr std::uint32_t kMaxLayers = 1u << 12;

}  // namespace

void validate_config(const ModelConfig& config, const std::string& file) {
  const auto fail = [&](std::string_view key, const std::string& found, const std::string& expected) {
    throw Error(ErrorCategory::Format, "the configuration contradicts itself",
                {{"file", file}, {"key", std::string(key)}, {"found", found}, {"expected", expected}});
  };
  const auto in_range = [&](std::string_view key, std::uint32_t value, std::uint32_t most) {
    if (value < 1 || value > most) fail(key, std::to_string(value), "1 to " + std::to_string(most));
  };
  in_range("vocabulary size", config.vocab, kMaxSize);
  in_range("hidden size", config.hidden, kMaxSize);
  in_range("layers", config.layers, kMaxLayers);
  in_range("heads", config.heads, kMaxSize);
  in_range("key/value heads", config.kv_heads, kMaxSize);
  in_range("head size", config.head_dim, kMaxSize);
  in_range("feed-forward size", config.ffn, kMaxSize);
  in_range("context length", config.context, 1u << 30);
  if (config.heads % config.kv_heads != 0) {
    fail("key/value heads", std::to_string(config.kv_heads),
         "a divisor of the heads, " + std::to_string(config.heads));
  }
  const auto query_rows = static_cast<std::uint64_t>(config.heads) * config.head_dim;
  if (query_rows > kMaxSize)
    fail("heads × head size", std::to_string(query_rows), "at most " + std::to_string(kMaxSize));
  if (config.head_dim % 2 != 0) fail("head size", std::to_string(config.head_dim), "an even number");
  if (config.rope.dimensions != config.head_dim) {
    fail("rotary dimensions", std::to_string(config.rope.dimensions),
         "the head size, " + std::to_string(config.head_dim));
  }
  if (!(config.norm_eps >= 0) || config.norm_eps > 1)
    fail("norm epsilon", std::to_string(config.norm_eps), "0 to 1");
  if (!(config.rope.theta >= 1) || !std::isfinite(config.rope.theta)) {
    fail("RoPE theta", std::to_string(config.rope.theta), "a finite number, at least 1");
  }
  if (!(config.rope.linear_factor > 0) || !std::isfinite(config.rope.linear_factor)) {
    fail("RoPE scaling factor", std::to_string(config.rope.linear_factor), "a finite positive number");
  }
  for (const float factor : config.rope.frequency_factors) {
    if (!(factor > 0) || !std::isfinite(factor)) {
      fail("RoPE frequency factor", std::to_string(factor), "a finite positive number");
    }
  }
}

}  // namespace sterna
