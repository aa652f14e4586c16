#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "inspect/report.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {

Action setup_inspect(CLI::App& app) {
  auto args = std::make_shared<InspectArgs>();
  auto json = std::make_shared<bool>(false);
  app.add_option("PATH", args->path, "GGUF file, Hugging Face folder or safetensors file")
      ->option_text(" ")
      ->required();
  app.add_flag("--metadata", args->metadata, "Show the GGUF metadata too (long lists cut)");
  app.add_flag("--no-load", args->no_load, "Read the files only; do not try to load the model");
  auto* codecs =
      app.add_flag("--codecs", args->codecs,
                   "Encode every ternary matrix with every codec: bytes, and decoding timed on one thread");
  app.add_option("--codec-rate", args->codec_rate,
                 "MB/s at which bytes arrive, for which `auto` picks a codec; 0 picks the fewest bytes (500)")
      ->option_text("MB/S")
      ->check(CLI::NonNegativeNumber)
      ->needs(codecs);
  add_i2s_group_option(app, args->i2s_group);
  add_backend_options(app, args->backend);
  add_pack_option(app, args->pack);
  add_json_flag(app, *json);
  app.footer(
      "The last column tells how a tensor is held in memory: as it lies in the file, or as which type and\n"
      "why. A file that cannot be run is described as far as it can be read. Of --codecs, `auto` counts the\n"
      "matrices that are there soonest with a codec: bytes / --codec-rate, and the time to decode them.\n\n"
      "Examples:\n"
      "  sterna inspect model.gguf\n"
      "  sterna inspect my-model/ --json\n"
      "  sterna inspect model.gguf --metadata --no-load\n"
      "  sterna inspect model.gguf --codecs");
  return [args, json] {
    const auto report = inspect(*args);
    if (*json) {
      write_json(report);
    } else {
      write_inspect_text(report);
    }
    return kSuccess;
  };
}

}  // namespace sterna::cli
