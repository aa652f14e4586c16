// Ordering, searching, and sums along the way.
#include "rows.hpp"

namespace sterna::numpy_test {
namespace {

const Rows kRows{
    {"sort", [](const Args& a) -> Outputs { return {sort(a.tensor(0), a.maybe_axis(1))}; }},
    {"argsort", [](const Args& a) -> Outputs { return {argsort(a.tensor(0), a.maybe_axis(1))}; }},
    {"topk",
     [](const Args& a) -> Outputs {
       const TopK top = topk(a.tensor(0), a.integer(1), a.integer(2), a.flag(3));
       return {top.values, top.indices};
     }},
    {"unique",
     [](const Args& a) -> Outputs {
       const Unique u = unique(a.tensor(0));
       return {u.values, u.index, u.inverse, u.counts};
     }},
    {"searchsorted",
     [](const Args& a) -> Outputs { return {searchsorted(a.tensor(0), a.tensor(1), a.flag(2))}; }},
    {"cumsum",
     [](const Args& a) -> Outputs { return {cumsum(a.tensor(0), a.maybe_axis(1), a.maybe_dtype(2))}; }},
};

}  // namespace
}  // namespace sterna::numpy_test
