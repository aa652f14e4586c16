// .npy and .npz files. What is written lies in a folder of the caller's, which reads it afterwards.
#include "rows.hpp"
#include "sterna/npy.hpp"

namespace sterna::numpy_test {
namespace {

const Rows kRows{
    {"read_npy", [](const Args& a) -> Outputs { return {read_npy(a.text(0), {.map = a.flag(1)})}; }},
    {"write_npy",
     [](const Args& a) -> Outputs {
       write_npy(a.text(1), a.tensor(0));
       return {a.tensor(0)};
     }},
    {"read_npz",
     [](const Args& a) -> Outputs {
       Outputs tensors;
       for (NamedTensor& each : read_npz(a.text(0))) tensors.push_back(std::move(each.tensor));
       return tensors;
     }},
    {"write_npz",
     [](const Args& a) -> Outputs {
       std::vector<NamedTensor> named;
       for (const Tensor& each : a.tensors(0)) named.push_back({"ä" + std::to_string(named.size()), each});
       write_npz(a.text(1), named, a.flag(2));
       return a.tensors(0);
     }},
};

}  // namespace
}  // namespace sterna::numpy_test
