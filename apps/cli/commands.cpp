#include "command.hpp"

#include <array>

namespace sterna::cli {

Action setup_run(CLI::App& app);
Action setup_chat(CLI::App& app);
Action setup_batch(CLI::App& app);
Action setup_perplexity(CLI::App& app);
Action setup_compare(CLI::App& app);
Action setup_logits(CLI::App& app);
Action setup_tokenize(CLI::App& app);
Action setup_detokenize(CLI::App& app);
Action setup_inspect(CLI::App& app);
Action setup_devices(CLI::App& app);
Action setup_convert(CLI::App& app);
Action setup_quantize(CLI::App& app);
Action setup_calibrate(CLI::App& app);
Action setup_synth(CLI::App& app);
Action setup_bench(CLI::App& app);
Action setup_validate(CLI::App& app);
Action setup_help(CLI::App& app);
Action setup_version(CLI::App& app);

namespace {

constexpr std::array kCommands{
    Command{"run", "Continue a text", setup_run},
    Command{"chat", "Talk with a model", setup_chat},
    Command{"batch", "Generate for every prompt of a file", setup_batch},
    Command{"perplexity", "Measure how well a model predicts a text", setup_perplexity},
    Command{"compare", "Show what two models predict differently, and their weights", setup_compare},
    Command{"logits", "Write a model's logits for token ids as a .npy file", setup_logits},
    Command{"tokenize", "Turn text into token ids", setup_tokenize},
    Command{"detokenize", "Turn token ids into text", setup_detokenize},
    Command{"inspect", "Show what a model file holds and how it would be loaded", setup_inspect},
    Command{"devices", "Show the processor and the kernels chosen for it", setup_devices},
    Command{"convert", "Write a model as GGUF", setup_convert},
    Command{"quantize", "Make a float model small, and say what that costs", setup_quantize},
    Command{"calibrate", "Gather statistics of what a model's layers are given", setup_calibrate},
    Command{"synth", "Write a random-weight model of a published shape", setup_synth},
    Command{"bench", "Measure tokens per second, beside the machine's limit", setup_bench},
    Command{"validate", "Measure what Sterna promises, on this machine", setup_validate},
    Command{"help", "Show the options of a command", setup_help},
    Command{"version", "Show the version", setup_version},
};

}  // namespace

std::span<const Command> commands() noexcept {
  return kCommands;
}

}  // namespace sterna::cli
