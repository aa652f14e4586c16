// Linear algebra on tensors: products, systems of equations and factorizations, as numpy and numpy.linalg.
//
// Types. F32 and F64 are computed in their own type, F16 and BF16 in F32 and rounded once. Products of
// integers are exact modulo 2^bits, as NumPy's; of Bool they are "or" of "and". Everything else takes
// integers and Bool as F64. Tensors of two types meet as in ops.hpp. Packed types are an Error(Unsupported).
//
// Stacks. A matrix is the last two axes; the axes before them are a stack of matrices, each of which is
// treated by itself. Where a function takes two tensors their stacks broadcast. Results are new contiguous
// tensors. Matrices without rows or columns are taken as NumPy takes them.
//
// Accuracy. Float products and factorizations are those of OpenBLAS and LAPACK: backward stable, with an
// error of about (largest length)·ε relative to the norms of what goes in. Their last bits depend on the
// processor and on the number of threads; nothing that the engine computes goes through them.
//
// Threads. OpenBLAS has workers of its own, one per core unless OPENBLAS_NUM_THREADS or
// `linalg_threads` says otherwise, and wakes them for large products only. They are not those of the engine,
// and no function of the engine's calls one of these, so the two compete only where a program calls both at
// once: give one of them fewer threads then. For many small matrices one thread is the fastest (eigh of 16 ×
// 16 takes 22 µs with one, 38 with two), the more so beside other work. Functions may be called from any
// number of threads.
//
// Errors. Axes that do not fit are Error(Mismatch) with the operation and the shapes. All but the products
// refuse NaN and infinity, a singular matrix, one that is not positive definite, and an iteration that does
// not converge, with Error(InvalidArgument) that names the operation, the shape, the place in the stack and
// LAPACK's `info`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "sterna/tensor.hpp"

namespace sterna {

// --- products

/// a·b. Tensors of one axis are a row on the left, a column on the right, and lose that axis again. Float
/// matrices whose rows or columns lie side by side are multiplied where they lie, without a copy.
Tensor matmul(const Tensor& a, const Tensor& b);
/// Σₖ a[…, k]·b[…, k, j] for all pairs: shape a[:-1] + b[:-2] + b[-1:]. With a scalar the plain product.
Tensor dot(const Tensor& a, const Tensor& b);
/// result[i, j] = aᵢ·bⱼ of the elements in row-major order.
Tensor outer(const Tensor& a, const Tensor& b);

/// Einstein's sum: "ij,jk->ik". Every letter is an axis; what the output lacks is summed over, a letter twice
/// in one operand is its diagonal, and "..." are axes that broadcast. Without "->" the output is "..." and
/// the letters that stand once, in alphabetical order (capitals first). Axes of length 1 broadcast. Operands
/// are contracted in pairs, the pair with the smallest result first, by matmul where axes are summed over;
/// what only one of them has is summed first, so that infinities may meet in another order than one sum has.
/// Malformed subscripts are an Error(InvalidArgument) that shows them.
Tensor einsum(std::string_view subscripts, std::span<const Tensor> operands);
inline Tensor einsum(std::string_view subscripts, std::initializer_list<Tensor> operands) {
  return einsum(subscripts, std::span(operands.begin(), operands.size()));
}

// --- systems of equations

/// x of a·x = b by LU with partial pivoting. b of one axis is a vector, else a stack of matrices (…, n, k).
Tensor solve(const Tensor& a, const Tensor& b);
/// a⁻¹.
Tensor inv(const Tensor& a);
/// The determinant, by LU; 0 for a singular matrix, 1 of nothing.
Tensor det(const Tensor& a);

struct SlogDet {
  Tensor sign;    ///< −1, 0 or 1
  Tensor logabs;  ///< ln |det|; −∞ for a singular matrix
};
/// det = sign·e^logabs, where det itself would overflow.
SlogDet slogdet(const Tensor& a);

struct LeastSquares {
  Tensor x;          ///< (n,) or (n, k), as b has one axis or two
  Tensor residuals;  ///< (k,): |b − a·x|² of each column; (0,) when the rank is below n or m ≤ n
  Tensor rank;       ///< I64, a scalar
  Tensor singular;   ///< (min(m, n),): the singular values of a, descending
};
/// The x of the least |b − a·x|, and among several the shortest, by SVD with divide and conquer; one (m, n)
/// matrix. Singular values up to `relative`·largest count as 0; by default max(m, n)·ε.
LeastSquares lstsq(const Tensor& a, const Tensor& b, std::optional<double> relative = {});

// --- factorizations

struct Lu {
  Tensor rows;   ///< (…, m) I64: a[rows] = lower·upper
  Tensor lower;  ///< (…, m, k), k = min(m, n): 1 on the diagonal
  Tensor upper;  ///< (…, k, n)
};
/// With partial pivoting; every matrix has one.
Lu lu(const Tensor& a);

struct Qr {
  Tensor q;  ///< orthonormal columns: (…, m, k), complete (…, m, m)
  Tensor r;  ///< upper triangular: (…, k, n), complete (…, m, n)
};
/// a = q·r by Householder reflections; k = min(m, n).
Qr qr(const Tensor& a, bool complete = false);

/// The lower triangular l with a = l·lᵀ. Only the lower triangle of `a` is read.
Tensor cholesky(const Tensor& a);

struct Svd {
  Tensor u;   ///< (…, m, k), full (…, m, m): left singular vectors in columns
  Tensor s;   ///< (…, k): singular values, descending
  Tensor vt;  ///< (…, k, n), full (…, n, n): right singular vectors in rows
};
/// a = u·diag(s)·vt by divide and conquer (gesdd); k = min(m, n).
Svd svd(const Tensor& a, bool full = true);
/// The singular values alone.
Tensor svdvals(const Tensor& a);

struct Eigh {
  Tensor values;   ///< (…, n), ascending
  Tensor vectors;  ///< (…, n, n), orthonormal, in columns
};
/// a·vectors = vectors·diag(values) of a symmetric matrix, of which only the lower triangle is read.
Eigh eigh(const Tensor& a);
Tensor eigvalsh(const Tensor& a);

/// There is no complex element type: real and imaginary parts are two tensors. Complex values stand in
/// pairs, the one with the positive imaginary part first.
struct Eig {
  Tensor values, values_imag;    ///< (…, n), in LAPACK's order
  Tensor vectors, vectors_imag;  ///< (…, n, n), of length 1, in columns
};
/// a·v = λ·v of any square matrix (geev).
Eig eig(const Tensor& a);
/// The values alone; `vectors` and `vectors_imag` are tensors without elements.
Eig eigvals(const Tensor& a);

// --- norms and what follows from singular values

enum class MatrixNorm : std::uint8_t {
  Two,        ///< the largest singular value
  Frobenius,  ///< √Σ|a|²
  Nuclear,    ///< the sum of the singular values
  One,        ///< the largest sum of a column's |a|
  Infinity,   ///< the largest sum of a row's |a|
};
Tensor matrix_norm(const Tensor& a, MatrixNorm norm = MatrixNorm::Frobenius);
/// |a|·|a⁻¹|, infinity for a singular matrix; by Two the quotient of the outer singular values, of any
/// matrix.
Tensor cond(const Tensor& a, MatrixNorm norm = MatrixNorm::Two);
/// How many singular values are above `tolerance` (by default largest·max(m, n)·ε); I64.
Tensor matrix_rank(const Tensor& a, std::optional<double> tolerance = {});
/// The Moore-Penrose inverse (…, n, m). Singular values up to `relative`·largest count as 0; by default
/// max(m, n)·ε.
Tensor pinv(const Tensor& a, std::optional<double> relative = {});

// --- threads

/// How many threads OpenBLAS computes with, in this whole process.
int linalg_threads() noexcept;
/// Sets it; at least 1. Not while another thread computes.
void linalg_threads(int count);

}  // namespace sterna
