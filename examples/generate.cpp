// Loads a model and continues a text, printing it as it comes.
//
//   generate MODEL [TEXT]
#include <sterna/sterna.hpp>

#include <iostream>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: generate MODEL [TEXT]\n";
    return 2;
  }
  const std::string_view text = argc > 2 ? argv[2] : "Once upon a time";
  try {
    const auto model = sterna::Model::load(argv[1]);
    const auto& tokenizer = *model->tokenizer();

    std::vector<sterna::TokenId> prompt = tokenizer.encode(text);
    if (tokenizer.adds_bos() && tokenizer.bos()) prompt.insert(prompt.begin(), *tokenizer.bos());

    sterna::Session session(model);
    sterna::GenerateOptions options;
    options.max_tokens = 64;
    options.sampling.seed = 1;

    std::cout << text;
    const auto result = session.generate(prompt, options, [](std::string_view piece) {
      std::cout << piece << std::flush;
      return true;  // false would stop it here
    });
    std::cout << "\n[" << result.tokens.size() << " tokens, stopped by " << to_string(result.stop) << "]\n";
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
