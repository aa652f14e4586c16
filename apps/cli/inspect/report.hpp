// What `inspect` knows of a model's files, as JSON; the text is made from it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sterna/model.hpp"
#include "support/options.hpp"

namespace sterna::cli {

struct InspectArgs {
  std::string path;
  std::uint32_t i2s_group = 0;
  BackendArgs backend;
  Pack pack = Pack::File;
  bool no_load = false;
  bool metadata = false;
  bool codecs = false;
  double codec_rate = 500;  ///< MB/s at which encoded matrices are taken to arrive: a SATA disk's
};

/// Reads the files and, unless told not to, loads the model; a model that cannot be loaded is described as
/// far as its files go. Throws what the readers throw for files that cannot be read.
nlohmann::ordered_json inspect(const InspectArgs& args);

/// The report for people, on standard output.
void write_inspect_text(const nlohmann::ordered_json& report);

}  // namespace sterna::cli
