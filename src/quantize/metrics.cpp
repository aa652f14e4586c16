#include "quantize/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sterna {
namespace {

constexpr std::size_t kSums =
    8;  // strided: as many as a vector register holds doubles, and additions in flight
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double total(const std::array<double, kSums>& s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

}  // namespace

void ErrorSums::add(std::span<const float> reference, std::span<const float> found) noexcept {
  std::array<double, kSums> rr{}, ff{}, rf{}, ee{}, most{};
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double r = static_cast<double>(reference[i]), f = static_cast<double>(found[i]), e = f - r;
    const std::size_t lane = i % kSums;
    rr[lane] += r * r;
    ff[lane] += f * f;
    rf[lane] += r * f;
    ee[lane] += e * e;
    most[lane] = std::abs(e) <= most[lane] ? most[lane] : std::abs(e);
  }
  count_ += reference.size();
  reference_ += total(rr);
  found_ += total(ff);
  product_ += total(rf);
  error_ += total(ee);
  for (const double m : most) most_ = m <= most_ ? most_ : m;
}

WeightError ErrorSums::weight_error() const noexcept {
  WeightError error;
  if (count_ == 0) return {0, kInfinity, 1, 0};
  error.mse = error_ / static_cast<double>(count_);
  error.sqnr = error_ == 0 ? kInfinity : 10 * std::log10(reference_ / error_);
  const double norms = std::sqrt(reference_) * std::sqrt(found_);
  error.cosine = error_ == 0 ? 1 : norms == 0 ? 0 : product_ / norms;
  error.max_error = std::isnan(error_) ? error_ : most_;
  return error;
}

double ErrorSums::relative() const noexcept {
  return error_ / reference_;
}

LogitSummary summarise(std::span<const float> logits) noexcept {
  const auto top = std::ranges::max_element(logits);
  const double most = static_cast<double>(*top);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
  return {most + std::log(sum), static_cast<TokenId>(top - logits.begin())};
}

LogitError compare_logits(std::span<const float> reference, std::span<const float> found,
                          TokenId target) noexcept {
  return compare_logits(reference, summarise(reference), found, target);
}

LogitError compare_logits(std::span<const float> reference, const LogitSummary& p,
                          std::span<const float> found, TokenId target) noexcept {
  const LogitSummary q = summarise(found);
  double kl = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - p.log_sum;
    const double log_q = static_cast<double>(found[i]) - q.log_sum;
    const double share = std::exp(log_p);
    if (share != 0) kl += share * (log_p - log_q);  // lim p → 0 of p·ln p is 0
  }
  const auto t = static_cast<std::size_t>(target);
  return {p.log_sum - static_cast<double>(reference[t]), q.log_sum - static_cast<double>(found[t]),
          kl < 0 ? 0 : kl,  // rounding alone
          p.top, q.top};
}

void LogitSums::add(const LogitError& error) noexcept {
  ++tokens;
  same_top += error.reference_top == error.found_top;
  reference_nll += error.reference_nll;
  found_nll += error.found_nll;
  kl += error.kl;
}

}  // namespace sterna
