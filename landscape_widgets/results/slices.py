"""Results about many random slices through one point: the sample drawn, and the laws it follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results.base import Result

KINDS = ("minimum", "maximum", "saddle", "flat")
"""What a slice can show at its centre; `SliceSample.kinds` counts in this order."""


@dataclasses.dataclass(frozen=True, eq=False)
class SliceSample(Result):
    """Curvature at the centre of S random slices: [[A, B], [B, C]] of each, with A = ηᵀHη, B = ηᵀHδ, C = δᵀHδ.

    Parameters
    ----------
    A, B, C : (S,), float64, for the direction vectors as they were drawn and normalised.
    kappa : (S, 2), eigenvalues of [[A, B], [B, C]], κ₊ before κ₋.
    kappa_per_length : (S, 2), the same against the Gram matrix of the directions: per unit of parameter distance,
        so that slices of any scale compare; NaN where the two directions are parallel.
    kinds : (S,), int8, what each slice shows, as an index into `KINDS`; "flat" is zero to rounding.
    seeds : (S, 2), int64, the seeds of both directions of each slice.
    total : slices asked for; `done` of them are here.
    products : Hessian-vector products spent; 0 where the Hessian is known to be diagonal.
    seed : of the whole sample.
    normalization : "raw", "unit" or "filter".
    size : number of parameters P.
    gradient_norm : |∇L| at the point; NaN where the operator has no objective, or not yet computed.
    """

    A: Float[np.ndarray, " S"]
    B: Float[np.ndarray, " S"]
    C: Float[np.ndarray, " S"]
    kappa: Float[np.ndarray, "S 2"]
    kappa_per_length: Float[np.ndarray, "S 2"]
    kinds: Int[np.ndarray, " S"]
    seeds: Int[np.ndarray, "S 2"]
    total: int
    products: int
    seed: int
    normalization: str
    size: int
    outcome: Outcome
    gradient_norm: float = float("nan")
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def done(self) -> int:
        """Slices computed so far."""
        return len(self.A)

    @property
    def counts(self) -> dict[str, int]:
        """How many slices show what."""
        return dict(zip(KINDS, np.bincount(self.kinds, minlength=len(KINDS)).tolist(), strict=True))

    @property
    def shares(self) -> dict[str, tuple[float, float, float]]:
        """The share of slices that show what, with its 95 % interval: (share, lower, upper)."""
        return {kind: wilson(count, self.done) for kind, count in self.counts.items()}

    @property
    def mean(self) -> Float[np.ndarray, "3"]:
        """The mean of A, B, C, (3,); NaN before the first slice."""
        return np.array([_mean(values) for values in (self.A, self.B, self.C)])

    @property
    def standard_error(self) -> Float[np.ndarray, "3"]:
        """The standard error of each mean, (3,): sample standard deviation / √S; NaN below two slices."""
        return np.array([_standard_error(values) for values in (self.A, self.B, self.C)])

    @property
    def running_mean(self) -> Float[np.ndarray, "S 3"]:
        """The mean of A, B, C over the first 1, 2, … S slices, (S, 3)."""
        totals = np.cumsum(np.stack([self.A, self.B, self.C], axis=1), axis=0)
        return totals / np.arange(1, self.done + 1)[:, None]

    @property
    def trace(self) -> float:
        """The trace of H estimated by these directions, mean of (A + C)/2 times 1 ("raw") or P ("unit").

        NaN under filter normalisation, where the mean curvature weighs every filter by its own length.
        """
        return self._trace_factor * _mean((self.A + self.C) / 2)

    @property
    def trace_error(self) -> float:
        """The standard error of `trace`."""
        return self._trace_factor * _standard_error((self.A + self.C) / 2)

    @property
    def frobenius_squared(self) -> float:
        """‖H‖_F² estimated by these directions, mean of B² times 1 ("raw") or P² ("unit"); NaN under "filter"."""
        return self._trace_factor**2 * _mean(self.B**2)

    @property
    def frobenius_squared_error(self) -> float:
        """The standard error of `frobenius_squared`."""
        return self._trace_factor**2 * _standard_error(self.B**2)

    @property
    def _trace_factor(self) -> float:
        return {"raw": 1.0, "unit": float(self.size)}.get(self.normalization, float("nan"))


@dataclasses.dataclass(frozen=True, eq=False)
class SliceStanding(Result):
    """Where the curvatures of one slice stand among those of a sample.

    Parameters
    ----------
    kappa_per_length : (2,), of the slice, κ₊ before κ₋, per unit of parameter distance.
    below : (2,), share of the sample's κ₊ (κ₋) that lie below it; ties count half.
    interval : (2, 2), 95 % interval of each share over the draw of the sample.
    draws : slices in the sample.
    words : the same in one sentence.
    """

    kappa_per_length: Float[np.ndarray, "2"]
    below: Float[np.ndarray, "2"]
    interval: Float[np.ndarray, "2 2"]
    draws: int
    words: str


@dataclasses.dataclass(frozen=True, eq=False)
class SliceDensity(Result):
    """The probability density of one curvature of a random slice.

    Parameters
    ----------
    name : "A", "B", "C", "kappa_plus" or "kappa_minus".
    points : (n,), where; density : (n,), what; infinite at a point where the law is singular.
    method : how it was computed; "asymptotic" in it where the law itself is one.
    truncation : |characteristic function| at the end of the integral, 0 where nothing was left out.
    approximation : whether the density is not the exact law of the spectrum.
    note : what a reader should know, "" for nothing.
    """

    name: str
    points: Float[np.ndarray, " n"]
    density: Float[np.ndarray, " n"]
    method: str
    truncation: float
    approximation: bool
    note: str = ""
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class SliceProbabilities(Result):
    """The probability that one random slice shows a minimum, a maximum, a saddle, by formula and by simulation.

    Parameters
    ----------
    asymptotic : (3,), the Gaussian formula, in the order minimum, maximum, saddle.
    simulated : (3,), drawn from the law of the spectrum.
    standard_error : (3,), of `simulated`, from (count + ½)/(draws + 1), so never 0.
    t : tr H / ‖H‖_F.
    outlier_ratio : λ²max / ‖H‖_F²; the formula is for values far below 1.
    gaussian_holds : whether the formula may be believed; `words` says why.
    approximation : whether the spectrum itself is only partly known.
    """

    asymptotic: Float[np.ndarray, "3"]
    simulated: Float[np.ndarray, "3"]
    standard_error: Float[np.ndarray, "3"]
    draws: int
    seed: int
    t: float
    outlier_ratio: float
    gaussian_holds: bool
    approximation: bool
    words: str
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def wilson(count: float, total: int) -> tuple[float, float, float]:
    """A share and its 95 % Wilson score interval (share, lower, upper); NaN of nothing.

    Source: E. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).

    >>> [round(value, 4) for value in wilson(0, 1000)]
    [0.0, 0.0, 0.0038]
    """
    if not 0 <= count <= total:
        raise InputError(f"expected a count from 0 to {total}, got {count}", "count within the sample")
    if total == 0:
        return (float("nan"), float("nan"), float("nan"))
    z = 1.959963984540054
    share, spread = count / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / total + spread / (4 * total)))
    return (share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
