// The options that several commands share, each declared in one place.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/model.hpp"
#include "sterna/session.hpp"
#include "sterna/tokenizer.hpp"

namespace CLI {
class App;
}

namespace sterna::cli {

/// What computes.
struct BackendArgs {
  std::string backend;
  std::string kernel;
};

/// Where a model is and how it is loaded.
struct ModelArgs {
  std::string path;
  bool no_mmap = false;
  bool mlock = false;
  std::uint32_t i2s_group = 0;
  BackendArgs backend;
  Pack pack = Pack::File;
  bool head_screen = false;
  unsigned threads = 0;
};

/// -m and the loading options. `bench` takes a list of threads of its own.
enum class ThreadsOption : bool { Include, Leave };
void add_model_options(CLI::App& app, ModelArgs& args, ThreadsOption threads = ThreadsOption::Include);
/// -t alone, for commands without a model to run.
void add_threads_option(CLI::App& app, unsigned& threads);
/// --backend and --kernel
void add_backend_options(CLI::App& app, BackendArgs& args);
void add_pack_option(CLI::App& app, Pack& pack);
void add_i2s_group_option(CLI::App& app, std::uint32_t& group);
void add_json_flag(CLI::App& app, bool& json);

/// What -m names, or the bundled model.
std::string model_path(const ModelArgs& args);
std::shared_ptr<const Model> load_model(const ModelArgs& args);

/// --kv: the type of the key and value cache; none: what the model asks for.
void add_kv_option(CLI::App& app, std::optional<KvType>& kv);
/// With the model's in place of none.
KvType kv_of(std::optional<KvType> given, const Model& model);

/// How much of a text a session holds and how it evaluates it.
struct SessionArgs {
  std::uint32_t context = 0;
  std::uint32_t batch = SessionOptions{}.batch;
  std::optional<KvType> kv;
  bool context_shift = false;
};

/// `perplexity` and `logits` take as much context as their input needs.
enum class ContextOption : bool { Include, Leave };
void add_session_options(CLI::App& app, SessionArgs& args, ContextOption context = ContextOption::Include);
SessionOptions session_options(const SessionArgs& args, const ModelArgs& model);

/// A text that models predict, in windows.
struct PredictArgs {
  std::string file;
  std::uint32_t window = 512;
};
/// -f and --window
void add_predict_options(CLI::App& app, PredictArgs& args);

/// A tokenizer from whatever holds one: a GGUF file, a model folder, tokenizer.json, tokenizer.model.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& path);

/// Ids of a text that starts a sequence: BOS first where the tokenizer asks for it.
std::vector<TokenId> encode_start(const Tokenizer& tokenizer, std::string_view text);

}  // namespace sterna::cli
