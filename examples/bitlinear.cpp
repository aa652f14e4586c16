// Makes random float weights ternary with one scale for all, one a row and one a group, and shows what each
// keeps of the layer's output and what it takes.
//
//   bitlinear
#include <sterna/sterna.hpp>

#include <cmath>
#include <iostream>

namespace {

/// ‖y − exact‖ / ‖exact‖
double relative_error(const sterna::Tensor& y, const sterna::Tensor& exact) {
  const auto a = y.to_vector<float>();
  const auto b = exact.to_vector<float>();
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
    norm += b[i] * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / norm);
}

}  // namespace

int main() {
  try {
    constexpr std::int64_t kIn = 1024, kOut = 512, kTokens = 16;
    sterna::Random random(1);
    // Rows of different size, as those of trained layers are.
    const sterna::Tensor sizes = sterna::exp(random.normal({kOut, 1}, -4, 1));
    const sterna::Tensor weights = sterna::multiply(random.normal({kOut, kIn}), sizes);
    const sterna::Tensor x = random.normal({kTokens, kIn});
    const sterna::Tensor exact = sterna::matmul(x, weights.transpose());

    const auto show = [&](const char* grain, const sterna::BitLinear& layer) {
      std::cout << grain << (layer.ready() ? "ready" : "not yet quantised");
      std::cout << ", error " << relative_error(layer.forward(x), exact) << '\n';
    };
    show("one scale: ", sterna::BitLinear(weights));
    show("one a row: ", sterna::BitLinear(weights, {}, {.grain = sterna::WeightGrain::Row}));
    show("one for 128 of a row: ", sterna::BitLinear(weights, {}, {.grain = sterna::WeightGrain::Group}));

    // Layers of equal weights share what the kernels read.
    show("one scale again: ", sterna::BitLinear(weights.clone()));
    const sterna::BitLinearCache cache = sterna::bitlinear_cache();
    std::cout << "cache: " << cache.entries << " entries of " << cache.bytes << " bytes, " << cache.hits
              << " hit\n";
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
