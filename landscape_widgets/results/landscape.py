"""Results about a landscape: axes, directions, eigenpairs, surfaces, curvature, trajectories."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from landscape_widgets.errors import Outcome
from landscape_widgets.results.base import Result

UNITS = {
    "unit": "parameter distance",
    "filter": "filter norms",
    "layer": "layer norms",
    "raw": "raw Gaussian steps",
}
"""What 1.0 on an axis means, by normalisation."""


@dataclasses.dataclass(frozen=True, eq=False)
class Axis(Result):
    """What a drawn axis is: enough for a title that says direction, normalisation and unit."""

    label: str
    normalization: str
    unit: str
    seed: int | None = None
    length: float = float("nan")
    """Euclidean length of the direction vector, in raw parameter distance."""


@dataclasses.dataclass(frozen=True, eq=False)
class Direction(Result):
    """A direction in parameter space, with the words that belong on its axis.

    Parameters
    ----------
    vector : (P,), the objective's dtype; one step of 1.0 on the axis moves the parameters by it.
    label : what it is, e.g. "random, seed 0" or "Hessian λ_max".
    normalization : "filter", "layer", "unit" or "raw".
    unit : what 1.0 on this axis means, in words.
    seed : the seed it was drawn from, or None.
    """

    vector: Float[np.ndarray, " P"]
    label: str
    normalization: str
    unit: str
    seed: int | None = None

    @functools.cached_property
    def axis(self) -> Axis:
        """The description without the vector; its length is taken once, as the vector may be long."""
        length = float(np.linalg.norm(self.vector.astype(np.float64, copy=False)))
        return Axis(self.label, self.normalization, self.unit, self.seed, length)


@dataclasses.dataclass(frozen=True, eq=False)
class Eigenpairs(Result):
    """Extreme eigenpairs of a symmetric operator, with the residual of each.

    Parameters
    ----------
    values : (k,), float64, descending; the first `largest` from the top end, the others from the bottom end.
    vectors : (P, k), the operator's dtype, unit columns; (P, 0) in a partial result.
    residuals : (k,), |Hv - λv|: true residuals in a finished result, Lanczos estimates in a partial one.
    bounds : (k,), what each residual was held against.
    criteria : (k,) of "relative" (tol·|λ|) or "floor" (floor·max|λ|), which of the two the bound was.
    products : matrix-vector products in all, checks and verification included.
    verification_products : how many of them `verify=True` spent.
    multiplicity_checked : whether the claim "the k extreme ones, counted with multiplicity" is made.
    largest : how many of the values are from the top end.
    """

    values: Float[np.ndarray, " k"]
    vectors: Float[np.ndarray, "P n"]
    residuals: Float[np.ndarray, " k"]
    bounds: Float[np.ndarray, " k"]
    criteria: tuple[str, ...]
    products: int
    outcome: Outcome
    multiplicity_checked: bool
    largest: int
    seed: int
    verification_products: int = 0
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def accepted(self) -> Bool[np.ndarray, " k"]:
        """Which pairs meet their bound, (k,) bool."""
        return self.residuals <= self.bounds


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate(Result):
    """A surface beside its exact points, with its error where it was held against exact points it had not seen.

    Parameters
    ----------
    values : the shape of the surface, float64; exact where known when it was made, NaN where nothing is claimed.
    method : what it is, e.g. "cubic spline of log L through 13 × 13 points".
    held_out : exact points that it was compared with and had not been made from.
    error_linear : largest error at those points, in parts of the drawn range of the loss; infinite where one of them
        is a hole.
    error_log : the same of log10 L, in parts of the drawn decades; None where a loss is not positive.
    pointwise : (largest, median) error at those points in parts of the loss there.
    kind : "interpolated" between the exact points, or a "bfloat16 preview", computed at each point with less precision.
    given : the same shape, bool: the points it was made for; None: all.
    """

    values: Float[np.ndarray, "..."]
    method: str
    held_out: int
    error_linear: float
    error_log: float | None
    pointwise: tuple[float, float]
    kind: Literal["interpolated", "bfloat16 preview"] = "interpolated"
    given: Bool[np.ndarray, "..."] | None = None

    @property
    def error(self) -> float:
        """The larger of the errors in the linear and in the log view."""
        return self.error_linear if self.error_log is None else max(self.error_linear, self.error_log)

    @property
    def words(self) -> str:
        """What a picture drawn from it says: `interpolated, held-out error 0.4 %`."""
        error = f"{percent(self.error)} %" if np.isfinite(self.error) else "not finite"
        return f"{self.kind}, held-out error {error}"


def percent(part: float) -> str:
    """A part in percent, rounded up to two digits: an error is never said smaller than it is.

    >>> percent(0.00373), percent(0.0121), percent(0.3), percent(0.0)
    ('0.38', '1.3', '30', '0')
    """
    if part <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(100 * part)) - 1)
    return np.format_float_positional(math.ceil(round(100 * part / unit, 9)) * unit, precision=9, trim="-")


@dataclasses.dataclass(frozen=True, eq=False)
class Surface(Result):
    """Loss over one or two directions: loss[j, i] at (alpha[i], beta[j]).

    Parameters
    ----------
    alpha : (n,), float64, in the unit of axes[0].
    beta : (m,), float64, in the unit of axes[1]; None for a curve.
    loss : (m, n) or (n,), float64; NaN where not yet computed, and where the loss is NaN: `known` tells them apart.
    known : same shape, bool: whether the point was computed.
    metrics : name -> array of the same shape, the metrics evaluated in the same passes.
    evaluations : points computed anew by this run (the others were reused).
    estimate : values beside the known points, labelled with their error; None where there are none.
    """

    alpha: Float[np.ndarray, " n"]
    beta: Float[np.ndarray, " m"] | None
    loss: Float[np.ndarray, "..."]
    known: Bool[np.ndarray, "..."]
    axes: tuple[Axis, ...]
    outcome: Outcome
    metrics: Mapping[str, Float[np.ndarray, "..."]] = dataclasses.field(default_factory=dict)
    evaluations: int = 0
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    estimate: Estimate | None = None

    @property
    def filled(self) -> Float[np.ndarray, "..."]:
        """Loss where it is known, its estimate elsewhere; NaN where there is neither."""
        return self.loss if self.estimate is None else np.where(self.known, self.loss, self.estimate.values)

    @property
    def drawable(self) -> Bool[np.ndarray, "..."]:
        """Where there is something to draw, a computed hole included: known, or given by the estimate."""
        if self.estimate is None:
            return self.known
        return self.known | (True if self.estimate.given is None else self.estimate.given)

    @property
    def estimated(self) -> str:
        """What of this surface is an estimate, and how wrong that was where it was checked; "" where nothing is."""
        estimate = self.estimate
        if estimate is None or self.done == self.total:
            return ""
        return (
            f"{self.done:,} of {self.total:,} points computed, the others {estimate.words} of the drawn range "
            f"({estimate.method}, {estimate.held_out} points held out)."
        )

    @property
    def done(self) -> int:
        """Points known so far."""
        return int(self.known.sum())

    @property
    def total(self) -> int:
        """Points of the whole grid."""
        return int(self.known.size)


@dataclasses.dataclass(frozen=True, eq=False)
class SliceCurvature(Result):
    """Curvature at the centre of a slice: the 2×2 Hessian [[A, B], [B, C]] in slice coordinates.

    Parameters
    ----------
    A, B, C : ηᵀHη, ηᵀHδ, δᵀHδ for the two direction vectors as given.
    kappa : (2,), float64, eigenvalues of [[A, B], [B, C]], descending.
    kappa_per_length : (2,), the same per unit of raw parameter distance, [[A, B], [B, C]] against the Gram matrix.
    kind : "minimum", "maximum", "saddle", "flat" (some curvature is zero to rounding) or "not finite".
    gradient : (2,), slope along each direction at the centre; NaN where the operator has no objective.
    loss : loss at the centre; NaN where the operator has no objective.
    gradient_norm : |∇L| at the centre over all parameters; NaN where the operator has no objective.
    """

    A: float
    B: float
    C: float
    kappa: Float[np.ndarray, "2"]
    kappa_per_length: Float[np.ndarray, "2"]
    kind: str
    axes: tuple[Axis, ...]
    gradient: Float[np.ndarray, "2"] = dataclasses.field(default_factory=lambda: np.full(2, np.nan))
    loss: float = float("nan")
    gradient_norm: float = float("nan")
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory(Result):
    """The checkpoints of a training run in the plane through the centre θ* that is drawn, and how far off it they lie.

    Parameters
    ----------
    coordinates : (n, k), float64, of each checkpoint's projection, in the unit of each axis; NaN before it is known.
    explained : (k,), share of the checkpoints' squared distance from `center` along each axis (what earlier axes have
        taken is not counted twice); together at most 1.
    residual : (n,), distance of each checkpoint from the plane, in raw parameter distance.
    distance : (n,), distance of each checkpoint from θ*, in raw parameter distance.
    steps : (n,), int64, training step of each; labels : what each is called.
    axes : one an axis of the plane; () before the principal components are known.
    center : what `explained` is taken about: "objective" (θ*), "last" or "mean".
    loss, projected_loss : (n,), float64, at the checkpoint and at its projection; NaN where not computed, and where the
        loss is NaN: `known` tells them apart.
    known : (n,), bool: whether both losses were computed.
    done, total : pieces of work done and in all; evaluations : how many of them were losses.
    """

    coordinates: Float[np.ndarray, "n k"]
    explained: Float[np.ndarray, " k"]
    residual: Float[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]
    steps: Int[np.ndarray, " n"]
    labels: tuple[str, ...]
    axes: tuple[Axis, ...]
    center: str
    loss: Float[np.ndarray, " n"]
    projected_loss: Float[np.ndarray, " n"]
    known: Bool[np.ndarray, " n"]
    outcome: Outcome
    done: int = 0
    total: int = 0
    evaluations: int = 0
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)
