// Joining, splitting, repeating and rearranging.
#include "rows.hpp"

namespace sterna::numpy_test {
namespace {

std::vector<PadWidth> widths(const Args& a) {
  std::vector<PadWidth> result;
  for (std::size_t k = 0; k + 1 < a.dims(1).size(); k += 2)
    result.push_back({a.dims(1)[k], a.dims(1)[k + 1]});
  return result;
}

PadMode mode(const std::string& name) {
  return name == "constant" ? PadMode::Constant
         : name == "edge"   ? PadMode::Edge
         : name == "wrap"   ? PadMode::Wrap
                            : PadMode::Reflect;
}

const Rows kRows{
    {"concat", [](const Args& a) -> Outputs { return {concat(a.tensors(0), a.maybe_axis(1))}; }},
    {"stack", [](const Args& a) -> Outputs { return {stack(a.tensors(0), a.integer(1))}; }},
    {"split", [](const Args& a) -> Outputs { return split(a.tensor(0), a.integer(1), a.integer(2)); }},
    {"split_at", [](const Args& a) -> Outputs { return split_at(a.tensor(0), a.dims(1), a.integer(2)); }},
    {"repeat", [](const Args& a) -> Outputs { return {repeat(a.tensor(0), a.integer(1), a.maybe_axis(2))}; }},
    {"repeat_each",
     [](const Args& a) -> Outputs { return {repeat(a.tensor(0), a.tensor(1), a.maybe_axis(2))}; }},
    {"tile", [](const Args& a) -> Outputs { return {tile(a.tensor(0), a.dims(1))}; }},
    {"flip", [](const Args& a) -> Outputs { return {flip(a.tensor(0), a.maybe_axes(1))}; }},
    {"roll", [](const Args& a) -> Outputs { return {roll(a.tensor(0), a.integer(1), a.maybe_axis(2))}; }},
    {"pad",
     [](const Args& a) -> Outputs { return {pad(a.tensor(0), widths(a), mode(a.text(2)), a.scalar(3))}; }},
};

}  // namespace
}  // namespace sterna::numpy_test
