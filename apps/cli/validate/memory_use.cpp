// Memory: what loading a model and filling its context takes, against the least that its numbers need.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/checked.hpp"
#include "model/checkpoint.hpp"
#include "platform/process_memory.hpp"
#include "sterna/convert.hpp"
#include "sterna/error.hpp"
#include "sterna/model.hpp"
#include "sterna/session.hpp"
#include "support/output.hpp"
#include "validate/measures.hpp"

extern char** environ;

namespace sterna::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kContext = 256;
constexpr std::uint32_t kGenerated = 16;  // the rest of the context is prompt
constexpr std::uint32_t kBatch = 32;

[[noreturn]] void system_failure(const char* what, int code) {
  throw Error(ErrorCategory::Io, what, {{"reason", std::generic_category().message(code)}});
}

/// Standard output of this program, run with these arguments.
std::string output_of_self(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) system_failure("no pipe to the measuring process", errno);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    system_failure("cannot start the measuring process", failed);
  }
  std::string output;
  std::array<char, 4096> piece;
  for (ssize_t n; (n = ::read(ends[0], piece.data(), piece.size())) != 0;) {
    if (n > 0) output.append(piece.data(), static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) break;
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw Error(ErrorCategory::Internal, "the measuring process failed",
                {{"status", std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1)}});
  }
  return output;
}

/// Σ ceil(elements · bits / 8) of the weights, norms included, as they lie in the file.
std::uint64_t weight_bytes(const std::filesystem::path& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  std::uint64_t sum = 0;
  for (const StoredTensor& tensor : checkpoint.container.tensors()) sum += tensor.bytes.size();
  return sum;
}

/// What one step of a batch holds at once at the least: the residual stream, and of the widest product its
/// int8 input and float32 output; and the logits of a token.
std::uint64_t activation_bytes(const ModelConfig& config) {
  const std::uint64_t widest = 2ull * config.ffn;  // gate and up
  return std::uint64_t{kBatch} * (4ull * config.hidden + config.hidden + 4 * widest) + 4ull * config.vocab;
}

std::uint64_t cache_bytes(const ModelConfig& config) {
  return 2ull * config.layers * config.kv_heads * config.head_dim * sizeof(float) * kContext;
}

PromiseCase probe(std::string name, const std::filesystem::path& model, bool quick) {
  std::vector<double> peaks;
  double least = 0;
  std::string parts;
  for (int run = 0; run < (quick ? 1 : 3); ++run) {
    const Json report = Json::parse(output_of_self({"sterna", "validate", "--memory-probe", model.string()}));
    peaks.push_back(report.at("peak_bytes").get<double>() / 1e6);
    const auto weights = report.at("weights").get<double>();
    const auto cache = report.at("cache").get<double>();
    const auto activations = report.at("activations").get<double>();
    least = (weights + cache + activations) / 1e6;
    parts = fmt::format(
        "least: weights {:.2f} + cache {:.2f} + activations {:.2f} MB; beside it the program, {:.1f} MB",
        weights / 1e6, cache / 1e6, activations / 1e6, report.at("program_bytes").get<double>() / 1e6);
  }
  PromiseCase result{.name = std::move(name),
                     .unit = "MB",
                     .baseline_name = "the least",
                     .baseline = {least, least, least},
                     .ours = figure_of(std::move(peaks)),
                     .remark = std::move(parts)};
  result.value = 100 * (result.ours.median / least - 1);
  return result;
}

/// A file that is gone with this object.
class ScratchFile {
 public:
  ScratchFile()
      : path_(std::filesystem::temp_directory_path() / fmt::format("sterna-validate-{}.gguf", ::getpid())) {}
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

int run_memory_probe(const std::filesystem::path& path) {
  // Code is no part of what a model takes: it is there once, whatever the model, and belongs to all processes
  // that run it. How much of it the first use of each function happens to bring in is not what is measured.
  populate_program();
  const std::uint64_t before = resident_bytes();
  const auto model = Model::load(path);
  const ModelConfig& config = model->config();
  Session session(model, {.context = kContext, .batch = kBatch});
  // Tokens of the whole vocabulary, so that no part of the embedding is spared.
  std::vector<TokenId> prompt(kContext - kGenerated);
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] = static_cast<TokenId>(i * config.vocab / prompt.size());
  }
  GenerateOptions options;
  options.max_tokens = kGenerated;
  options.sampling.temperature = 0;
  options.ignore_end = true;
  const GenerateResult result = session.generate(prompt, options);
  if (result.tokens.size() != kGenerated) {
    throw Error(ErrorCategory::Internal, "the generation ended early",
                {{"found", std::to_string(result.tokens.size())}, {"expected", std::to_string(kGenerated)}});
  }
  const std::uint64_t peak = peak_resident_bytes() - before;
  write_out(Json{{"program_bytes", before},
                 {"peak_bytes", peak},
                 {"weights", weight_bytes(path)},
                 {"cache", cache_bytes(config)},
                 {"activations", activation_bytes(config)}}
                .dump() +
            "\n");
  return 0;
}

PromiseResult measure_memory_use(const ValidateOptions& options, const Progress& progress) {
  std::vector<PromiseCase> cases;
  progress(0, 3, "tales");
  cases.push_back(probe("tales, a context of 256", options.model, options.quick));
  if (!options.quick) {
    progress(1, 3, "writing a 2B4T");
    const ScratchFile file;
    synthesize(file.path(), {.shape = "2b4t"});
    progress(2, 3, "2B4T");
    cases.push_back(probe("random 2B4T, a context of 256", file.path(), true));
  }
  progress(3, 3, "memory");
  return judged(promise_of("memory"), std::move(cases));
}

}  // namespace sterna::cli
