#include "support/generation.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <random>
#include <span>

#include "sterna/error.hpp"

namespace sterna::cli {
namespace {

using Kind = Setting::Kind;
// -n 0 where the context never fills: days of text on a laptop, and a list of ids that still fits memory.
constexpr std::uint32_t kEndless = 1u << 20;
// Six tokens at once, what the AVX-512 kernel holds sums for: measured, six cost 1.9 times one, seven 2.5
// times.
constexpr std::uint32_t kUsualDraft = 5;
constexpr std::string_view kNoValue = "true";  // of an option that needs none; what a batch's JSON has for it
constexpr auto kGroup = "Generation";

template <class T>
T number(std::string_view option, std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  const std::string_view expected = std::is_floating_point_v<T> ? "a number"
                                    : std::is_signed_v<T>       ? "a whole number"
                                                                : "a whole number, 0 or more";
  throw Error(
      ErrorCategory::InvalidArgument, "the value is not one the option takes",
      {{"option", std::string(option)}, {"found", std::string(text)}, {"expected", std::string(expected)}});
}

bool truth(std::string_view option, std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0" || text.empty()) return false;
  throw Error(ErrorCategory::InvalidArgument, "the value is not one the option takes",
              {{"option", std::string(option)}, {"found", std::string(text)}, {"expected", "true or false"}});
}

std::pair<TokenId, float> bias(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) {
    throw Error(ErrorCategory::InvalidArgument, "the value is not one the option takes",
                {{"option", "logit-bias"}, {"found", std::string(text)}, {"expected", "ID=BIAS"}});
  }
  return {number<TokenId>("logit-bias", text.substr(0, equals)),
          number<float>("logit-bias", text.substr(equals + 1))};
}

template <auto Member>
std::string fallback_of() {
  return fmt::format("{}", SamplingOptions{}.*Member);
}

template <auto Member>
void set(std::string_view option, Generation& g, std::string_view text) {
  auto& field = g.options.sampling.*Member;
  field = number<std::remove_reference_t<decltype(field)>>(option, text);
}

std::string nothing() {
  return {};
}

std::string usual_draft() {
  return fmt::format("off; {} without N", kUsualDraft);
}

using S = SamplingOptions;
constexpr std::array kSettings{
    Setting{"n", Kind::Value, "N", "Most tokens to generate; 0: until the context is full", nothing,
            [](Generation& g, std::string_view t) { g.limit = number<std::uint32_t>("n", t); }},
    Setting{"temp", Kind::Value, "X", "Temperature: lower is more predictable; 0 is greedy",
            fallback_of<&S::temperature>,
            [](Generation& g, std::string_view t) { set<&S::temperature>("temp", g, t); }},
    Setting{"top-k", Kind::Value, "N", "Draw from the N most probable tokens; 0: all", fallback_of<&S::top_k>,
            [](Generation& g, std::string_view t) { set<&S::top_k>("top-k", g, t); }},
    Setting{"top-p", Kind::Value, "P", "Draw from the fewest tokens whose probability sums to P; 1: all",
            fallback_of<&S::top_p>, [](Generation& g, std::string_view t) { set<&S::top_p>("top-p", g, t); }},
    Setting{"min-p", Kind::Value, "P", "Drop tokens less than P times as probable as the best; 0: none",
            fallback_of<&S::min_p>, [](Generation& g, std::string_view t) { set<&S::min_p>("min-p", g, t); }},
    Setting{"repeat-penalty", Kind::Value, "X", "Divide positive logits of recent tokens by X; 1: off",
            fallback_of<&S::repeat_penalty>,
            [](Generation& g, std::string_view t) { set<&S::repeat_penalty>("repeat-penalty", g, t); }},
    Setting{"presence-penalty", Kind::Value, "X", "Subtract X from the logits of recent tokens",
            fallback_of<&S::presence_penalty>,
            [](Generation& g, std::string_view t) { set<&S::presence_penalty>("presence-penalty", g, t); }},
    Setting{"frequency-penalty", Kind::Value, "X", "Subtract X from a recent token's logit per occurrence",
            fallback_of<&S::frequency_penalty>,
            [](Generation& g, std::string_view t) { set<&S::frequency_penalty>("frequency-penalty", g, t); }},
    Setting{"penalty-window", Kind::Value, "N", "Tokens that count as recent",
            fallback_of<&S::penalty_window>,
            [](Generation& g, std::string_view t) { set<&S::penalty_window>("penalty-window", g, t); }},
    Setting{"seed", Kind::Value, "N", "Seed of the draws: the same seed gives the same text", nothing,
            [](Generation& g, std::string_view t) {
              set<&S::seed>("seed", g, t);
              g.seeded = true;
            }},
    Setting{"greedy", Kind::Flag, "", "Always take the most probable token", nothing,
            [](Generation& g, std::string_view t) {
              if (truth("greedy", t)) g.options.sampling.temperature = 0;
            }},
    Setting{"stop", Kind::List, "TEXT", "End before this text; may be given several times", nothing,
            [](Generation& g, std::string_view t) { g.options.stop.emplace_back(t); }},
    Setting{"logit-bias", Kind::List, "ID=X", "Add X to a token's logit, -inf forbids it; may be repeated",
            nothing,
            [](Generation& g, std::string_view t) { g.options.sampling.logit_bias.push_back(bias(t)); }},
    Setting{"ignore-end", Kind::Flag, "", "Go on after a token that ends the text", nothing,
            [](Generation& g, std::string_view t) { g.options.ignore_end = truth("ignore-end", t); }},
    Setting{"draft-ngram", Kind::MaybeValue, "[N]",
            "Guess up to N tokens from the text so far, check them together: the same text, sooner",
            usual_draft,
            [](Generation& g, std::string_view t) {
              g.options.draft_ngram = t == kNoValue ? kUsualDraft : number<std::uint32_t>("draft-ngram", t);
            }},
};

char canonical(char c) {
  return c == '_' ? '-' : c;
}

std::uint32_t narrow(std::size_t n) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(n, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

std::span<const Setting> settings() noexcept {
  return kSettings;
}

const Setting* find_setting(std::string_view name) noexcept {
  const auto row = std::find_if(kSettings.begin(), kSettings.end(), [&](const Setting& setting) {
    return std::equal(name.begin(), name.end(), setting.name.begin(), setting.name.end(),
                      [](char a, char b) { return canonical(a) == b; });
  });
  return row == kSettings.end() ? nullptr : &*row;
}

void add_generation_options(CLI::App& app, GivenSettings& given) {
  for (const Setting& row : kSettings) {
    const std::string flag = (row.name.size() == 1 ? "-" : "--") + std::string(row.name);
    const std::string fallback = row.fallback();
    const std::string help =
        std::string(row.meaning) + (fallback.empty() ? std::string{} : " (" + fallback + ")");
    CLI::Option* option = nullptr;
    if (row.kind == Kind::Flag) {
      option = app.add_flag_callback(
          flag, [&given, &row] { given.emplace_back(&row, "true"); }, help);
    } else {
      option = app.add_option_function<std::vector<std::string>>(
          flag,
          [&given, &row](const std::vector<std::string>& values) {
            for (const auto& value : values) given.emplace_back(&row, value);
          },
          help);
      option->option_text(std::string(row.value))->allow_extra_args(false);
      if (row.kind == Kind::Value) option->expected(1);
      if (row.kind == Kind::MaybeValue) option->expected(0, 1)->default_str(std::string(kNoValue));
    }
    option->group(kGroup);
  }
}

Generation resolve(const GivenSettings& given, const Model& model) {
  Generation generation;
  SamplingOptions& sampling = generation.options.sampling;
  const auto& defaults = model.generation_defaults();
  if (defaults.temperature) sampling.temperature = *defaults.temperature;
  if (defaults.top_p) sampling.top_p = *defaults.top_p;
  if (defaults.top_k) sampling.top_k = *defaults.top_k;
  if (defaults.repeat_penalty) sampling.repeat_penalty = *defaults.repeat_penalty;
  if (defaults.sample == false) sampling.temperature = 0;
  for (const auto& [setting, text] : given) setting->apply(generation, text);
  check(sampling);
  return generation;
}

void fit(Generation& generation, std::size_t prompt_tokens, const SessionOptions& session,
         std::uint32_t usual) {
  if (session.context_shift) {
    const std::uint32_t asked = generation.limit.value_or(usual);
    generation.options.max_tokens = asked > 0 ? asked : kEndless;
    return;
  }
  const std::size_t room = session.context - std::min<std::size_t>(prompt_tokens, session.context);
  const std::size_t asked = generation.limit.value_or(0);
  if (room == 0 || asked > room) {
    throw Error(ErrorCategory::Limit,
                "the text does not fit the context: shorten it, lower -n, or raise -c (or --ctx-shift)",
                {{"prompt tokens", std::to_string(prompt_tokens)},
                 {"to generate", std::to_string(asked)},
                 {"context", std::to_string(session.context)}});
  }
  generation.options.max_tokens = asked > 0          ? narrow(asked)
                                  : generation.limit ? narrow(room)
                                                     : std::min(usual, narrow(room));
}

std::uint64_t random_seed() {
  std::random_device device;
  return device();  // 32 bits: short enough to type again
}

double prompt_rate(const GenerateResult& result) noexcept {
  return result.prompt_seconds > 0 ? static_cast<double>(result.prompt_tokens) / result.prompt_seconds : 0;
}

double generation_rate(const GenerateResult& result) noexcept {
  return result.generate_seconds > 0 ? static_cast<double>(result.tokens.size()) / result.generate_seconds
                                     : 0;
}

std::string guesses_text(std::size_t drafted, std::size_t accepted) {
  if (drafted == 0) return {};
  return fmt::format("{} of {} guesses right, {:.0f} %", accepted, drafted,
                     100 * static_cast<double>(accepted) / static_cast<double>(drafted));
}

}  // namespace sterna::cli
