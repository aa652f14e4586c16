// Compares two texts by the model's last hidden state: the cosine of the angle between them, 1 for equal
// directions.
//
//   embed MODEL TEXT TEXT
#include <sterna/sterna.hpp>

#include <cmath>
#include <iostream>
#include <span>
#include <string_view>
#include <vector>

namespace {

std::vector<float> embed(sterna::Session& session, std::string_view text) {
  const auto& tokenizer = *session.model().tokenizer();
  std::vector<sterna::TokenId> tokens = tokenizer.encode(text);
  if (tokenizer.adds_bos() && tokenizer.bos()) tokens.insert(tokens.begin(), *tokenizer.bos());
  session.reset();  // one session serves any number of texts, one after the other
  session.evaluate(tokens);
  const auto hidden = session.last_hidden();
  return {hidden.begin(), hidden.end()};
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: embed MODEL TEXT TEXT\n";
    return 2;
  }
  try {
    sterna::Session session(sterna::Model::load(argv[1]));
    std::cout << cosine(embed(session, argv[2]), embed(session, argv[3])) << '\n';
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
