#include "tensor/linalg/integer_product.hpp"

#include <algorithm>
#include <type_traits>

#include "tensor/visit_dtype.hpp"

namespace sterna::linalg {
namespace {

// A block of b stays in the first-level cache while all rows of a pass over it: 16 rows of at most 1 KiB.
constexpr std::int64_t kBlockRows = 16;
constexpr std::int64_t kBlockBytes = 1024;

/// c[j] += x·b[j]. Arithmetic in 32 bits at least: two 16-bit factors would meet in int, and overflow it.
template <class U>
void add_multiple(U x, const U* __restrict b, U* __restrict c, std::int64_t n) {
  using Wide = std::conditional_t<(sizeof(U) < 4), std::uint32_t, U>;
  for (std::int64_t j = 0; j < n; ++j) c[j] = static_cast<U>(c[j] + Wide{x} * b[j]);
}
void add_multiple(bool x, const bool* __restrict b, bool* __restrict c, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) c[j] = c[j] | (x & b[j]);
}

template <class U>
void multiply(const IntegerProduct& p, const std::byte* a_bytes, const std::byte* b_bytes,
              std::byte* c_bytes) {
  constexpr std::int64_t kBlockCols = kBlockBytes / sizeof(U);
  const U* const a = reinterpret_cast<const U*>(a_bytes);
  const U* const b = reinterpret_cast<const U*>(b_bytes);
  U* const c = reinterpret_cast<U*>(c_bytes);
  for (std::int64_t j = 0; j < p.n; j += kBlockCols) {
    const std::int64_t cols = std::min(kBlockCols, p.n - j);
    for (std::int64_t first = 0; first < p.k; first += kBlockRows) {
      const std::int64_t last = std::min(first + kBlockRows, p.k);
      for (std::int64_t i = 0; i < p.m; ++i) {
        for (std::int64_t k = first; k < last; ++k)
          add_multiple(a[i * p.a_row + k * p.a_col], b + k * p.b_row + j, c + i * p.n + j, cols);
      }
    }
  }
}

}  // namespace

IntegerMultiply integer_multiply(DType dtype) {
  if (dtype == DType::Bool) return multiply<bool>;
  return visit_width(dtype, "matmul",
                     []<class U>(std::type_identity<U>) -> IntegerMultiply { return multiply<U>; });
}

}  // namespace sterna::linalg
