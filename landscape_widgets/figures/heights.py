"""The height axis: losses to heights, a range rounded outward, and ticks in plain decimals."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from landscape_widgets.figures.words import number

HeightScale = Literal["log", "linear"]

LARGEST = 1e300
"""Above it a value counts as infinite: sums of such values would be."""

SMALLEST = 307
"""No tick stands below 10 to minus this: floats end there."""

ROUNDING = 1e-6
"""Losses that differ by less than this part are the same: in float32 they may differ by rounding alone."""


@dataclasses.dataclass(frozen=True, eq=False)
class Heights:
    """Heights of an array of losses, with the axis they stand on.

    Parameters
    ----------
    z : the shape of the losses; log10(loss) or loss, NaN where it cannot be drawn.
    lo, hi : range of the axis, in heights.
    ticks, labels : positions in heights, and what stands there in loss.
    step : distance of the contour lines, in heights.
    holes : values that are NaN or infinite.
    hidden : finite values a logarithm cannot show (zero or negative).
    """

    z: np.ndarray
    lo: float
    hi: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    step: float
    holes: int
    hidden: int

    @property
    def levels(self) -> np.ndarray:
        """Heights of the contour lines."""
        return np.arange(self.lo + self.step / 2, self.hi, self.step)


def heights_of(loss: np.ndarray, scale: HeightScale) -> Heights | None:
    """Heights of the losses, or None where no value can be drawn.

    >>> heights = heights_of(np.array([0.01, 10.0, np.nan, 0.0]), "log")
    >>> heights.z, heights.labels, heights.holes, heights.hidden
    (array([-2.,  1., nan, nan]), ('0.01', '0.1', '1', '10'), 1, 1)
    """
    finite = np.isfinite(loss) & (np.abs(loss) <= LARGEST)
    shown = finite & (loss > 0) if scale == "log" else finite
    if not shown.any():
        return None
    z = np.full(loss.shape, np.nan)
    z[shown] = np.log10(loss[shown]) if scale == "log" else loss[shown]
    lo, hi = _rounded_outward(float(z[shown].min()), float(z[shown].max()), scale)
    ticks = log_ticks(lo, hi) if scale == "log" else linear_ticks(lo, hi)
    labels = tick_labels([10.0**tick for tick in ticks] if scale == "log" else ticks)
    holes, hidden = int((~finite).sum()), int((finite & ~shown).sum())
    return Heights(z, lo, hi, tuple(ticks), labels, nice_step((hi - lo) / 14), holes, hidden)


def _rounded_outward(lo: float, hi: float, scale: HeightScale) -> tuple[float, float]:
    """Round ends around lo and hi; losses equal but for rounding stand in the middle of a range of their own."""
    size = max(abs(lo), abs(hi)) if scale == "linear" else 1.0
    if hi - lo <= ROUNDING * size:
        half = 0.05 * size or 0.5
        lo, hi = lo - half, hi + half
    unit = nice_step((hi - lo) / 20)
    low = math.floor(lo / unit) * unit
    return low, max(math.ceil(hi / unit) * unit, low + unit)


def nice_step(rough: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    lead = rough / power
    return power * next(nice for bound, nice in ((1.5, 1), (3.5, 2), (7.5, 5), (math.inf, 10)) if lead < bound)


def linear_ticks(lo: float, hi: float) -> list[float]:
    """Round values between lo and hi, about five.

    >>> linear_ticks(-1.0, 1.0)
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    step = nice_step((hi - lo) / 4.5)
    return [k * step for k in range(math.ceil(lo / step - 1e-9), math.floor(hi / step + 1e-9) + 1)]


def log_ticks(lo: float, hi: float) -> list[float]:
    """Ticks in log10: decades, with 3, or 2 and 5, where decades are few, even values where they are none."""
    decades = hi - lo
    if decades < 0.7 and lo > -SMALLEST:
        return [math.log10(value) for value in linear_ticks(10.0**lo, 10.0**hi) if value > 0]
    every = max(1, math.ceil(decades / 7))
    leads = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 2.9 else (1,)
    powers = [power for power in range(math.floor(lo), math.ceil(hi) + 1) if power % every == 0]
    ticks = [power + math.log10(lead) for power in powers for lead in leads]
    return [tick for tick in ticks if max(lo - 1e-9, -SMALLEST) <= tick <= hi + 1e-9]


def tick_labels(values: list[float]) -> tuple[str, ...]:
    """Labels with as few digits, from three, as tell the ticks apart.

    >>> tick_labels([2.302585, 2.302586])
    ('2.302585', '2.302586')
    """
    for digits in range(3, 16):
        labels = tuple(number(value, digits) for value in values)
        close = all(math.isclose(float(f"{v:.{digits - 1}e}"), v, rel_tol=1e-9, abs_tol=1e-300) for v in values)
        if len(set(labels)) == len(labels) and close:
            break
    return labels
