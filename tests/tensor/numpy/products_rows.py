"""Products of matrices, and Einstein sums. Integers are equal; floats within (terms + 3)·ε·Σ|products| of the exact sum."""

import numpy as np

from harness import ALL, DTYPES, row
from precision import finite_or_not, within

LENGTHS = (0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 9)


def other_dtype(g, dtype):
    return g.choice([d for d in DTYPES if d != "bf16"]) if dtype != "bf16" and g.chance(0.15) else dtype


def compared(function, dtype, arrays, terms):
    """What a case returns besides its arguments: the reference, and for floats the bound."""
    def values():
        common = np.result_type(*(a.np.dtype for a in arrays))
        return common, [a.np.astype(common) for a in arrays]

    def reference():
        common, given = values()
        return np.asarray(function(*given)).astype(common)

    if np.result_type(*(DTYPES[a.dtype] for a in arrays)).kind != "f":
        return reference, {}

    def holds(found):
        common, given = values()
        wide = [a.astype(np.longdouble) for a in given]
        kind = "bf16" if dtype == "bf16" else np.dtype(common).name
        return within(found[0], function(*wide), function(*map(np.abs, wide)), kind, terms() + 3)
    return reference, {"holds": holds}


def stacks(g):
    """Two shapes that broadcast, mostly."""
    stack = tuple(g.choice((0, 1, 2, 3)) for _ in range(g.choice((0, 0, 0, 1, 1, 2))))
    return g.broadcastable(stack), g.broadcastable(stack)


@row("matmul")
def matmul(g, dtype):
    m, k, n = (g.choice(LENGTHS) for _ in range(3))
    left, right = stacks(g)
    a_shape = (k,) if g.chance(0.15) else left + (m, k)
    b_shape = (k,) if g.chance(0.15) else right + (k + g.chance(0.03), n)
    a = finite_or_not(g, dtype, () if g.chance(0.01) else a_shape)
    b = finite_or_not(g, other_dtype(g, dtype), b_shape)
    reference, options = compared(np.matmul, dtype, [a, b], lambda: k)
    return [a, b], reference, options


@row("dot")
def dot(g, dtype):
    k = g.choice(LENGTHS)
    a = finite_or_not(g, dtype, () if g.chance(0.1) else tuple(g.choice((1, 2, 3)) for _ in range(g.integer(0, 2))) + (k,))
    k += g.chance(0.03)
    shape = (k,) if g.chance(0.3) else tuple(g.choice((1, 2, 3)) for _ in range(g.integer(0, 2))) + (k, g.choice(LENGTHS))
    b = finite_or_not(g, other_dtype(g, dtype), () if g.chance(0.1) else shape)
    reference, options = compared(np.dot, dtype, [a, b], lambda: k)
    return [a, b], reference, options


@row("outer")
def outer(g, dtype):
    a, b = finite_or_not(g, dtype, g.shape(largest=20)), finite_or_not(g, other_dtype(g, dtype), g.shape(largest=20))
    reference, options = compared(np.outer, dtype, [a, b], lambda: 1)
    return [a, b], reference, options


def subscripts(g, lengths):
    """Terms, their shapes, and the text of an Einstein sum; now and then one that is malformed."""
    letters = "".join(g.random.sample(sorted(lengths), g.integer(1, 4)))
    dots = tuple(g.choice((1, 2, 3)) for _ in range(g.integer(0, 2))) if g.chance(0.4) else None
    terms, shapes = [], []
    for _ in range(g.choice((1, 2, 2, 2, 3))):
        chosen = [g.choice(letters) for _ in range(g.integer(0, 3))]
        shape = [1 if g.chance(0.05) and chosen.count(c) == 1 else lengths[c] for c in chosen]
        if dots is not None and g.chance(0.8):
            at = g.integer(0, len(chosen))
            chosen.insert(at, "...")
            shape[at:at] = g.broadcastable(dots)
        terms.append(chosen)
        shapes.append(tuple(shape))
    text = (", " if g.chance(0.1) else ",").join("".join(term) for term in terms)
    if g.chance(0.7):
        output = [c for c in dict.fromkeys(c for term in terms for c in term) if c == "..." or g.chance(0.6)]
        g.random.shuffle(output)
        text += (" -> " if g.chance(0.1) else "->") + "".join(output)
    if g.chance(0.06):
        at = g.integer(0, len(text))
        text = text[:at] + g.choice(("a", "Z", ".", ",", "->", "-", ">", "1", "...", "é")) + text[at:]
    used = {c for term in terms for c in term}
    return text, shapes, len(shapes) * int(np.prod([max(lengths.get(c, 0), 1) for c in used]) * np.prod(dots or (1,)))


@row("einsum")
def einsum(g, dtype):
    lengths = {c: 0 if g.chance(0.03) else g.integer(1, 4) for c in "abijkXY"}
    text, shapes, terms = subscripts(g, lengths)
    if g.chance(0.02):
        shapes = shapes[1:] or [(2,)]
    other = other_dtype(g, dtype)  # two types at most: NumPy's common type of three is not that of pairs
    # No infinity: inf·b₁ + inf·b₂ and inf·(b₁ + b₂) may differ, and which is computed is not promised.
    arrays = [finite_or_not(g, other if at else dtype, shape, (np.nan, 0.0)) for at, shape in enumerate(shapes)]
    reference, options = compared(lambda *given: np.einsum(text, *given), dtype, arrays, lambda: terms)
    return [text, arrays], reference, options
