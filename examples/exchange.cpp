// Converts every array of a NumPy file to another type, rounding to nearest, and lends one to a library that
// speaks DLPack on the way.
//
//   exchange IN.npz OUT.npz TYPE
#include <sterna/dlpack.hpp>
#include <sterna/sterna.hpp>

#include <iostream>
#include <utility>
#include <vector>

namespace {

/// Stands for another library: it reads the shape, and gives the tensor back.
void look_at(DLManagedTensor* borrowed) {
  std::cout << "lent " << borrowed->dl_tensor.ndim << " axes of " << int{borrowed->dl_tensor.dtype.bits}
            << " bits\n";
  borrowed->deleter(borrowed);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: exchange IN.npz OUT.npz TYPE\n";
    return 2;
  }
  try {
    const auto dtype = sterna::dtype_from_name(argv[3]);
    if (!dtype)
      throw sterna::Error(sterna::ErrorCategory::InvalidArgument, "no such type", {{"found", argv[3]}});
    sterna::ConversionEngine engine;
    const sterna::ConversionOptions precise{.quality = sterna::ConversionQuality::Precise};
    std::vector<sterna::NamedTensor> tensors = sterna::read_npz(argv[1]);
    for (auto& [name, tensor] : tensors) {
      if (tensor.dtype() != sterna::DType::Bool)
        look_at(sterna::to_dlpack(tensor));  // DLPack 0.6 has no Bool
      std::cout << name << ": " << sterna::name(tensor.dtype()) << ' ' << to_string(tensor.shape()) << " to "
                << argv[3] << ", " << to_string(sterna::conversion_strategy(tensor, *dtype, precise)) << '\n';
      tensor = engine.convert(std::move(tensor), *dtype, precise);
    }
    sterna::write_npz(argv[2], tensors);
    const sterna::ConversionCounters counters = engine.counters();
    std::cout << counters.bytes_moved << " bytes moved, " << counters.bytes_shared << " shared\n";
  } catch (const sterna::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
