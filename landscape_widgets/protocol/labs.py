"""Messages of the three labs: what each is asked, and the state of its picture as it streams.

A state replaces the one before it; `run` rises with every request of a widget and `seq` within a run. Numbers that
may not be finite travel in buffers or as null.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from landscape_widgets.protocol.base import VERSION, ArrayHeader, Pair

SliceScale = Literal["raw", "unit", "filter"]
TraceMethod = Literal["gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact"]
Matrix = Literal["hessian", "gauss_newton", "difference"]
SpectrumStage = Literal["density", "eigenpairs", "exact", "checkpoints", "done"]


# ---------------------------------------------------------------- saddle lab


@dataclasses.dataclass(frozen=True)
class SaddleSettings:
    """Which saddle (n and ñ count for the toy only), how many random slices, and which of them is shown."""

    n: int
    positive: int
    draws: int
    shown: int
    seed: int
    scale: SliceScale
    extent: float
    points: int


@dataclasses.dataclass(frozen=True)
class SaddleRequest:
    """Draw these random slices; the latest request wins, slices drawn before are kept."""

    id: str
    settings: SaddleSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["saddle"] = "saddle"


@dataclasses.dataclass(frozen=True)
class SliceCount:
    """How many random slices show a kind of point, its 95 % interval as shares, and the share predicted."""

    shows: Literal["minimum", "maximum", "saddle", "flat"]
    count: int
    lower: float | None
    upper: float | None
    predicted: float | None
    predicted_error: float | None


@dataclasses.dataclass(frozen=True)
class SlicePicture:
    """One of the pictures side by side; its heights above the centre are the array of that name, (k, k).

    `kappa` is (κ₊, κ₋) along the axes as they are scaled, empty where not known yet; one unit of an axis is `length` in
    parameter distance; `shows` is what the curvatures say.
    """

    array: str
    title: str
    note: str
    shows: str
    alpha: str
    beta: str
    extent: float
    length: float
    kappa: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Histogram:
    """A histogram over a density.

    Arrays "NAME-edges" (k + 1,), "NAME-counts" (k,), and where a law is known "NAME-x" and "NAME-density" (m,).
    `marked` is where tr H is marked.
    """

    name: str
    title: str
    law: str
    exact: bool
    marked: float | None


@dataclasses.dataclass(frozen=True)
class SaddleState:
    """Everything a saddle lab shows.

    `lengths` is what one unit of each of `scales` is in parameter distance; `caution` is empty at a critical point.
    """

    id: str
    run: int
    seq: int
    settings: SaddleSettings
    toy: bool
    size: int
    sentence: str
    caution: str
    caption: str
    status: str
    done: int
    total: int
    seconds_left: float | None
    trace: float | None
    trace_error: float | None
    trace_exact: bool
    counts: tuple[SliceCount, ...]
    prediction: str
    pictures: tuple[SlicePicture, ...]
    histograms: tuple[Histogram, ...]
    scales: tuple[SliceScale, ...]
    lengths: tuple[float, ...]
    arrays: tuple[ArrayHeader, ...]
    v: int = VERSION
    kind: Literal["saddle"] = "saddle"


# ---------------------------------------------------------------- trace lab


@dataclasses.dataclass(frozen=True)
class TraceSettings:
    """Which estimators, and how many gradient evaluations each may spend."""

    methods: tuple[TraceMethod, ...]
    budget: int
    seed: int


@dataclasses.dataclass(frozen=True)
class TraceRequest:
    """Estimate the trace in these ways; the latest request wins, estimates under way go on where they are asked for."""

    id: str
    settings: TraceSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["trace"] = "trace"


@dataclasses.dataclass(frozen=True)
class TraceOffer:
    """An estimator that may be chosen, what it does or costs in a few words, and whether it can be had here."""

    method: TraceMethod
    name: str
    note: str
    available: bool


@dataclasses.dataclass(frozen=True)
class TraceCurve:
    """One estimator: arrays "METHOD-cost", "METHOD-value", "METHOD-error", "METHOD-half" and "METHOD-probes" (n,).

    The cost is in gradient evaluations, "half" half the width of the interval, n thinned out to what can be drawn.
    """

    method: TraceMethod
    name: str
    value: float | None
    error: float | None
    lower: float | None
    upper: float | None
    interval_kind: str
    cost: float
    probes: int
    products: int
    evaluations: int
    outcome: str
    advice: str
    caution: str
    details: str


@dataclasses.dataclass(frozen=True)
class TraceState:
    """Everything a trace lab shows."""

    id: str
    run: int
    seq: int
    settings: TraceSettings
    offered: tuple[TraceOffer, ...]
    exact: float | None
    size: int
    sentence: str
    caption: str
    done: int
    total: int
    seconds_left: float | None
    curves: tuple[TraceCurve, ...]
    arrays: tuple[ArrayHeader, ...]
    v: int = VERSION
    kind: Literal["trace"] = "trace"


# ---------------------------------------------------------------- spectrum explorer


@dataclasses.dataclass(frozen=True)
class SpectrumSettings:
    """Whose spectrum ("" is the whole model), how finely, and by how much the default width is scaled."""

    matrix: Matrix
    layer: str
    steps: int
    probes: int
    seed: int
    width: float


@dataclasses.dataclass(frozen=True)
class SpectrumRequest:
    """Compute this spectrum; the latest request wins. Another width alone computes nothing."""

    id: str
    settings: SpectrumSettings
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["spectrum"] = "spectrum"


@dataclasses.dataclass(frozen=True)
class SendPair:
    """Put the eigenvector of this index on an axis of the linked explorer."""

    id: str
    index: int
    axis: Literal["alpha", "beta"]
    v: int = VERSION
    kind: Literal["request"] = "request"
    purpose: Literal["send"] = "send"


@dataclasses.dataclass(frozen=True)
class LayerOption:
    """A layer whose own block of the matrix may be looked at."""

    name: str
    size: int


@dataclasses.dataclass(frozen=True)
class SpectrumState:
    """Everything a spectrum explorer shows.

    Arrays: "x", "density", "spread", "above" (m,): smoothed, per unit of eigenvalue, its standard error between
    probes, and how many eigenvalues lie above x; "nodes", "residuals" (k,), Ritz values; where P allows "exact"
    (P,), all eigenvalues; with checkpoints "steps", "losses", "traces", "trace-errors" (c,), "values" and
    "value-residuals" (2, c), λ_max and λ_min.

    `width` is the σ of the smoothing; `axes` what the linked explorer shows on α and β, empty where none is linked.
    """

    id: str
    run: int
    seq: int
    settings: SpectrumSettings
    name: str
    size: int
    mass: float | None
    width: float | None
    products: int
    total: int
    sentence: str
    caution: str
    caption: str
    stage: SpectrumStage
    status: str
    part: float | None
    pairs: tuple[Pair, ...]
    pair_products: int
    pair_outcome: str
    checkpoints: int
    checkpoints_done: int
    history: str
    history_axis: str
    layers: tuple[LayerOption, ...]
    axes: tuple[str, ...]
    arrays: tuple[ArrayHeader, ...]
    v: int = VERSION
    kind: Literal["spectrum"] = "spectrum"


LABS_FROM_PAGE = (SaddleRequest, TraceRequest, SpectrumRequest, SendPair)
LABS_TO_PAGE = (SaddleState, TraceState, SpectrumState)
