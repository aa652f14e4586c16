#include "inspect/codecs.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "model/checkpoint.hpp"
#include "model/weights.hpp"
#include "packing/codec_choice.hpp"
#include "sterna/error.hpp"
#include "support/output.hpp"
#include "support/progress.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Total {
  std::uint64_t bytes = 0;
  double seconds = 0;
  std::size_t chosen = 0;
};

double bits(std::uint64_t bytes, std::uint64_t weights) {
  return static_cast<double>(bytes) * 8 / static_cast<double>(weights);
}
/// Trits a second, a byte each, in GB/s.
double rate(std::uint64_t weights, double seconds) {
  return static_cast<double>(weights) / seconds * 1e-9;
}

Json matrix_report(const LinearSource& source, const TernaryMatrix& matrix, double arrival,
                   std::vector<Total>& totals) {
  const std::uint64_t weights = matrix.trits.size();
  const auto zeros = static_cast<double>(std::ranges::count(matrix.trits, 0));
  const auto timings = time_codecs(matrix);
  const CodecTiming& chosen = choose_codec(timings, arrival);
  Json codecs = Json::array();
  for (std::size_t i = 0; i < timings.size(); ++i) {
    const CodecTiming& timing = timings[i];
    totals[i].bytes += timing.bytes;
    totals[i].seconds += timing.seconds;
    totals[i].chosen += timing.codec == chosen.codec;
    codecs.push_back({{"codec", timing.codec->name},
                      {"bytes", timing.bytes},
                      {"bits_per_weight", bits(timing.bytes, weights)},
                      {"decode_gb_per_s", rate(weights, timing.seconds)},
                      {"decode_gb_per_s_slowest", rate(weights, timing.slowest)},
                      {"decode_gb_per_s_fastest", rate(weights, timing.fastest)}});
  }
  return {{"name", source.name},
          {"shape", {matrix.rows, matrix.cols}},
          {"zeros", weights ? zeros / static_cast<double>(weights) : 0},
          {"auto", chosen.codec->name},
          {"codecs", codecs}};
}

}  // namespace

Json codecs_report(const InspectArgs& args) {
  const Checkpoint checkpoint = open_checkpoint(args.path, {.map = {}, .i2s_group = args.i2s_group});
  const double arrival = args.codec_rate * 1e6;
  const auto table = codec_table();
  std::vector<Total> totals(table.size());
  std::uint64_t weights = 0;
  Json matrices = Json::array();
  for (const LayerSource& layer : checkpoint.layers) {
    for_each_linear(layer, [&](const LinearSource& source) {
      if (source.encoding == WeightEncoding::Dense) return;
      const TernaryMatrix matrix = read_ternary(source, checkpoint.unpack);
      weights += matrix.trits.size();
      matrices.push_back(matrix_report(source, matrix, arrival, totals));
    });
  }
  if (matrices.empty()) {
    throw Error(ErrorCategory::Mismatch, "the model has no ternary matrices", {{"file", args.path}});
  }
  Json sums = Json::array();
  for (std::size_t i = 0; i < table.size(); ++i) {
    sums.push_back({{"codec", table[i].name},
                    {"summary", table[i].summary},
                    {"bytes", totals[i].bytes},
                    {"bits_per_weight", bits(totals[i].bytes, weights)},
                    {"decode_gb_per_s", rate(weights, totals[i].seconds)},
                    {"auto", totals[i].chosen}});
  }
  return {{"rate_mb_per_s", args.codec_rate}, {"weights", weights}, {"sum", sums}, {"matrices", matrices}};
}

void write_codecs_text(const Json& codecs) {
  Table table({"codec", "bytes", "bits/weight", "decoded GB/s", "auto", ""}, "lrrrr");
  for (const Json& row : codecs["sum"]) {
    table.add({row["codec"], row["bytes"].dump(), fmt::format("{:.4f}", row["bits_per_weight"].get<double>()),
               format_rate(row["decode_gb_per_s"]), row["auto"].dump(), row["summary"]});
  }
  write_out(fmt::format("\n{} matrices of {} ternary weights\n{}", codecs["matrices"].size(),
                        format_count(codecs["weights"]), table.str()));
}

}  // namespace sterna::cli
