// The LAPACK functions in use, on matrices that lie column by column without gaps (Anderson et al., LAPACK
// Users' Guide, 1999). Each returns LAPACK's info: 0, or what its meaning gives a positive number; an
// argument that LAPACK refuses is an Error(Internal). No length is 0. T is float or double.
#pragma once

namespace sterna::linalg {

/// a(m, n) = p·l·u in place; row i was exchanged with row pivots[i] − 1. info: u(info, info) is 0.
template <class T>
int getrf(int m, int n, T* a, int* pivots);
/// b(n, k) becomes x of a(n, n)·x = b; a becomes its factors. info as getrf.
template <class T>
int gesv(int n, int k, T* a, int* pivots, T* b);
/// The lower triangle of a(n, n) becomes l of a = l·lᵀ. info: the leading minor of that order is not
/// positive.
template <class T>
int potrf(int n, T* a);
/// a(m, n) becomes r and the reflectors of q, min(m, n) of them, with as many factors.
template <class T>
int geqrf(int m, int n, T* a, T* factors);
/// k reflectors in q(m, n) become its n columns.
template <class T>
int orgqr(int m, int n, int k, T* q, const T* factors);
/// a(m, n), which is lost, = u·diag(s)·vt. job: 'A' all of u and vt, 'S' min(m, n) columns and rows, 'N'
/// neither. info: not converged.
template <class T>
int gesdd(char job, int m, int n, T* a, T* s, T* u, T* vt);
/// Eigenvalues of the lower triangle of a(n, n), and with `vectors` a becomes them. info: not converged.
template <class T>
int syevd(bool vectors, int n, T* a, T* values);
/// Eigenvalues of a(n, n), which is lost, and unless null vectors as LAPACK packs them. info: not converged.
template <class T>
int geev(int n, T* a, T* values, T* values_imag, T* vectors);
/// The shortest x of the least |a(m, n)·x − b|; b has max(m, n) rows and becomes x. Singular values s up to
/// relative·s[0] count as 0. info: not converged.
template <class T>
int gelsd(int m, int n, int k, T* a, T* b, T* s, T relative, int* rank);

}  // namespace sterna::linalg
