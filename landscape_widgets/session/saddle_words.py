"""What a saddle lab says: the caption of its plots, its caution, what it is doing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from landscape_widgets.compute.slice_words import sentence
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.labs import SaddleSettings
from landscape_widgets.results import Eigenpairs, SliceSample
from landscape_widgets.session.saddle_laws import Prediction, number

CRITICAL = 1e-6
"""|∇L| up to which a point is called critical."""


def shows(kappa: Sequence[float], limit: float = 0.0) -> str:
    """What curvatures say: the kind of point that a slice shows; within ± `limit` of zero they have no sign.

    >>> shows((2.0, 1.0)), shows((2.0, -1.0)), shows((-1.0, -2.0)), shows((2.0, 1.0), limit=1.5), shows(())
    ('minimum', 'saddle', 'maximum', 'flat', '')
    """
    if len(kappa) < 2:
        return ""
    upper, lower = kappa[0], kappa[1]
    if lower > limit:
        return "minimum"
    if upper < -limit:
        return "maximum"
    return "saddle" if upper > limit and lower < -limit else "flat"


def uncertainty(sample: SliceSample) -> float:
    """How far from zero a curvature of the average must be to have a sign: 1.96 standard errors, 0 of one slice."""
    error = float(sample.standard_error[[0, 2]].max())
    return 1.96 * error if math.isfinite(error) else 0.0


def told(sample: SliceSample | None, prediction: Prediction | None, pairs: Eigenpairs | None) -> str:
    """The one sentence on top: what the slices show, beside what is known of the point."""
    if sample is None:
        return "No random slice is drawn yet."
    whole = prediction is not None and prediction.exact
    return f"{sentence(sample, prediction.law if prediction is not None and whole else pairs)}."


def caution(sample: SliceSample | None) -> str:
    """That the point is not critical, or that slices were not finite; "" where nothing has to be said."""
    if sample is None:
        return ""
    words = []
    if sample.gradient_norm > CRITICAL:
        words.append(
            f"Not a critical point: |∇L| = {number(sample.gradient_norm)}. The slices also slope, and curvatures say "
            "how they bend, not where they descend."
        )
    if sample.outcome is Outcome.NOT_FINITE:
        words.append(f"Slice {sample.done + 1:,} is not finite: the sample ends before it.")
    return " ".join(words)


def caption(settings: SaddleSettings, size: int, length: float, toy: bool) -> str:
    """What the three surfaces share."""
    unit = {
        "raw": f"√P = {number(math.sqrt(size))}, the length of a raw Gaussian direction",
        "unit": "1",
        "filter": f"{number(length)}, the length of a filter-normalised direction",
    }[settings.scale]
    scaled = "" if settings.scale == "unit" else f" The eigenvectors are stretched to the same length of {unit}."
    reach, there = number(settings.extent * length), number(settings.extent)
    start = f"Each surface spans ±{reach} in parameter distance (α, β = ±{there}).{scaled}"
    return (
        start if toy else f"{start} Heights are losses computed on the data; the average is that of quadratic models."
    )


def average_note(
    sample: SliceSample | None, trace: tuple[float | None, bool], settings: SaddleSettings, toy: bool
) -> str:
    """What the average is, and what it tends to."""
    if sample is None or not sample.done:
        return "of no slice yet"
    kind = "slices" if toy else "slices’ quadratic models"
    start = f"of {sample.done:,} {kind}" if sample.done > 1 else f"of 1 {kind[:-1] if toy else 'quadratic model'}"
    if settings.scale == "filter":
        return f"{start}; filter-normalised, its limit is not the trace"
    half = "½ tr(H)(α² + β²)" if settings.scale == "raw" else "½ tr(H)/P (α² + β²)"
    value, exact = trace
    limit = (
        ""
        if value is None or not math.isfinite(value)
        else f", tr\u00a0H\u00a0{'=' if exact else '≈'}\u00a0{number(value)}"
    )
    return f"{start}, tending to {half}{limit}"


def status(sample: SliceSample | None, draws: int, waiting: Sequence[str]) -> str:
    """How far the sample is, and what else is being done."""
    done = 0 if sample is None else sample.done
    if done < draws and (sample is None or sample.outcome is Outcome.RUNNING):
        return f"{done:,} of {draws:,} random slices"
    if waiting:
        return f"{done:,} random slices · {waiting[0]}"
    products = 0 if sample is None else sample.products
    cost = f" · {products:,} Hessian-vector products" if products else ""
    return f"{done:,} random slices drawn{cost}"


def mean_kappa(sample: SliceSample) -> tuple[float, ...]:
    """κ± of the average slice."""
    A, B, C = sample.mean
    if not np.isfinite([A, B, C]).all():
        return ()
    middle, radius = (A + C) / 2, math.hypot((A - C) / 2, B)
    return (float(middle + radius), float(middle - radius))
