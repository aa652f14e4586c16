#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "inspect/codecs.hpp"
#include "inspect/report.hpp"
#include "support/output.hpp"

namespace sterna::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string shape_text(const Json& shape) {
  return fmt::format("{}", fmt::join(shape.get<std::vector<std::uint64_t>>(), " × "));
}

std::string scaling_text(const Json& rope) {
  if (!rope["frequency_factors"].empty()) return ", llama3 scaling";
  if (rope["linear_factor"] != 1.0) return ", linear scaling × " + rope["linear_factor"].dump();
  return "";
}

void write_model_text(const Json& report) {
  if (report.contains("cannot_load")) {
    write_out(fmt::format("cannot run    {}\n", report["cannot_load"].get<std::string>()));
    return;
  }
  if (!report.contains("model")) return;
  const Json& m = report["model"];
  const Json& rope = m["rope"];
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  write_out(fmt::format("architecture  {}{}, {} parameters\n", text(m["architecture"]),
                        m["name"] == "" ? "" : " (" + text(m["name"]) + ")", format_count(m["parameters"])));
  write_out(fmt::format(
      "shape         {} layers of {}, {} heads of {} over {} for keys and values, FFN {} ({}), "
      "vocabulary {}{}\n",
      text(m["layers"]), text(m["hidden"]), text(m["heads"]), text(m["head_dim"]), text(m["kv_heads"]),
      text(m["ffn"]), text(m["activation"]), text(m["vocab"]), m["tied_embeddings"] ? ", tied" : ""));
  write_out(fmt::format("positions     context {}, RoPE theta {} on {} dimensions{}; norm epsilon {:g}{}\n",
                        text(m["context"]), text(rope["theta"]), text(rope["dimensions"]), scaling_text(rope),
                        m["norm_eps"].get<double>(), m["sub_norms"] ? ", sub-norms" : ""));
  if (m.contains("kv_type")) write_out(fmt::format("cache         {} asked for\n", text(m["kv_type"])));
  const Json& tokenizer = report["tokenizer"];
  if (tokenizer.is_null()) {
    write_out("tokenizer     none\n");
  } else {
    write_out(fmt::format(
        "tokenizer     {}{}, {} tokens, BOS {}, ends {}, chat template {}\n", text(tokenizer["kind"]),
        tokenizer.contains("pre") ? " (" + text(tokenizer["pre"]) + ")" : "", text(tokenizer["tokens"]),
        tokenizer.contains("bos") ? text(tokenizer["bos"]) : "none", text(tokenizer["end_tokens"]),
        text(tokenizer["chat_template"])));
  }
  write_out(fmt::format("kernels       {}\n", fmt::join(m["kernels"].get<std::vector<std::string>>(), ", ")));
  if (m.contains("packing")) {
    write_out(fmt::format("packing       {} ({})\n", text(m["packing"]["name"]), text(m["packing"]["why"])));
  }
  write_out(fmt::format("in memory     {} allocated beside the file; {} read per token\n",
                        format_bytes(report["owned_bytes"]), format_bytes(m["bytes_per_token"])));
}

/// What became of each stored tensor, by its name in the file.
std::map<std::string, std::string> memory_states(const Json& report) {
  std::map<std::string, std::string> states;
  if (!report.contains("weights")) return states;
  for (const Json& weight : report["weights"]) {
    std::string state = "as it lies";
    if (weight.contains("why")) {
      state = fmt::format("{} ({})", weight["used"].get<std::string>(), weight["why"].get<std::string>());
    }
    states[weight["name"]] = state;
  }
  return states;
}

void write_tensors_text(const Json& report) {
  const auto states = memory_states(report);
  struct Total {
    std::size_t tensors = 0;
    std::uint64_t weights = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, Total> totals;
  Table table({"tensor", "type", "shape", "bytes", "bits/weight", states.empty() ? "" : "in memory"},
              "lllrr");
  for (const Json& tensor : report["tensors"]) {
    const std::string title = tensor["name"];
    const auto state = states.find(title);
    table.add({title, tensor["type"], shape_text(tensor["shape"]), tensor["bytes"].dump(),
               fmt::format("{:.2f}", tensor["bits_per_weight"].get<double>()),
               state != states.end() ? state->second
               : states.empty()      ? ""
                                     : "as floats"});
    Total& total = totals[tensor["type"]];
    ++total.tensors;
    total.bytes += tensor["bytes"].get<std::uint64_t>();
    total.weights += tensor["elements"].get<std::uint64_t>();
  }
  write_out("\n" + table.str() + "\n");
  Table sums({"type", "tensors", "elements", "bytes"}, "lrrr");
  Total all;
  for (const auto& [type, total] : totals) {
    sums.add({type, std::to_string(total.tensors), format_count(total.weights), format_bytes(total.bytes)});
    all.tensors += total.tensors;
    all.weights += total.weights;
    all.bytes += total.bytes;
  }
  sums.add({"total", std::to_string(all.tensors), format_count(all.weights), format_bytes(all.bytes)});
  write_out(sums.str());
}

}  // namespace

void write_inspect_text(const nlohmann::ordered_json& report) {
  write_out(fmt::format("file          {}: {}, {}{}\n", report["path"].get<std::string>(),
                        report["format"].get<std::string>(), format_bytes(report["file_bytes"]),
                        report["files"] == 1 ? "" : " in " + report["files"].dump() + " files"));
  write_model_text(report);
  if (report.contains("metadata")) {
    write_out("\n");
    for (const auto& [key, value] : report["metadata"].items()) {
      write_out(fmt::format("{} = {}\n", key, value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }
  write_tensors_text(report);
  if (report.contains("codecs")) write_codecs_text(report["codecs"]);
}

}  // namespace sterna::cli
