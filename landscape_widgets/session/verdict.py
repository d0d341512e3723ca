"""One plain sentence on what a slice shows, beside what the spectrum says."""

from __future__ import annotations

import numpy as np

from landscape_widgets.compute.random_slices import percentile
from landscape_widgets.compute.slice_words import sentence
from landscape_widgets.protocol.messages import Tone, Verdict
from landscape_widgets.results import Eigenpairs, SliceCurvature, SliceSample

NOUNS = {
    "minimum": "a minimum",
    "maximum": "a maximum",
    "saddle": "a saddle",
    "flat": "a point flat to rounding in some direction",
}


LEAST_SLICES = 10
"""Random slices below which nothing is said of them."""


def verdict(curvature: SliceCurvature, pairs: Eigenpairs | None, sample: SliceSample | None = None) -> Verdict:
    """What the slice shows at its centre, whether the whole spectrum agrees, and how usual it is among random slices.

    Curvatures are given per unit of parameter distance, so that they compare with eigenvalues whatever the scale.
    """
    if not np.isfinite(curvature.kappa).all():
        return Verdict(
            "The curvature here is not finite.",
            "The loss has no finite second derivative at the centre, so nothing is said of its shape.",
            "unknown",
        )
    tone: Tone = curvature.kind if curvature.kind in ("minimum", "maximum", "saddle") else "flat"  # type: ignore[assignment]
    point = None if pairs is None else point_kind(pairs)
    shown = curvature.kappa_per_length if np.isfinite(curvature.kappa_per_length).all() else curvature.kappa
    text = f"Curvatures {number(shown[0])} and {number(shown[1])} per unit of parameter distance."
    if point is None:
        return Verdict(f"This slice shows {NOUNS[tone]}.", f"{text} The Hessian's own ends are not known yet.", tone)
    if point == "saddle" and tone == "saddle":
        title = "A saddle, and this slice shows it."
    elif point == "saddle":
        title = f"A saddle, but this slice shows {NOUNS[tone]}."
        text += f" The Hessian has λ_min = {number(lowest(pairs))}."
    elif point == tone:
        title = f"No direction found bends the other way: {NOUNS[tone]}."
    else:
        title = f"This slice shows {NOUNS[tone]}."
        text += f" The Hessian's found ends are {number(highest(pairs))} and {number(lowest(pairs))}."
    return Verdict(title, text + standing(curvature, pairs, sample) + _slope(curvature, shown), tone)


def standing(curvature: SliceCurvature, pairs: Eigenpairs | None, sample: SliceSample | None) -> str:
    """What random slices of the same normalisation show, and where this one stands among them."""
    if sample is None or sample.done < min(LEAST_SLICES, sample.total):
        return ""
    words = f" {sentence(sample, pairs)}."
    if not np.isfinite(curvature.kappa_per_length).all():
        return words
    place = percentile(sample, curvature)
    above, below = (100 * float(share) for share in place.below)
    return words + f" Of theirs, κ₊ here is above {above:.0f} %, κ₋ above {below:.0f} %."


def point_kind(pairs: Eigenpairs) -> str | None:
    """What the accepted ends of the spectrum say of the point; None where an end is not known.

    An end counts as curved only beyond its own residual.
    """
    if not len(pairs.values) or not pairs.accepted.all() or pairs.largest in (0, len(pairs.values)):
        return None
    upper = pairs.values[0] - pairs.residuals[0]
    lower = pairs.values[-1] + pairs.residuals[-1]
    if upper > 0 > lower:
        return "saddle"
    if pairs.values[-1] - pairs.residuals[-1] > 0:
        return "minimum"
    return "maximum" if pairs.values[0] + pairs.residuals[0] < 0 else "flat"


def highest(pairs: Eigenpairs | None) -> float:
    """The largest value found."""
    return float(pairs.values[0]) if pairs is not None else float("nan")


def lowest(pairs: Eigenpairs | None) -> float:
    """The smallest value found."""
    return float(pairs.values[-1]) if pairs is not None else float("nan")


def number(value: float) -> str:
    """Three significant digits with a sign, as the readout writes them.

    >>> number(-0.01524), number(312.0)
    ('−0.0152', '+312')
    """
    return f"{value:+#.3g}".rstrip(".").replace("-", "\u2212")


def _slope(curvature: SliceCurvature, shown: np.ndarray) -> str:
    """The caution for a point that is not critical: where the slope matters at the scale of the curvature."""
    length = curvature.gradient_norm
    if not np.isfinite(length) or length <= 1e-3 * float(np.abs(shown).max()):
        return ""
    return f" Not a critical point: |∇L| = {length:.3g}, so curvature is only part of the shape."
