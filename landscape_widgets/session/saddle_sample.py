"""The random slices of a saddle lab: one sample that goes on, its counts, its histograms over their densities."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.random_slices import RandomSlices
from landscape_widgets.compute.stream import Stream
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.labs import Histogram, SliceCount, SliceScale
from landscape_widgets.results import KINDS, SliceDensity, SliceSample
from landscape_widgets.session.saddle_laws import Prediction

BINS = 36
"""Of a histogram over the span of its law or of its sample."""
MOST_BINS = 400
LEAST = 2e-3
"""Share of its peak from which a density is drawn."""
POINTS = 241
"""Of a density on the page."""

TITLES = {"A": "A = ηᵀHη", "B": "B = ηᵀHδ", "kappa_plus": "κ₊", "kappa_minus": "κ₋"}


class Sample:
    """Slices of one seed and scale, drawn once: more go on, fewer are the first of them.

    Parameters
    ----------
    operator : H.
    seed, scale : of the sample.
    """

    def __init__(self, operator: SymmetricOperator, seed: int, scale: SliceScale) -> None:
        self._operator, self._seed = operator, seed
        self._normalize = None if scale == "raw" else scale
        self._stream: Stream[SliceSample, Any] | None = None
        self.latest: SliceSample | None = None

    def steps(self, draws: int) -> Iterator[SliceSample]:
        """The sample as it grows to `draws`; what is drawn already comes first."""
        latest = self.latest
        if latest is None or self._stream is None or (latest.done < draws and latest.total != draws):
            resume = None if self._stream is None else self._stream.checkpoint()
            self._stream = RandomSlices(self._operator, draws, self._seed, self._normalize).stream(resume)
        if latest is not None and latest.done:
            yield head(latest, draws)
        while latest is None or (latest.done < draws and latest.outcome is not Outcome.NOT_FINITE):
            latest = self.latest = self._next()
            yield latest

    def known(self, draws: int) -> SliceSample | None:
        """The slices that are drawn already, at most so many; None before the first."""
        return head(self.latest, draws) if self.latest is not None and self.latest.done else None

    def _next(self) -> SliceSample:
        assert self._stream is not None
        try:
            return next(self._stream)
        except BaseException:
            self._stream = self.latest = None  # the next run begins anew
            raise


def head(sample: SliceSample, draws: int) -> SliceSample:
    """The first slices of a sample, as if no more had been asked for."""
    if sample.done <= draws:
        return sample
    names = ("A", "B", "C", "kappa", "kappa_per_length", "kinds", "seeds")
    rows = {name: getattr(sample, name)[:draws] for name in names}
    question = {**sample.question, "draws": draws}
    return dataclasses.replace(sample, **rows, total=draws, outcome=Outcome.COMPLETE, question=question)


def counts(sample: SliceSample | None, prediction: Prediction | None, scale: SliceScale) -> tuple[SliceCount, ...]:
    """How many slices show what, with the interval of the share, beside what is predicted (not for "filter")."""
    known = prediction is not None and prediction.law is not None and scale != "filter"
    found = []
    for index, kind in enumerate(KINDS):
        share = (None, None) if sample is None or not sample.done else sample.shares[kind][1:]
        found.append(
            SliceCount(
                shows=kind,  # type: ignore[arg-type]
                count=0 if sample is None else sample.counts[kind],
                lower=share[0],
                upper=share[1],
                predicted=float(prediction.shares[index]) if prediction is not None and known else None,
                predicted_error=float(prediction.errors[index]) if prediction is not None and known else None,
            )
        )
    return tuple(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """A density on the axis of a histogram."""

    x: np.ndarray
    density: np.ndarray
    law: str
    exact: bool


class Densities:
    """The densities of a law in the units of a scale, computed once.

    Parameters
    ----------
    prediction : whose law; None, or one without a law, gives none.
    scale, size : unit directions are taken as raw ones divided by √P.
    """

    def __init__(self, prediction: Prediction | None, scale: SliceScale, size: int) -> None:
        law = None if prediction is None or scale == "filter" else prediction.law
        self.curves: dict[str, Curve] = {}
        if law is None:
            return
        factor = 1.0 if scale == "raw" else 1.0 / size
        for name in TITLES:
            found = law.density(name)
            x = np.linspace(*_visible(found), POINTS)
            values = np.interp(x, found.points, np.where(np.isfinite(found.density), found.density, np.nan))
            words = "asymptotic law" if name.startswith("kappa") else "exact density"
            if law.rest_size:
                words = "asymptotic law, spectrum partly known" if name.startswith("kappa") else "approximate density"
            if scale == "unit":
                words = f"{words} of raw slices ÷ P"
            exact = not found.approximation and scale == "raw"
            self.curves[name] = Curve(x * factor, values / factor, words, exact)


def _visible(found: SliceDensity) -> tuple[float, float]:
    """Where a density is more than a thousandth of its peak, or all of it where that is singular."""
    if not np.isfinite(found.density).all():
        return float(found.points[0]), float(found.points[-1])
    there = found.points[found.density > LEAST * found.density.max()]
    return float(there[0]), float(there[-1])


def histograms(
    sample: SliceSample | None, densities: Densities, trace: float | None
) -> tuple[tuple[Histogram, ...], dict[str, np.ndarray]]:
    """The histograms of A, B, κ₊ and κ₋ with their densities, and their arrays."""
    messages, arrays = [], {}
    for name, title in TITLES.items():
        values = np.empty(0) if sample is None else _values(sample, name)
        curve = densities.curves.get(name)
        if curve is None and not len(values):
            continue
        edges = bin_edges(values, None if curve is None else (float(curve.x[0]), float(curve.x[-1])))
        arrays[f"{name}-edges"] = edges
        arrays[f"{name}-counts"] = np.histogram(values, edges)[0].astype(np.float64)
        if curve is not None:
            arrays[f"{name}-x"], arrays[f"{name}-density"] = curve.x, curve.density
        law, exact = ("", False) if curve is None else (curve.law, curve.exact)
        messages.append(Histogram(name, title, law, exact, None if name == "B" else trace))
    return tuple(messages), arrays


def bin_edges(values: np.ndarray, span: tuple[float, float] | None) -> np.ndarray:
    """Edges of equal bins over the span, or over the values, with more bins where values lie beyond the span."""
    if span is None:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        span = (low, high) if high > low else (low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0))
    width = (span[1] - span[0]) / BINS
    below = above = 0
    if len(values):
        below = int(np.clip(np.ceil((span[0] - values.min()) / width), 0, MOST_BINS))
        above = int(np.clip(np.ceil((values.max() - span[1]) / width), 0, MOST_BINS))
    edges: np.ndarray = span[0] + width * np.arange(-below, BINS + above + 1)
    if len(values):
        edges[0], edges[-1] = min(edges[0], values.min()), max(edges[-1], values.max())
    return edges


def _values(sample: SliceSample, name: str) -> np.ndarray:
    if name.startswith("kappa"):
        column: np.ndarray = sample.kappa[:, 0 if name == "kappa_plus" else 1]
        return column
    values: np.ndarray = getattr(sample, name)
    return values
