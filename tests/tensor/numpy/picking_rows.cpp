// Elements named by index tensors.
#include "rows.hpp"

namespace sterna::numpy_test {
namespace {

const Rows kRows{
    {"take", [](const Args& a) -> Outputs { return {take(a.tensor(0), a.tensor(1), a.maybe_axis(2))}; }},
    {"gather", [](const Args& a) -> Outputs { return {gather(a.tensor(0), a.integer(1), a.tensor(2))}; }},
    {"scatter",
     [](const Args& a) -> Outputs {
       scatter_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3));
       return {};
     }},
    {"put",
     [](const Args& a) -> Outputs {
       put_(a.tensor(0), a.tensor(1), a.tensor(2));
       return {};
     }},
    {"nonzero", [](const Args& a) -> Outputs { return nonzero(a.tensor(0)); }},
};

}  // namespace
}  // namespace sterna::numpy_test
