// Products of matrices, and Einstein sums.
#include "rows.hpp"
#include "sterna/linalg.hpp"

namespace sterna::numpy_test {
namespace {

const Rows kRows{
    {"matmul", [](const Args& a) -> Outputs { return {matmul(a.tensor(0), a.tensor(1))}; }},
    {"dot", [](const Args& a) -> Outputs { return {dot(a.tensor(0), a.tensor(1))}; }},
    {"outer", [](const Args& a) -> Outputs { return {outer(a.tensor(0), a.tensor(1))}; }},
    {"einsum", [](const Args& a) -> Outputs { return {einsum(a.text(0), a.tensors(1))}; }},
};

}  // namespace
}  // namespace sterna::numpy_test
