// Tensors without a model: noisy points of a plane, the plane found again by least squares, and the
// directions in which the points are spread.
#include <sterna/sterna.hpp>

#include <iostream>
#include <string_view>

namespace {

void print(std::string_view name, const sterna::Tensor& values) {
  std::cout << name << ':';
  for (const double value : values.to(sterna::DType::F64).reshape({-1}).to_vector<double>())
    std::cout << ' ' << value;
  std::cout << '\n';
}

}  // namespace

int main() {
  constexpr std::int64_t kPoints = 1000;
  try {
    using sterna::Tensor;
    sterna::Random random(1);  // the same points on every machine

    // z = 2x − 3y + 5, and a little noise. A column of ones carries the constant.
    const Tensor xy = random.uniform({kPoints, 2}, -1, 1, sterna::DType::F64);
    const Tensor columns[] = {xy, Tensor::ones({kPoints, 1}, sterna::DType::F64)};
    const Tensor a = sterna::concat(columns, 1);
    const Tensor plane = Tensor::from<double>({2, -3, 5});
    const Tensor noise = random.normal({kPoints}, 0, 0.01, sterna::DType::F64);
    const Tensor z = sterna::add(sterna::matmul(a, plane), noise);
    const sterna::LeastSquares fit = sterna::lstsq(a, z);
    print("plane", fit.x);
    print("residual", fit.residuals);

    // The covariance of the centred points (x, y, z), and its eigenvalues: the smallest is across the plane.
    const Tensor parts[] = {xy, z.expand_dims({1})};
    const Tensor cloud = sterna::concat(parts, 1);
    const Tensor centred = sterna::subtract(cloud, sterna::mean(cloud, 0, true));
    const Tensor covariance =
        sterna::divide(sterna::einsum("ni,nj->ij", {centred, centred}), static_cast<double>(kPoints));
    const sterna::Eigh spread = sterna::eigh(covariance);
    print("variances", spread.values);
    print("normal of the plane", spread.vectors.select(1, 0));

    // Views: every second point of those above the mean, without a copy until the mask.
    const Tensor height = centred.select(1, 2).slice(0, {.step = 2});
    const Tensor above = height.index({sterna::greater(height, 0)});
    std::cout << above.size() << " of " << height.size() << " points lie above the mean\n";
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
