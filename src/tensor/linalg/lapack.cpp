#include "tensor/linalg/lapack.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <lapacke.h>

#include "sterna/error.hpp"

// LAPACKE's `_work` functions: the others search for NaN, which the caller has done, and allocate by
// themselves.

namespace sterna::linalg {
namespace {

constexpr int kColumns = LAPACK_COL_MAJOR;
static_assert(std::is_same_v<lapack_int, int>);

int checked(const char* function, int status) {
  if (status >= 0) return status;
  throw Error(ErrorCategory::Internal, "LAPACK refuses an argument",
              {{"function", function}, {"info", std::to_string(status)}});
}

/// Elements of working memory, of the number that a function gave when asked. In floats that number may have
/// been rounded down.
template <class T>
std::vector<T> memory(const char* function, T asked) {
  const double size = std::ceil(static_cast<double>(asked) *
                                (1 + 2 * static_cast<double>(std::numeric_limits<T>::epsilon())));
  if (!(size < std::numeric_limits<int>::max())) {
    throw Error(ErrorCategory::Limit, "the matrix needs more working memory than LAPACK counts",
                {{"function", function}, {"elements", std::to_string(size)}});
  }
  return std::vector<T>(std::max<std::size_t>(static_cast<std::size_t>(size), 1));
}

template <class T>
int length(const std::vector<T>& work) {
  return static_cast<int>(work.size());
}

}  // namespace

#define STERNA_LAPACK(T, letter)                                                                             \
  template <>                                                                                                \
  int getrf(int m, int n, T* a, int* pivots) {                                                               \
    return checked("getrf", LAPACKE_##letter##getrf_work(kColumns, m, n, a, m, pivots));                     \
  }                                                                                                          \
  template <>                                                                                                \
  int gesv(int n, int k, T* a, int* pivots, T* b) {                                                          \
    return checked("gesv", LAPACKE_##letter##gesv_work(kColumns, n, k, a, n, pivots, b, n));                 \
  }                                                                                                          \
  template <>                                                                                                \
  int potrf(int n, T* a) {                                                                                   \
    return checked("potrf", LAPACKE_##letter##potrf_work(kColumns, 'L', n, a, n));                           \
  }                                                                                                          \
  template <>                                                                                                \
  int geqrf(int m, int n, T* a, T* factors) {                                                                \
    T asked = 0;                                                                                             \
    checked("geqrf", LAPACKE_##letter##geqrf_work(kColumns, m, n, a, m, factors, &asked, -1));               \
    std::vector<T> work = memory("geqrf", asked);                                                            \
    return checked("geqrf",                                                                                  \
                   LAPACKE_##letter##geqrf_work(kColumns, m, n, a, m, factors, work.data(), length(work)));  \
  }                                                                                                          \
  template <>                                                                                                \
  int orgqr(int m, int n, int k, T* q, const T* factors) {                                                   \
    T asked = 0;                                                                                             \
    checked("orgqr", LAPACKE_##letter##orgqr_work(kColumns, m, n, k, q, m, factors, &asked, -1));            \
    std::vector<T> work = memory("orgqr", asked);                                                            \
    return checked(                                                                                          \
        "orgqr", LAPACKE_##letter##orgqr_work(kColumns, m, n, k, q, m, factors, work.data(), length(work))); \
  }                                                                                                          \
  template <>                                                                                                \
  int gesdd(char job, int m, int n, T* a, T* s, T* u, T* vt) {                                               \
    const int k = std::min(m, n);                                                                            \
    const int vt_rows = job == 'A' ? n : k;                                                                  \
    std::vector<int> whole(8 * static_cast<std::size_t>(k));                                                 \
    T asked = 0;                                                                                             \
    checked("gesdd", LAPACKE_##letter##gesdd_work(kColumns, job, m, n, a, m, s, u, m, vt, vt_rows, &asked,   \
                                                  -1, whole.data()));                                        \
    std::vector<T> work = memory("gesdd", asked);                                                            \
    return checked("gesdd", LAPACKE_##letter##gesdd_work(kColumns, job, m, n, a, m, s, u, m, vt, vt_rows,    \
                                                         work.data(), length(work), whole.data()));          \
  }                                                                                                          \
  template <>                                                                                                \
  int syevd(bool vectors, int n, T* a, T* values) {                                                          \
    const char job = vectors ? 'V' : 'N';                                                                    \
    T asked = 0;                                                                                             \
    int asked_whole = 0;                                                                                     \
    checked("syevd", LAPACKE_##letter##syevd_work(kColumns, job, 'L', n, a, n, values, &asked, -1,           \
                                                  &asked_whole, -1));                                        \
    std::vector<T> work = memory("syevd", asked);                                                            \
    std::vector<int> whole(static_cast<std::size_t>(std::max(asked_whole, 1)));                              \
    return checked("syevd", LAPACKE_##letter##syevd_work(kColumns, job, 'L', n, a, n, values, work.data(),   \
                                                         length(work), whole.data(), length(whole)));        \
  }                                                                                                          \
  template <>                                                                                                \
  int geev(int n, T* a, T* values, T* values_imag, T* vectors) {                                             \
    const char job = vectors ? 'V' : 'N';                                                                    \
    T none = 0;                                                                                              \
    T* const right = vectors ? vectors : &none;                                                              \
    const int right_rows = vectors ? n : 1;                                                                  \
    T asked = 0;                                                                                             \
    checked("geev", LAPACKE_##letter##geev_work(kColumns, 'N', job, n, a, n, values, values_imag, &none, 1,  \
                                                right, right_rows, &asked, -1));                             \
    std::vector<T> work = memory("geev", asked);                                                             \
    return checked("geev",                                                                                   \
                   LAPACKE_##letter##geev_work(kColumns, 'N', job, n, a, n, values, values_imag, &none, 1,   \
                                               right, right_rows, work.data(), length(work)));               \
  }                                                                                                          \
  template <>                                                                                                \
  int gelsd(int m, int n, int k, T* a, T* b, T* s, T relative, int* rank) {                                  \
    const int rows = std::max(m, n);                                                                         \
    T asked = 0;                                                                                             \
    int asked_whole = 0;                                                                                     \
    checked("gelsd", LAPACKE_##letter##gelsd_work(kColumns, m, n, k, a, m, b, rows, s, relative, rank,       \
                                                  &asked, -1, &asked_whole));                                \
    std::vector<T> work = memory("gelsd", asked);                                                            \
    std::vector<int> whole(static_cast<std::size_t>(std::max(asked_whole, 1)));                              \
    return checked("gelsd", LAPACKE_##letter##gelsd_work(kColumns, m, n, k, a, m, b, rows, s, relative,      \
                                                         rank, work.data(), length(work), whole.data()));    \
  }

STERNA_LAPACK(float, s)
STERNA_LAPACK(double, d)
#undef STERNA_LAPACK

}  // namespace sterna::linalg
