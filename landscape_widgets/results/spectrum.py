"""Results about spectra: the density of eigenvalues, and how it changes over a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results.base import Result

CHANGE = 0.02
"""Share of the drawn density that leaving out the last steps may move, before a caution says so."""

NOISE = 0.1
"""Average standard error between probes, as a share of the density, before a caution says so."""


@dataclasses.dataclass(frozen=True, eq=False)
class SpectrumEstimate(Result):
    """The density of eigenvalues φ(x) = 1/P Σ_i δ(x - λ_i), estimated by a Gauss quadrature a probe.

    Every probe v gives nodes θ_j and weights w_j that sum to 1: ∫ f dφ ≈ mean over probes of Σ_j w_j f(θ_j), where
    Σ_j w_j θ_jᵏ = vᵀAᵏv exactly for k ≤ 2m - 1 after m steps. The last probe may be under way: densities,
    moments and their errors take the finished ones, and the running one only while there is no other.

    Parameters
    ----------
    nodes : (n,), float64, Ritz values of all probes, ascending within each; weights : (n,), theirs.
    residuals : (n,), estimates of |Ay - θy|: within it of each node lies an eigenvalue of A.
    probe : (n,), int64, the probe of each node.
    coarse_nodes, coarse_weights, coarse_probe : the same with a fifth of the steps left out; finished probes only.
    taken : (k,), int64, steps of each probe; exact : (k,), bool, whether its Krylov space was exhausted, so that its
        quadrature is vᵀf(A)v for every f.
    finished : probes that have ended; steps, probes : as asked for; size : P.
    products : matrix-vector products begun; total : how many there are at most.
    """

    nodes: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    residuals: Float[np.ndarray, " n"]
    probe: Int[np.ndarray, " n"]
    coarse_nodes: Float[np.ndarray, " c"]
    coarse_weights: Float[np.ndarray, " c"]
    coarse_probe: Int[np.ndarray, " c"]
    taken: Int[np.ndarray, " k"]
    exact: Bool[np.ndarray, " k"]
    finished: int
    steps: int
    probes: int
    size: int
    products: int
    total: int
    outcome: Outcome
    seed: int
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def used(self) -> int:
        """How many probes densities and moments are means over."""
        return self.finished if self.finished else len(self.taken)

    @property
    def mass(self) -> float:
        """∫ dφ, the sum of the weights over the number of probes: 1 to rounding; NaN before the first product."""
        return self.moment(0)[0]

    @property
    def lowest(self) -> tuple[float, float]:
        """The smallest Ritz value of all probes and its residual; λ_min is no larger. NaN before there is one."""
        return self._end(int(np.argmin(self.nodes))) if len(self.nodes) else (np.nan, np.nan)

    @property
    def highest(self) -> tuple[float, float]:
        """The largest Ritz value of all probes and its residual; λ_max is no smaller. NaN before there is one."""
        return self._end(int(np.argmax(self.nodes))) if len(self.nodes) else (np.nan, np.nan)

    @property
    def width(self) -> float:
        """The default width σ of smoothing: (λ_max - λ_min) / steps, below which m nodes resolve little.

        Where all nodes are equal, a hundredth of their size (or of 1).
        """
        if not len(self.nodes):
            return float("nan")
        width = (self.highest[0] - self.lowest[0]) / self.steps
        size = max(abs(self.highest[0]), abs(self.lowest[0]))
        return width if width > 1e-12 * size else 0.01 * (size or 1.0)

    def grid(self, points: int = 401, width: float | None = None) -> Float[np.ndarray, " m"]:
        """Where to draw the density: `points` values from four widths below the lowest node to four above the highest.

        (0,) before there is a node.
        """
        margin = 4 * (self.width if width is None else width)
        ends = self.lowest[0] - margin, self.highest[0] + margin
        return np.linspace(*ends, points) if len(self.nodes) else np.empty(0)

    def density(self, x: Any, width: float | None = None) -> Float[np.ndarray, "..."]:
        """The smoothed density at x, per unit of eigenvalue: Σ_j w_j N(x; θ_j, σ²), the mean over probes.

        Parameters
        ----------
        x : eigenvalues, any shape.
        width : σ of the Gaussian, in the unit of the eigenvalues; None takes `width`.
        """
        return self._mean(self._densities(x, width))

    def spread(self, x: Any, width: float | None = None) -> Float[np.ndarray, "..."]:
        """The standard error of `density` at x, from the differences between probes; NaN with fewer than two."""
        return _standard_error(self._densities(x, width))

    def cumulative(self, x: Any) -> Float[np.ndarray, "..."]:
        """The share of eigenvalues at or below x, without smoothing: a step at every node."""
        return self._mean(self._cumulatives(x))

    def cumulative_spread(self, x: Any) -> Float[np.ndarray, "..."]:
        """The standard error of `cumulative` at x, from the differences between probes; NaN with fewer than two."""
        return _standard_error(self._cumulatives(x))

    def moment(self, order: int) -> tuple[float, float]:
        """Σ_i λ_i^order / P and its standard error (NaN with fewer than two probes).

        Unbiased for order ≤ 2m - 1 after m steps a probe, and for every order where the probes are exact.
        """
        values = self._each(lambda nodes, weights: np.asarray((weights * nodes**order).sum()), np.empty(()))
        return float(self._mean(values)), float(_standard_error(values))

    @property
    def trace(self) -> tuple[float, float]:
        """The trace Σ_i λ_i = P times the first moment, and its standard error."""
        value, error = self.moment(1)
        return self.size * value, self.size * error

    def change(self, width: float | None = None) -> float:
        """The share of the smoothed density that moves when a fifth of the steps is left out, ½∫|φ_m - φ_{m-m/5}| dx.

        Between 0 and 1; NaN before a probe has ended, and after a single step.
        """
        if not self.finished or not len(self.coarse_nodes):
            return float("nan")
        sigma = self.width if width is None else width
        x = self._fine_grid(sigma)
        fewer = _each(
            self.coarse_probe,
            self.coarse_nodes,
            self.coarse_weights,
            self.finished,
            _kernel(x, sigma),
            np.empty(x.shape),
        )
        return float(0.5 * np.abs(self.density(x, sigma) - fewer.mean(axis=0)).sum() * (x[1] - x[0]))

    def noise(self, width: float | None = None) -> float:
        """The average standard error of the smoothed density, as a share of it, ∫ spread dx; NaN with one probe."""
        if self.used < 2:
            return float("nan")
        sigma = self.width if width is None else width
        x = self._fine_grid(sigma)
        return float(self.spread(x, sigma).sum() * (x[1] - x[0]))

    def caution(self, width: float | None = None) -> str:
        """What keeps the density smoothed so from being taken at its word, in sentences; "" where nothing is known to.

        The steps are enough for the default width nearly always; for a narrower one often not.
        """
        if not self.finished:
            return "No probe has ended yet: the density is that of one unfinished probe."
        sigma = self.width if width is None else width
        words, change = [], self.change(sigma)
        if np.isnan(change):
            words.append("One step a probe knows the mean of the spectrum only: take more steps.")
        elif change > CHANGE:
            words.append(
                f"Not yet converged in steps: without the last fifth of them {100 * change:.0f} % of the density "
                f"lies elsewhere, at a width of {sigma:.2g}. Take more steps, or a larger width."
            )
        if self.finished < 2:
            words.append("One probe: how far chance moves the density is not known. Take more probes.")
        elif (noise := self.noise(sigma)) > NOISE:
            words.append(
                f"Few probes: the standard error between them is {100 * noise:.0f} % of the density on average. "
                "Take more probes."
            )
        elif (doubt := self._doubt_of_size()) > NOISE:
            words.append(
                f"Few probes: a few large eigenvalues carry the spectrum, its mean |λ| is known to {100 * doubt:.0f} % "
                "only. Take more probes."
            )
        return " ".join(words)

    @property
    def summary(self) -> str:
        """One sentence on what was computed."""
        probes = f"{self.finished} of {self.probes} probes" if self.finished < self.probes else _count(self.probes)
        if not self.finished:
            return f"{probes}, {self.products} of at most {self.total} products."
        taken = self.taken[: self.finished]
        steps = str(taken[0]) if (taken == taken[0]).all() else f"{taken.min()} to {taken.max()}"
        if not self.exact[: self.finished].all():
            return f"{probes} × {steps} steps, {self.products} products, width {self.width:.2g}."
        return f"{probes} × {steps} steps, which exhaust the Krylov space: the quadrature of every probe is exact."

    def _doubt_of_size(self) -> float:
        """The standard error of the mean |λ|, relative to it."""
        sizes = self._each(lambda nodes, weights: np.asarray((weights * np.abs(nodes)).sum()), np.empty(()))
        mean = float(self._mean(sizes))
        return float(_standard_error(sizes)) / mean if mean else 0.0

    def _end(self, index: int) -> tuple[float, float]:
        return float(self.nodes[index]), float(self.residuals[index])

    def _fine_grid(self, sigma: float) -> Float[np.ndarray, " m"]:
        """Points a quarter of a width apart (at most 20,000), to integrate over the density."""
        reach = self.highest[0] - self.lowest[0] + 10 * sigma
        points = int(min(4 * reach / sigma, 2e4)) + 2
        return np.linspace(self.lowest[0] - 5 * sigma, self.highest[0] + 5 * sigma, points)

    def _each(self, function: Callable[..., np.ndarray], empty: np.ndarray) -> Float[np.ndarray, "k ..."]:
        """function(nodes, weights) of every probe that is used, stacked."""
        return _each(self.probe, self.nodes, self.weights, self.used, function, empty)

    def _densities(self, x: Any, width: float | None) -> Float[np.ndarray, "k ..."]:
        x = np.asarray(x, dtype=np.float64)
        return self._each(_kernel(x, self.width if width is None else width), np.empty(x.shape))

    def _cumulatives(self, x: Any) -> Float[np.ndarray, "k ..."]:
        x = np.asarray(x, dtype=np.float64)

        def steps(nodes: np.ndarray, weights: np.ndarray) -> np.ndarray:
            below: np.ndarray = np.r_[0.0, np.cumsum(weights)][np.searchsorted(nodes, x, side="right")]
            return below

        return self._each(steps, np.empty(x.shape))

    @staticmethod
    def _mean(values: np.ndarray) -> Float[np.ndarray, "..."]:
        return np.asarray(values.mean(axis=0)) if len(values) else np.full(values.shape[1:], np.nan)


@dataclasses.dataclass(frozen=True, eq=False)
class SpectrumHistory(Result):
    """Extreme eigenvalues and trace of the Hessian at the checkpoints of a training run.

    Parameters
    ----------
    steps : (n,), int64, training step of each checkpoint; labels : what each is called.
    values : (n, k), float64, `largest` from the top end, then the others from the bottom end, descending; NaN where
        not yet known.
    residuals : (n, k), |Hv - λv|: true residuals of a finished checkpoint, Lanczos estimates of the running one.
    bounds : (n, k), what each residual is held against.
    trace, trace_error : (n,), an unbiased estimate of tr H, and its standard error; NaN where not computed.
    outcomes : (n,), how each checkpoint ended, in words; "" before.
    largest : how many of the values are from the top end.
    size : P, number of parameters.
    products : Hessian-vector products in all.
    """

    steps: Int[np.ndarray, " n"]
    labels: tuple[str, ...]
    values: Float[np.ndarray, "n k"]
    residuals: Float[np.ndarray, "n k"]
    bounds: Float[np.ndarray, "n k"]
    trace: Float[np.ndarray, " n"]
    trace_error: Float[np.ndarray, " n"]
    outcomes: tuple[str, ...]
    largest: int
    size: int
    products: int
    outcome: Outcome
    seed: int
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Which checkpoints are done, (n,) bool, whatever came of them."""
        return np.array([bool(words) for words in self.outcomes], dtype=bool)

    @property
    def accepted(self) -> Bool[np.ndarray, "n k"]:
        """Which eigenvalues meet their bound, (n, k) bool."""
        return self.residuals <= self.bounds

    @property
    def done(self) -> int:
        """Checkpoints done so far."""
        return int(self.known.sum())

    @property
    def total(self) -> int:
        """Checkpoints in all."""
        return len(self.outcomes)


def _each(
    probe: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
    count: int,
    function: Callable[..., np.ndarray],
    empty: np.ndarray,
) -> Float[np.ndarray, "k ..."]:
    """function(nodes, weights) of the first `count` probes, stacked; (0, ...) of the shape of `empty` for none."""
    chosen = [probe == number for number in range(count)]
    found = [function(nodes[mine], weights[mine]) for mine in chosen if mine.any()]
    return np.stack(found) if found else np.empty((0, *empty.shape))


def _kernel(x: np.ndarray, sigma: float) -> Callable[..., np.ndarray]:
    if sigma <= 0:
        raise InputError(f"expected a width above 0, got {sigma}", "leave it out for the default")

    def smoothed(nodes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        bells: np.ndarray = np.exp(-0.5 * ((x[..., None] - nodes) / sigma) ** 2) @ (weights / sigma)
        return np.asarray(bells / np.sqrt(2 * np.pi))

    return smoothed


def _standard_error(values: np.ndarray) -> Float[np.ndarray, "..."]:
    """Of the mean over the first axis; NaN for fewer than two."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _count(probes: int) -> str:
    return f"{probes} probe" + "s" * (probes != 1)
