// Writes what a model computes to standard output, as bytes: the logits of a prompt read in one batch, and
// those of every token of a greedy answer; then random numbers of each kind. The kernel that computed them
// goes to standard error. Compiled for two processors, it must write the same.
//
//   same_bits MODEL
#include <algorithm>
#include <cstdio>
#include <span>
#include <vector>

#include "kernels/kernel_table.hpp"
#include "sterna/sterna.hpp"

namespace {

constexpr std::size_t kPrompt = 21;
constexpr int kAnswer = 6;

void write(std::span<const float> logits) {
  std::fwrite(logits.data(), sizeof(float), logits.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const auto model = sterna::Model::load(argv[1]);
    const std::size_t vocab = model->config().vocab;
    sterna::Session session(model, {.context = 64});
    std::vector<sterna::TokenId> ids(kPrompt);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<sterna::TokenId>((i * 37 + 11) % vocab);
    std::vector<float> logits(ids.size() * vocab);
    session.evaluate_all(ids, logits);
    write(logits);
    std::span<const float> last = std::span(logits).last(vocab);
    for (int i = 0; i < kAnswer; ++i) {
      const auto best =
          static_cast<sterna::TokenId>(std::max_element(last.begin(), last.end()) - last.begin());
      last = session.evaluate({&best, 1});
      write(last);
    }
    sterna::Random random(1);
    write(random.uniform({1000}).to_vector<float>());
    write(random.normal({100000}).to_vector<float>());
    write(random.integers({1000}, -1000000, 1000000).to(sterna::DType::F32).to_vector<float>());
    write(
        random.choice(1000, {500}, false, random.uniform({1000})).to(sterna::DType::F32).to_vector<float>());
    const auto kernel = sterna::select_ternary_kernel(sterna::DType::I2_S)->name;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(kernel.size()), kernel.data());
  } catch (const sterna::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
