"""What random slices show, in one plain sentence that claims no more than is known."""

from __future__ import annotations

import numpy as np

from landscape_widgets.compute.slice_laws import SliceLaw
from landscape_widgets.results import KINDS, Eigenpairs, SliceSample


def sentence(sample: SliceSample, known: SliceLaw | Eigenpairs | None = None) -> str:
    """One plain sentence: what the slices show, beside what is known of the point.

    Parameters
    ----------
    known : the spectrum, or eigenpairs of it; None, or a partly known spectrum, goes by the slices alone, of which one
        that curves downwards proves a negative direction.

    >>> from landscape_widgets.compute.operators.diagonal import DiagonalOperator
    >>> from landscape_widgets.compute.random_slices import RandomSlices
    >>> sample = RandomSlices(DiagonalOperator(np.r_[np.ones(50), -np.ones(50), 0.0]), draws=200).run()
    >>> sentence(sample, SliceLaw.toy_saddle(50))
    '33 of 200 random slices show a minimum; the point is a saddle with 50 negative directions'
    """
    if not sample.done:
        return "No random slice is drawn yet"
    least = {sign: _least_directions(sample, known, sign) for sign in (1, -1)}
    point = "saddle" if least[1] and least[-1] else None
    whole = isinstance(known, SliceLaw) and known.negative is not None
    if whole and point is None:
        point = "minimum" if least[1] else "maximum"
    others = [kind for kind in ("minimum", "maximum", "saddle") if kind != point and sample.counts[kind]]
    shown = max(others or [point or "flat", "flat"], key=lambda kind: sample.counts[kind])
    count = sample.counts[shown]
    verb, noun = "shows" if count == 1 else "show", "nothing but flatness" if shown == "flat" else f"a {shown}"
    start = f"{count:,} of {sample.done:,} random slices {verb} {noun}"
    if whole:
        if point == "saddle":
            return f"{start}; the point is a saddle with {_directions(least[-1])}"
        return f"{start}; the spectrum has no {'negative' if point == 'minimum' else 'positive'} direction"
    if not least[-1]:
        return f"{start}; no negative direction is known"
    return f"{start}; at least {_directions(least[-1])} {'is' if least[-1] == 1 else 'are'} known"


def _least_directions(sample: SliceSample, known: SliceLaw | Eigenpairs | None, sign: int) -> int:
    """How many directions are known to curve upwards (1) or downwards (-1)."""
    curved = sample.kinds == KINDS.index("saddle")
    curved = curved | (sample.kinds == KINDS.index("minimum" if sign > 0 else "maximum"))
    least = 2 if (curved & (sample.kinds != KINDS.index("saddle"))).any() else int(curved.any())
    if isinstance(known, SliceLaw):
        count = known.positive if sign > 0 else known.negative
        return least if count is None else count
    if isinstance(known, Eigenpairs):
        # Along orthonormal Ritz vectors V, VᵀHV = diag(λ) + VᵀR, and ‖VᵀR‖ ≤ √Σ|r|². What lies beyond is definite on
        # its span, and H has as many eigenvalues of that sign, whatever the residuals.
        bound = float(np.linalg.norm(known.residuals[known.accepted]))
        return max(least, int((known.accepted & (sign * known.values > bound)).sum()))
    return least


def _directions(count: int) -> str:
    return f"{count:,} negative direction{'' if count == 1 else 's'}"
