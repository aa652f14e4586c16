// A program that knows only the installed package: writes a small model, loads it, generates; and inverts a
// matrix, so that it links with what stands behind.
#include <sterna/sterna.hpp>

#include <iostream>
#include <string_view>
#include <vector>

int main() {
  if (std::string_view(STERNA_VERSION) != PACKAGE_VERSION) {
    std::cerr << "header " << STERNA_VERSION << ", package " << PACKAGE_VERSION << '\n';
    return 1;
  }
  try {
    sterna::synthesize("model.gguf", {.shape = "tales"});
    const auto model = sterna::Model::load("model.gguf");
    sterna::Session session(model, {.context = 64});
    const auto prompt = model->tokenizer()->encode("Once upon a time");
    const auto result = session.generate(prompt, {.max_tokens = 4, .ignore_end = true});
    const sterna::Tensor half = sterna::inv(sterna::Tensor::from<double>({2}, sterna::Shape{1, 1}));
    if (half.item<double>() != 0.5) {
      std::cerr << "the inverse of 2 is " << half.item<double>() << '\n';
      return 1;
    }
    if (result.tokens.size() != 4) {
      std::cerr << result.tokens.size() << " tokens instead of 4\n";
      return 1;
    }
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  try {
    sterna::Model::load("no-such-file.gguf");
    std::cerr << "loaded a file that does not exist\n";
    return 1;
  } catch (const sterna::Error& error) {
    return error.category() == sterna::ErrorCategory::Io ? 0 : 1;
  }
}
