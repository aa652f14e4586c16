// How a row of plain float elements is read: 32 after 32 as float32. (Formats of blocks: blocks-inl.hpp.)
//
// Included inside namespace sterna::<isa>, after simd.hpp and math-inl.hpp.

namespace {

// A reader starts at the address of a row, or kPieceBytes · i further at element 256 · i, and gives
//   next(w)       the next 32 elements
//   last(n, w)    the last n < 32 elements and zeros after them

constexpr std::size_t kPieceCols = 256;

/// One element after the other: Format has kElement bytes each, and reads kLanes of them.
template <class Format>
class PlainReader {
 public:
  static constexpr std::size_t kElement = Format::kElement;
  static constexpr std::size_t kPieceBytes = kPieceCols * kElement;

  explicit PlainReader(const std::byte* row) : at_(row) {}
  [[gnu::always_inline]] void next(F (&w)[kVectors]) {
    for (int j = 0; j < kVectors; ++j) w[j] = Format::read(at_ + j * kLanes * kElement);
    at_ += kPartials * kElement;
  }
  void last(std::size_t n, F (&w)[kVectors]) {
    alignas(64) std::byte rest[kPartials * kElement] = {};
    for (std::size_t i = 0; i < n * kElement; ++i) rest[i] = at_[i];
    PlainReader(rest).next(w);
  }

 private:
  const std::byte* at_;
};

struct F32Format {
  static constexpr std::size_t kElement = 4;
  static F read(const std::byte* from) { return load(from); }
};
struct F16Format {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_f16(from); }
};
struct BF16Format {
  static constexpr std::size_t kElement = 2;
  static F read(const std::byte* from) { return load_bf16(from); }
};
using F32Reader = PlainReader<F32Format>;
using F16Reader = PlainReader<F16Format>;
using BF16Reader = PlainReader<BF16Format>;

/// n < 32 floats and zeros after them.
inline void load_last(const float* from, std::size_t n, F (&v)[kVectors]) {
  F32Reader(reinterpret_cast<const std::byte*>(from)).last(n, v);
}

}  // namespace
