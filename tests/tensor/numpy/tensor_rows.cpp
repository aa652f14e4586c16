// Creation, conversion, views, indexing and assignment.
#include "rows.hpp"

namespace sterna::numpy_test {
namespace {

const Rows kRows{
    {"zeros", [](const Args& a) -> Outputs { return {Tensor::zeros(a.dims(0), a.dtype(1))}; }},
    {"full", [](const Args& a) -> Outputs { return {Tensor::full(a.dims(0), a.scalar(1), a.dtype(2))}; }},
    {"arange",
     [](const Args& a) -> Outputs {
       return {Tensor::arange(a.scalar(0), a.scalar(1), a.scalar(2), a.dtype(3))};
     }},
    {"linspace",
     [](const Args& a) -> Outputs {
       return {Tensor::linspace(a.number(0), a.number(1), a.integer(2), a.flag(3), a.dtype(4))};
     }},
    {"eye",
     [](const Args& a) -> Outputs {
       return {Tensor::eye(a.integer(0), a.dtype(1), a.integer(2), a.integer(3))};
     }},
    {"to", [](const Args& a) -> Outputs { return {a.tensor(0).to(a.dtype(1))}; }},
    {"clone",
     [](const Args& a) -> Outputs {
       return {a.tensor(0).clone(), a.tensor(0).contiguous()};
     }},
    {"reshape", [](const Args& a) -> Outputs { return {a.tensor(0).reshape(a.dims(1))}; }},
    {"permute", [](const Args& a) -> Outputs { return {a.tensor(0).permute(a.dims(1))}; }},
    {"transpose",
     [](const Args& a) -> Outputs {
       return {a.tensor(0).transpose(a.integer(1), a.integer(2)), a.tensor(0).transpose()};
     }},
    {"broadcast_to", [](const Args& a) -> Outputs { return {a.tensor(0).broadcast_to(a.dims(1))}; }},
    {"squeeze",
     [](const Args& a) -> Outputs {
       return {a.none(1) ? a.tensor(0).squeeze() : a.tensor(0).squeeze(a.dims(1))};
     }},
    {"expand_dims", [](const Args& a) -> Outputs { return {a.tensor(0).expand_dims(a.dims(1))}; }},
    {"index", [](const Args& a) -> Outputs { return {a.tensor(0).index(a.indices(1))}; }},
    {"index_advanced", [](const Args& a) -> Outputs { return {a.tensor(0).index(a.indices(1))}; }},
    {"assign",
     [](const Args& a) -> Outputs {
       a.tensor(0).assign(a.indices(1), a.tensor(2));
       return {};
     }},
    {"assign_overlapping",
     [](const Args& a) -> Outputs {
       a.tensor(0).assign(a.tensor(1));
       return {};
     }},
    {"fill",
     [](const Args& a) -> Outputs {
       a.tensor(0).assign(a.indices(1), a.scalar(2));
       return {};
     }},
};

}  // namespace
}  // namespace sterna::numpy_test
