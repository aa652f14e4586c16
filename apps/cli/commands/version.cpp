#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "sterna/version.hpp"
#include "support/options.hpp"
#include "support/output.hpp"

namespace sterna::cli {

Action setup_version(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  add_json_flag(app, *json);
  app.footer("Examples:\n  sterna version\n  sterna version --json");
  return [json] {
    if (*json) {
      write_json({{"name", "sterna"}, {"version", STERNA_VERSION}, {"compiler", __VERSION__}});
    } else {
      write_out("sterna " STERNA_VERSION "\n");
    }
    return kSuccess;
  };
}

}  // namespace sterna::cli
