// Shows what can compute on this machine, and chooses: a backend by name, or a strategy.
//
//   backends [NAME]      backends scalar; backends best-performance
#include <sterna/sterna.hpp>

#include <iostream>

int main(int argc, char** argv) {
  if (argc > 2) {
    std::cerr << "usage: backends [NAME]\n";
    return 2;
  }
  try {
    for (const sterna::BackendInfo& backend : sterna::backends()) {
      std::cout << backend.name << "  " << backend.priority << " ";
      for (const std::string& variant : backend.variants) std::cout << ' ' << variant;
      std::cout << (backend.available ? "" : " not available: " + backend.reason) << '\n';
    }
    // Models take the same names: Model::load(path, {.backend = "scalar"}).
    const auto choices = sterna::use_backend({.backend = argc == 2 ? argv[1] : ""});
    for (const sterna::BackendChoice& choice : choices) {
      std::cout << to_string(choice.operation) << ' ' << name(choice.dtype) << ", " << to_string(choice.batch)
                << ": " << choice.backend << '/' << choice.variant << " (" << choice.why << ")\n";
    }
    // Tensors compute there from now on; the bits are the same everywhere.
    const sterna::Tensor y = softmax(sterna::Tensor::from({0.0f, 1.0f, 2.0f}), 0);
    std::cout << "softmax of (0, 1, 2):";
    for (std::int64_t i = 0; i < y.size(); ++i) std::cout << ' ' << y.data<float>()[i];
    std::cout << '\n';
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
