// Systems of equations and factorizations.
#include "rows.hpp"
#include "sterna/linalg.hpp"

namespace sterna::numpy_test {
namespace {

std::optional<double> maybe_number(const Args& a, std::size_t i) {
  return a.none(i) ? std::optional<double>{} : a.number(i);
}

MatrixNorm norm_of(const Args& a, std::size_t i) {
  return static_cast<MatrixNorm>(a.integer(i));
}

const Rows kRows{
    {"solve", [](const Args& a) -> Outputs { return {solve(a.tensor(0), a.tensor(1))}; }},
    {"inv", [](const Args& a) -> Outputs { return {inv(a.tensor(0))}; }},
    {"det", [](const Args& a) -> Outputs { return {det(a.tensor(0))}; }},
    {"slogdet",
     [](const Args& a) -> Outputs {
       const SlogDet d = slogdet(a.tensor(0));
       return {d.sign, d.logabs};
     }},
    {"lstsq",
     [](const Args& a) -> Outputs {
       const LeastSquares l = lstsq(a.tensor(0), a.tensor(1), maybe_number(a, 2));
       return {l.x, l.residuals, l.rank, l.singular};
     }},
    {"lu",
     [](const Args& a) -> Outputs {
       const Lu parts = lu(a.tensor(0));
       return {parts.rows, parts.lower, parts.upper};
     }},
    {"qr",
     [](const Args& a) -> Outputs {
       const Qr parts = qr(a.tensor(0), a.flag(1));
       return {parts.q, parts.r};
     }},
    {"cholesky", [](const Args& a) -> Outputs { return {cholesky(a.tensor(0))}; }},
    {"svd",
     [](const Args& a) -> Outputs {
       const Svd parts = svd(a.tensor(0), a.flag(1));
       return {parts.u, parts.s, parts.vt};
     }},
    {"svdvals", [](const Args& a) -> Outputs { return {svdvals(a.tensor(0))}; }},
    {"eigh",
     [](const Args& a) -> Outputs {
       const Eigh parts = eigh(a.tensor(0));
       return {parts.values, parts.vectors};
     }},
    {"eigvalsh", [](const Args& a) -> Outputs { return {eigvalsh(a.tensor(0))}; }},
    {"eig",
     [](const Args& a) -> Outputs {
       const Eig parts = eig(a.tensor(0));
       return {parts.values, parts.values_imag, parts.vectors, parts.vectors_imag};
     }},
    {"eigvals",
     [](const Args& a) -> Outputs {
       const Eig parts = eigvals(a.tensor(0));
       return {parts.values, parts.values_imag};
     }},
    {"matrix_norm", [](const Args& a) -> Outputs { return {matrix_norm(a.tensor(0), norm_of(a, 1))}; }},
    {"cond", [](const Args& a) -> Outputs { return {cond(a.tensor(0), norm_of(a, 1))}; }},
    {"matrix_rank", [](const Args& a) -> Outputs { return {matrix_rank(a.tensor(0), maybe_number(a, 1))}; }},
    {"pinv", [](const Args& a) -> Outputs { return {pinv(a.tensor(0), maybe_number(a, 1))}; }},
};

}  // namespace
}  // namespace sterna::numpy_test
