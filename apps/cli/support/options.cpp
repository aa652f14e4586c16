#include "support/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <map>

#include "sterna/error.hpp"
#include "support/bundled_model.hpp"
#include "support/progress.hpp"

namespace sterna::cli {
namespace {

constexpr auto kModel = "Model";
constexpr auto kSession = "Evaluation";

const std::map<std::string, Pack> kPacks{
    {"file", Pack::File}, {"auto", Pack::Auto}, {"2bit", Pack::TwoBit}, {"1.6bit", Pack::OnePoint6Bit}};

bool is_gguf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  file.read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == "GGUF";
}

}  // namespace

void add_threads_option(CLI::App& app, unsigned& threads) {
  app.add_option("-t,--threads", threads, "Threads (0: one for every physical core)")
      ->option_text("N")
      ->check(CLI::Range(0u, 1024u))
      ->group(kModel);
}

void add_i2s_group_option(CLI::App& app, std::uint32_t& group) {
  app.add_option("--i2s-group", group,
                 "Weights per group of an I2_S file: 64 (written on ARM) or 128 (x86); 0: find out (0)")
      ->option_text("64|128")
      ->check(CLI::IsMember({0u, 64u, 128u}))
      ->group(kModel);
}

void add_backend_options(CLI::App& app, BackendArgs& args) {
  app.add_option("--backend", args.backend,
                 "Backend to compute with, or how to choose one for each operation, as `sterna devices`\n"
                 "lists them (highest-priority)")
      ->option_text("NAME")
      ->group(kModel);
  app.add_option("--kernel", args.kernel, "Kernel or instruction set to use, as `sterna devices` lists them")
      ->option_text("NAME")
      ->group(kModel);
}

void add_pack_option(CLI::App& app, Pack& pack) {
  app.add_option_function<std::string>(
         "--pack", [&pack](const std::string& name) { pack = kPacks.at(name); },
         "Bits of a ternary weight in memory; auto: those that decode fastest, measured once; file: as it "
         "lies,\n"
         "the rest as auto (file)")
      ->option_text("file|auto|2bit|1.6bit")
      ->check(CLI::IsMember(kPacks))
      ->group(kModel);
}

void add_json_flag(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "Report as one JSON object on standard output");
}

void add_model_options(CLI::App& app, ModelArgs& args, ThreadsOption threads) {
  app.add_option("-m,--model", args.path,
                 "GGUF file (the first, if split) or Hugging Face folder (the bundled tales.gguf)")
      ->option_text("PATH")
      ->group(kModel);
  if (threads == ThreadsOption::Include) add_threads_option(app, args.threads);
  app.add_flag("--no-mmap", args.no_mmap, "Read the file into memory instead of mapping it")->group(kModel);
  app.add_flag("--mlock", args.mlock, "Keep the weights in physical memory")->group(kModel);
  add_i2s_group_option(app, args.i2s_group);
  add_backend_options(app, args.backend);
  add_pack_option(app, args.pack);
  app.add_flag(
         "--head-screen", args.head_screen,
         "Generate with the rows of the head alone that a 4-bit copy of it cannot exclude: the same text")
      ->group(kModel);
}

std::string model_path(const ModelArgs& args) {
  return args.path.empty() ? bundled_model().string() : args.path;
}

std::shared_ptr<const Model> load_model(const ModelArgs& args) {
  ProgressBar bar;
  LoadOptions options;
  options.map = !args.no_mmap;
  options.lock = args.mlock;
  options.i2s_group = args.i2s_group;
  options.backend = args.backend.backend;
  options.kernel = args.backend.kernel;
  options.pack = args.pack;
  options.screen_head = args.head_screen;
  options.threads = args.threads;
  options.progress = bar.callback("loading");
  return Model::load(model_path(args), options);
}

void add_kv_option(CLI::App& app, std::optional<KvType>& kv) {
  app.add_option_function<std::string>(
         "--kv", [&kv](const std::string& name) { kv = kv_type_from_name(name); },
         "Type of the key and value cache; int8 takes a quarter of f32 (what the model asks for, else f32)")
      ->option_text("f32|f16|int8")
      ->check(CLI::IsMember({"f32", "f16", "int8"}))
      ->group(kSession);
}

KvType kv_of(std::optional<KvType> given, const Model& model) {
  return given ? *given : model.config().kv.value_or(KvType::F32);
}

void add_session_options(CLI::App& app, SessionArgs& args, ContextOption context) {
  app.add_option("--batch", args.batch, "Prompt tokens evaluated together (512)")
      ->option_text("N")
      ->check(CLI::Range(1u, 65536u))
      ->group(kSession);
  add_kv_option(app, args.kv);
  if (context == ContextOption::Leave) return;
  app.add_option("-c,--ctx", args.context, "Tokens of context (0: what the model was trained for)")
      ->option_text("N")
      ->group(kSession);
  app.add_flag("--ctx-shift", args.context_shift,
               "When the context is full, forget its oldest half instead of failing")
      ->group(kSession);
}

SessionOptions session_options(const SessionArgs& args, const ModelArgs& model) {
  SessionOptions options;
  options.context = args.context;
  options.batch = args.batch;
  options.threads = model.threads;
  options.kv = args.kv;
  options.context_shift = args.context_shift;
  return options;
}

void add_predict_options(CLI::App& app, PredictArgs& args) {
  app.add_option("-f,--file", args.file, "Text to predict; - reads standard input")
      ->option_text("FILE")
      ->required();
  app.add_option("--window", args.window, "Tokens predicted together, BOS included (512)")
      ->option_text("N")
      ->check(CLI::Range(2u, 1u << 20));
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& path) {
  if (!is_gguf(path)) return Tokenizer::load(path);
  ModelArgs args;
  args.path = path;
  return load_model(args)->tokenizer();
}

std::vector<TokenId> encode_start(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  if (tokenizer.adds_bos() && tokenizer.bos()) ids.push_back(*tokenizer.bos());
  const auto rest = tokenizer.encode(text);
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

}  // namespace sterna::cli
