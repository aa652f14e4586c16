"""Systems of equations and factorizations.

Factors are not unique, and their errors depend on the condition of the matrix; what backward stability promises is checked
instead: that the factors multiply to the matrix, that columns are orthonormal, that residuals are small, each within
FACTOR · max(m, n) · ε of the norms of what goes in (Frobenius; ε of the result's type; Higham 2002, "Accuracy and Stability of
Numerical Algorithms"). The checks compute in long double. Singular values and symmetric eigenvalues, which are well conditioned,
are compared with NumPy's. Other integers than i32 and u8 take the same way through F64."""

import numpy as np

from harness import DTYPES, FLOATS, row
from precision import LARGEST, ROUNDED, SMALLEST

TYPES = FLOATS + ["i32", "u8", "bool"]
FACTOR = 10
LENGTHS = (0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8)
wide = np.longdouble


def result_kind(dtype):
    return "bf16" if dtype == "bf16" else np.dtype(DTYPES[dtype] if dtype in FLOATS else np.float64).name


def result_type(dtype):
    return np.dtype(DTYPES[dtype]) if dtype in FLOATS else np.dtype(np.float64)


def matrix(g, dtype, square=False, stack=None, low=0):
    """A stack of matrices, one in thirty with a number that is not finite, which is to be refused."""
    if stack is None:
        stack = tuple(g.choice((0, 1, 2, 3)) for _ in range(g.choice((0, 0, 0, 1, 1, 2))))
    m, n = max(g.choice(LENGTHS), low), max(g.choice(LENGTHS), low)
    a = g.array(dtype, shape=stack + ((m, m) if square else (m, n)), values=g.choice(("plain", "plain", "small")))
    if dtype in FLOATS and a.np.size and g.chance(0.03):
        values = a.np.copy()
        values.flat[g.integer(0, values.size - 1)] = g.choice((np.inf, -np.inf, np.nan))
        return g.given(values, dtype)
    return a


def require_finite(*arrays):
    for a in arrays:
        if not np.all(np.isfinite(a.np)):
            raise ValueError("not finite")


def norm(x):
    return np.sqrt(np.sum(np.abs(x) ** 2, axis=(-2, -1)))


def adjoint(x):
    return np.swapaxes(x, -1, -2)


def exact(a):
    """The matrices as the function computes with them."""
    return a.np.astype(wide)


class Check:
    """Collects what is wrong with the results of a case."""

    def __init__(self, dtype, found, size):
        self.kind = result_kind(dtype)
        self.unit = FACTOR * max(size, 1) * ROUNDED[self.kind]
        self.found = [each.astype(wide) for each in found]
        self.fault = None
        # Beyond the half float's range there is nothing to compare.
        self.overflows = self.kind == "float16" and not all(np.all(np.isfinite(each)) for each in found)

    def small(self, name, error, scale, tiny=1.0):
        """|error| ≤ unit · scale, both one number for each matrix; `tiny`: how often a smallest number may be missing."""
        if self.overflows or self.fault:
            return
        with np.errstate(all="ignore"):
            wrong = ~(error <= self.unit * scale + tiny * FACTOR * SMALLEST[self.kind])
        if np.any(wrong):
            at = tuple(np.argwhere(np.atleast_1d(wrong))[0])
            self.fault = (f"{name}: {float(np.atleast_1d(error)[at]):.3g} is beyond {self.unit:.3g} of "
                          f"{float(np.atleast_1d(np.broadcast_to(scale, np.shape(error)))[at]):.3g}, matrix {at}")

    def true(self, name, condition):
        if not np.all(condition) and not self.overflows:
            self.fault = self.fault or name

    def orthonormal(self, name, q):
        k = q.shape[-1]
        self.small(name + " is not orthonormal", norm(adjoint(q) @ q - np.eye(k)), np.sqrt(wide(k)), tiny=k * k)


def sizes(a):
    return a.shape[-2], a.shape[-1], min(a.shape[-2:])


def empties(dtype, *shapes):
    return [np.empty(shape, result_type(dtype)) for shape in shapes]


def singular_values(a):
    """Of matrices of any type, in double."""
    values = a.np.astype(np.float64)
    return np.linalg.svd(values, compute_uv=False) if np.all(np.isfinite(values)) else np.zeros(values.shape[:-2] + (1,))


def nearly_singular(a):
    s = singular_values(a)
    n = a.shape[-1]
    return 0 not in a.shape[-2:] and bool(np.any(s[..., -1] <= 100 * n * ROUNDED[result_kind(a.dtype)] * s[..., 0]))


@row("solve", dtypes=TYPES)
def solve(g, dtype):
    a = matrix(g, dtype, square=True)
    n = a.shape[-1] + g.chance(0.02)
    stack = g.broadcastable(a.shape[:-2])
    b = matrix(g, dtype, stack=stack)
    b = g.array(dtype, shape=(n,) if g.chance(0.25) else stack + (n, b.shape[-1]), values="plain")
    right = b.np[:, None] if len(b.shape) == 1 else b.np

    def reference():
        require_finite(a)
        if n != a.shape[-1]:
            raise ValueError("shapes")
        shape = np.broadcast_shapes(a.shape[:-2], right.shape[:-2]) + right.shape[-2:]
        return empties(dtype, shape[:-1] if len(b.shape) == 1 else shape)

    def holds(found):
        check = Check(dtype, found, n)
        x = check.found[0][..., None] if len(b.shape) == 1 else check.found[0]
        with np.errstate(all="ignore"):
            check.small("the residual", norm(exact(a) @ x - right.astype(wide)), norm(exact(a)) * norm(x) + norm(right.astype(wide)),
                        tiny=n * float(np.max(norm(exact(a)), initial=1)))
        return check.fault
    return [a, b], reference, {"holds": holds, "may_refuse": nearly_singular(a)}


@row("inv", dtypes=TYPES)
def inv(g, dtype):
    a = matrix(g, dtype, square=g.chance(0.97))

    def reference():
        require_finite(a)
        np.linalg.inv(np.zeros(a.shape) + np.eye(*a.shape[-2:]))  # refuses what is not square
        return empties(dtype, a.shape)

    def holds(found):
        n = a.shape[-1]
        check = Check(dtype, found, n)
        x = check.found[0]
        check.small("a·a⁻¹", norm(exact(a) @ x - np.eye(n)), norm(exact(a)) * norm(x), tiny=n * float(np.max(norm(exact(a)), initial=1)))
        return check.fault
    return [a], reference, {"holds": holds, "may_refuse": nearly_singular(a)}


def determinant(matrices):
    """By elimination with pivots, in long double."""
    result = np.empty(matrices.shape[:-2], wide)
    for place in np.ndindex(result.shape):
        m = matrices[place].copy()
        det = wide(1)
        for k in range(len(m)):
            pivot = k + int(np.argmax(np.abs(m[k:, k])))
            if m[pivot, k] == 0:
                det = wide(0)
                break
            if pivot != k:
                m[[k, pivot]] = m[[pivot, k]]
                det = -det
            det *= m[k, k]
            m[k + 1:] -= np.outer(m[k + 1:, k] / m[k, k], m[k])
        result[place] = det
    return result


def determinant_scale(a):
    """n · σ₁ · Π of all singular values but the last: what a relative change of the matrix changes the determinant by."""
    s = singular_values(a).astype(wide)
    return a.shape[-1] * np.prod(s[..., :-1], axis=-1) * s[..., 0] if a.shape[-1] else np.ones(a.shape[:-2], wide)


@row("det", dtypes=TYPES)
def det(g, dtype):
    a = matrix(g, dtype, square=g.chance(0.97))

    def reference():
        require_finite(a)
        return [np.asarray(np.linalg.det(a.np.astype(np.float64)), result_type(dtype))]

    def holds(found):
        check = Check(dtype, found, a.shape[-1])
        check.small("the determinant", np.abs(check.found[0] - determinant(exact(a))), determinant_scale(a))
        return check.fault
    return [a], reference, {"holds": holds}


@row("slogdet", dtypes=TYPES)
def slogdet(g, dtype):
    a = matrix(g, dtype, square=g.chance(0.97))

    def reference():
        require_finite(a)
        sign, logabs = np.linalg.slogdet(a.np.astype(np.float64))
        return [np.asarray(sign, result_type(dtype)), np.asarray(logabs, result_type(dtype))]

    def holds(found):
        check = Check(dtype, found, a.shape[-1])
        sign, logabs = check.found
        true = determinant(exact(a))
        error = np.asarray(check.unit * determinant_scale(a) / np.abs(true))
        certain = error < 0.5
        check.true("the sign", np.isin(sign, (-1, 0, 1)) & (~certain | (sign == np.sign(true))))
        logs = np.where(certain, np.log(np.abs(true)), 0)
        check.small("the logarithm", np.where(certain, np.abs(logabs - logs), 0), np.where(certain, np.abs(logs) + error / check.unit, 0) * 2)
        check.true("the logarithm of nothing", (sign != 0) | np.isneginf(logabs))
        return check.fault
    return [a], reference, {"holds": holds}


@row("lu", dtypes=TYPES)
def lu(g, dtype):
    a = matrix(g, dtype)
    m, n, k = sizes(a)

    def reference():
        require_finite(a)
        return [np.empty(a.shape[:-1], np.int64), *empties(dtype, a.shape[:-2] + (m, k), a.shape[:-2] + (k, n))]

    def holds(found):
        check = Check(dtype, found, max(m, n))
        rows, lower, upper = found[0], check.found[1], check.found[2]
        check.true("rows are not each there once", np.sort(rows, axis=-1) == np.arange(m))
        check.true("lower", (lower == np.tril(lower)) & (np.abs(lower) <= 1))
        check.true("the diagonal of lower", np.diagonal(lower, axis1=-2, axis2=-1) == 1)
        check.true("upper", upper == np.triu(upper))
        taken = np.take_along_axis(exact(a), rows[..., None], axis=-2)
        check.small("lower·upper", norm(taken - lower @ upper), norm(np.abs(lower) @ np.abs(upper)), tiny=m * n)
        return check.fault
    return [a], reference, {"holds": holds}


@row("qr", dtypes=TYPES)
def qr(g, dtype):
    a, complete = matrix(g, dtype), g.chance(0.5)
    m, n, k = sizes(a)
    inner = m if complete else k

    def reference():
        require_finite(a)
        return empties(dtype, a.shape[:-2] + (m, inner), a.shape[:-2] + (inner, n))

    def holds(found):
        check = Check(dtype, found, max(m, n))
        q, r = check.found
        check.true("r is not triangular", r == np.triu(r))
        check.orthonormal("q", q)
        check.small("q·r", norm(q @ r - exact(a)), norm(exact(a)), tiny=m * n)
        return check.fault
    return [a, complete], reference, {"holds": holds}


@row("cholesky", dtypes=TYPES)
def cholesky(g, dtype):
    n = g.choice(LENGTHS)
    stack = tuple(g.choice((0, 1, 2)) for _ in range(g.choice((0, 0, 1))))
    half = g.array("f64", shape=stack + (n, max(n - 1, 1)), values="small").np
    definite = half @ adjoint(half) + np.eye(n) * g.choice((1, 2, 40))
    if dtype == "bool":
        definite = np.eye(n) + np.zeros(stack + (1, 1))
    elif g.chance(0.1):
        definite -= 60 * np.eye(n)
    definite = np.clip(definite, 0 if dtype == "u8" else -250, 250)
    values = definite + np.triu(np.ones((n, n)), 1) * g.choice((0, 3))  # which is not read
    a = g.given(values, dtype)
    lower = np.tril(exact(a))
    whole = lower + adjoint(np.tril(lower, -1))
    eigenvalues = np.linalg.eigvalsh(whole.astype(np.float64))
    least, most = np.min(eigenvalues, initial=np.inf), np.max(np.abs(eigenvalues), initial=0)
    doubtful = abs(least) < 100 * (n + 1) * ROUNDED[result_kind(dtype)] * most

    def reference():
        if least <= 0 and not doubtful:
            raise ValueError("not positive definite")
        return empties(dtype, a.shape)

    def holds(found):
        check = Check(dtype, found, n)
        if doubtful:
            return None
        check.true("l is not triangular", check.found[0] == np.tril(check.found[0]))
        check.small("l·lᵀ", norm(check.found[0] @ adjoint(check.found[0]) - whole), norm(whole))
        return check.fault
    return [a], reference, {"holds": holds, "may_refuse": doubtful}


def near_singular_values(check, s, a):
    """Their errors are relative to the largest."""
    expected = singular_values(a)
    check.small("singular values", np.max(np.abs(s - expected), axis=-1, initial=0), np.max(expected, axis=-1, initial=0))
    check.true("singular values are not in order", (s >= 0) & (np.diff(s, axis=-1, append=s[..., -1:]) <= 0))


@row("svd", dtypes=TYPES)
def svd(g, dtype):
    a, full = matrix(g, dtype), g.chance(0.5)
    m, n, k = sizes(a)
    shapes = [(m, m), (k,), (n, n)] if full else [(m, k), (k,), (k, n)]

    def reference():
        require_finite(a)
        return empties(dtype, *(a.shape[:-2] + shape for shape in shapes))

    def holds(found):
        check = Check(dtype, found, max(m, n))
        u, s, vt = check.found
        check.orthonormal("u", u)
        check.orthonormal("v", adjoint(vt))
        near_singular_values(check, s, a)
        check.small("u·s·vt", norm((u[..., :k] * s[..., None, :]) @ vt[..., :k, :] - exact(a)), norm(exact(a)), tiny=m * n)
        return check.fault
    return [a, full], reference, {"holds": holds}


@row("svdvals", dtypes=TYPES)
def svdvals(g, dtype):
    a = matrix(g, dtype)

    def reference():
        require_finite(a)
        return empties(dtype, a.shape[:-2] + (min(a.shape[-2:]),))

    def holds(found):
        check = Check(dtype, found, max(a.shape[-2:]))
        near_singular_values(check, check.found[0], a)
        return check.fault
    return [a], reference, {"holds": holds}


def register_symmetric(name, vectors):
    @row(name, dtypes=TYPES)
    def generate(g, dtype):
        a = matrix(g, dtype, square=g.chance(0.97))

        def reference():
            require_finite(a)
            if a.shape[-1] != a.shape[-2]:
                raise ValueError("not square")
            return empties(dtype, a.shape[:-1], *([a.shape] if vectors else []))

        def holds(found):
            check = Check(dtype, found, a.shape[-1])
            lower = np.tril(exact(a))
            whole = lower + adjoint(np.tril(lower, -1))
            values = check.found[0]
            expected = np.linalg.eigvalsh(whole.astype(np.float64))
            check.small("eigenvalues", np.max(np.abs(values - expected), axis=-1, initial=0), norm(whole))
            check.true("eigenvalues are not in order", np.diff(values, axis=-1) >= 0)
            if vectors:
                v = check.found[1]
                check.orthonormal("vectors", v)
                check.small("a·v − v·λ", norm(whole @ v - v * values[..., None, :]), norm(whole), tiny=a.shape[-1] ** 2)
            return check.fault
        return [a], reference, {"holds": holds}


register_symmetric("eigh", True)
register_symmetric("eigvalsh", False)


def register_general(name, vectors):
    @row(name, dtypes=TYPES)
    def generate(g, dtype):
        a = matrix(g, dtype, square=g.chance(0.97))
        n = a.shape[-1]

        def reference():
            require_finite(a)
            if a.shape[-1] != a.shape[-2]:
                raise ValueError("not square")
            return empties(dtype, a.shape[:-1], a.shape[:-1], *([a.shape, a.shape] if vectors else []))

        def holds(found):
            check = Check(dtype, found, n)
            values = check.found[0] + 1j * check.found[1]
            whole = exact(a)
            # As those of a matrix nearby, whose trace and that of its square are near.
            check.small("the sum of the values", np.abs(np.sum(values, axis=-1) - np.trace(whole, axis1=-2, axis2=-1)), n * norm(whole))
            check.small("the sum of their squares", np.abs(np.sum(values ** 2, axis=-1) - np.trace(whole @ whole, axis1=-2, axis2=-1)),
                        n * norm(whole) ** 2)
            for place in np.ndindex(values.shape[:-1]):
                paired = values[place][values[place].imag != 0]
                check.true("complex values are not in pairs", len(paired) % 2 == 0 and
                           np.all((paired[::2] == np.conj(paired[1::2])) & (paired[::2].imag > 0)))
            if vectors:
                v = check.found[2] + 1j * check.found[3]
                check.small("lengths", np.max(np.abs(np.sum(np.abs(v) ** 2, axis=-2) - 1), axis=-1, initial=0), np.ones(v.shape[:-2]), tiny=n)
                check.small("a·v − v·λ", norm(whole @ v - v * values[..., None, :]), norm(whole) * np.sqrt(wide(n)), tiny=n * n)
            return check.fault
        return [a], reference, {"holds": holds}


register_general("eig", True)
register_general("eigvals", False)


def clear_cut(g, dtype, make, cut):
    """A matrix of which no singular value is near the cut, and the options' cut with it (None: max(m, n)·ε)."""
    while True:
        a = make()
        relative = g.choice((None, 1e-3, 0.05))
        s = singular_values(a)
        if s.shape[-1] == 0 or not np.all(np.isfinite(a.np)):
            return a, relative, s, np.zeros(s.shape[:-1], np.int64)
        largest = s[..., :1] if cut == "relative" else np.ones(s.shape[:-1] + (1,))
        # ε of the type computed in.
        unit = 2.0**-52 if result_kind(dtype) == "float64" else 2.0**-23
        limit = max(a.shape[-2:]) * unit * s[..., :1] if relative is None else relative * largest
        if not np.any((s > limit / 100) & (s < limit * 100) & (relative is None)) and not np.any((s > limit * 0.9) & (s < limit * 1.1)):
            return a, relative, s, np.sum(s > limit, axis=-1)


@row("matrix_rank", dtypes=TYPES)
def matrix_rank(g, dtype):
    a, tolerance, _, rank = clear_cut(g, dtype, lambda: matrix(g, dtype), "absolute")

    def reference():
        require_finite(a)
        return [np.asarray(rank, np.int64)]
    return [a, tolerance], reference


@row("pinv", dtypes=TYPES)
def pinv(g, dtype):
    a, relative, s, rank = clear_cut(g, dtype, lambda: matrix(g, dtype), "relative")
    m, n, k = sizes(a)

    def reference():
        require_finite(a)
        return empties(dtype, a.shape[:-2] + (n, m))

    def holds(found):
        check = Check(dtype, found, max(m, n))
        x, whole = check.found[0], exact(a)
        if k == 0:
            return check.fault
        # The matrix without the singular values that count as 0 has this inverse (Penrose 1955).
        u, values, vt = np.linalg.svd(a.np.astype(np.float64), full_matrices=False)
        kept = np.where(np.arange(k) < rank[..., None], values, 0)
        cut = ((u * kept[..., None, :]) @ vt).astype(wide)
        size = norm(whole) * norm(x)
        check.small("a·x·a − a", norm(cut @ x @ cut - cut), norm(whole) * (size + 1), tiny=m * n * float(np.max(norm(whole) ** 2, initial=1)))
        check.small("x·a·x − x", norm(x @ cut @ x - x), norm(x) * (size + 1), tiny=m * n * float(np.max(size, initial=1)))
        check.small("a·x − (a·x)ᵀ", norm(cut @ x - adjoint(cut @ x)), size + 1, tiny=m * n * float(np.max(norm(whole), initial=1)))
        check.small("x·a − (x·a)ᵀ", norm(x @ cut - adjoint(x @ cut)), size + 1, tiny=m * n * float(np.max(norm(whole), initial=1)))
        return check.fault
    return [a, relative], reference, {"holds": holds}


@row("lstsq", dtypes=TYPES)
def lstsq(g, dtype):
    a, relative, s, rank = clear_cut(g, dtype, lambda: matrix(g, dtype, stack=()), "relative")
    m, n, k = sizes(a)
    columns = () if g.chance(0.3) else (g.integer(0, 3),)
    b = g.array(dtype, shape=(m + g.chance(0.02),) + columns, values="plain")

    def reference():
        require_finite(a)
        if b.shape[0] != m:
            raise ValueError("shapes")
        residuals = (columns or (1,)) if rank == n and m > n else (0,)
        x, rest, singular = empties(dtype, (n,) + columns, residuals, (k,))
        return [x, rest, np.asarray(rank, np.int64), singular]

    def holds(found):
        check = Check(dtype, found, max(m, n))
        x, rest, found_rank, singular = check.found
        right = b.np.astype(wide)
        if not columns:
            x, right = x[:, None], right[:, None]
        check.true("the rank", found_rank == rank)
        near_singular_values(check, singular, a)
        if k == 0:
            check.true("x of nothing", x == 0)
            return check.fault
        u, values, vt = (each.astype(wide) for each in np.linalg.svd(a.np.astype(np.float64), full_matrices=False))
        cut = (u[:, :int(rank)] * values[:int(rank)]) @ vt[:int(rank)]
        scale = norm(exact(a)) * (norm(exact(a)) * norm(x) + norm(right))
        check.small("aᵀ·(b − a·x)", norm(cut.T @ (right - cut @ x)), scale, tiny=m * n * float(norm(exact(a)) ** 2))
        null = x - vt[:int(rank)].T @ (vt[:int(rank)] @ x)  # the part of x that a shorter one lacks
        least = values[int(rank) - 1] if rank else wide(1)
        check.small("x is not the shortest", norm(null), (norm(exact(a)) / least) * norm(x) + norm(right) / least, tiny=m * n)
        if rest.size:
            true = np.sum((right - exact(a) @ x) ** 2, axis=0)
            check.small("residuals", np.max(np.abs(rest - true), initial=0), (norm(exact(a)) * norm(x) + norm(right)) ** 2)
        return check.fault
    return [a, b, relative], reference, {"holds": holds}


NORMS = ["two", "frobenius", "nuclear", "one", "infinity"]  # as MatrixNorm


def norms(x, kind):
    """In long double but for singular values."""
    if kind in (0, 2):
        s = np.linalg.svd(x.astype(np.float64), compute_uv=False)
        return (np.max if kind == 0 else np.sum)(s, axis=-1, initial=0).astype(wide)
    if kind == 1:
        return norm(x)
    sums = np.sum(np.abs(x), axis=-2 if kind == 3 else -1)
    return np.max(sums, axis=-1, initial=0)


@row("matrix_norm", dtypes=TYPES)
def matrix_norm(g, dtype):
    a, kind = matrix(g, dtype), g.integer(0, 4)

    def reference():
        require_finite(a)
        return empties(dtype, a.shape[:-2])

    def holds(found):
        check = Check(dtype, found, max(a.shape[-2:]))
        true = norms(exact(a), kind)
        check.small(NORMS[kind] + " norm", np.abs(check.found[0] - true), true)
        return check.fault
    return [a, kind], reference, {"holds": holds}


@row("cond", dtypes=TYPES)
def cond(g, dtype):
    kind = g.integer(0, 4)
    a = matrix(g, dtype, square=kind > 0 and g.chance(0.97))

    def reference():
        require_finite(a)
        if 0 in a.shape[-2:] or (kind > 0 and a.shape[-1] != a.shape[-2]):
            raise ValueError("shapes")
        return empties(dtype, a.shape[:-2])

    def holds(found):
        check = Check(dtype, found, max(a.shape[-2:]))
        s = singular_values(a).astype(wide)
        with np.errstate(all="ignore"):
            condition = np.where(s[..., 0] == 0, np.inf, s[..., 0] / s[..., -1])  # of the matrix: what errors are multiplied by
            # ε of what is computed in: beyond a hundredth of its inverse only the order of magnitude is known.
            unit = FACTOR * max(a.shape[-2:]) * (2.0**-52 if check.kind == "float64" else 2.0**-23)
            certain = condition * unit < 0.01
            values = check.found[0]
            check.true("a condition is at least 1", values > 0.99)
            check.true("a singular matrix", certain | (values > 1e-3 / unit / max(a.shape[-2:])) | (values >= LARGEST[check.kind] / 2))
            for place in np.ndindex(certain.shape):
                if not certain[place]:
                    continue
                whole = exact(a)[place]
                true = condition[place] if kind == 0 else norms(whole, kind) * norms(np.linalg.inv(whole.astype(np.float64)).astype(wide), kind)
                error = np.abs(values[place] - true)
                allowed = true * (unit * condition[place] * 2 + check.unit)
                check.true(f"{NORMS[kind]} condition {values[place]} instead of {true}",
                           error <= allowed or (np.isinf(values[place]) and true + allowed >= LARGEST[check.kind]))
        return check.fault
    return [a, kind], reference, {"holds": holds}
