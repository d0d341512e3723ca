"""Surfaces between exact points: tensor splines and polynomials, and how far they are from exact values."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial import chebyshev
from scipy import interpolate, ndimage

from landscape_widgets.results import Estimate

DEGREE = 8
"""Highest degree an axis of the polynomial: more would swing between evenly spaced points."""

TINY = float(np.finfo(float).tiny)

Array = np.ndarray
Map = Callable[[Array], Array]

SCALES: dict[str, tuple[Map, Map]] = {
    "log L": (np.log, np.exp),
    "L": (np.positive, np.positive),
    "√L": (np.sqrt, np.square),
}
"""What a spline may go through, and the way back; without roots and logarithms where a loss is not positive."""


@dataclasses.dataclass(frozen=True)
class Spans:
    """What errors are relative to: the drawn range of the loss, and its decades, None where a loss is not positive."""

    linear: float
    log: float | None

    @classmethod
    def of(cls, losses: Float[Array, "..."]) -> Spans:
        """The spans of the finite ones among these losses, at least one."""
        finite = losses[np.isfinite(losses)]
        linear = float(np.ptp(finite))
        positive = bool((finite > 0).all())
        return cls(
            _wide(linear, finite), _wide(float(np.ptp(np.log10(finite))), np.log10(finite)) if positive else None
        )

    def errors(
        self, estimate: Float[Array, "*shape"], exact: Float[Array, "*shape"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"] | None]:
        """Errors in the linear and in the log view; infinite where one value cannot be drawn."""
        with np.errstate(invalid="ignore"):
            linear = np.abs(estimate - exact) / self.linear
        linear[~np.isfinite(linear)] = np.inf
        if self.log is None:
            return linear, None
        with np.errstate(invalid="ignore", divide="ignore"):
            log = np.abs(np.log10(estimate) - np.log10(exact)) / self.log
        log[~np.isfinite(log)] = np.inf
        return linear, log

    def largest(self, estimate: Float[Array, " n"], exact: Float[Array, " n"]) -> dict[str, Any]:
        """What an `Estimate` says of its errors at held-out points: the largest in each view, and pointwise."""
        linear, log = self.errors(estimate, exact)
        with np.errstate(invalid="ignore"):
            relative = np.abs(estimate - exact) / np.maximum(np.abs(exact), TINY)
        return {
            "error_linear": float(linear.max()),
            "error_log": None if log is None else float(log.max()),
            "pointwise": (float(relative.max()), float(np.median(relative))),
        }

    def distance(self, estimate: Float[Array, "*shape"], exact: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The larger error of both views."""
        linear, log = self.errors(estimate, exact)
        return linear if log is None else np.maximum(linear, log)


@dataclasses.dataclass(frozen=True, eq=False)
class Fits:
    """Interpolations of a surface through the points of a coarser grid, each on the whole grid.

    Parameters
    ----------
    samples : values of the coarser grid; some may be NaN or infinite, not all.
    indices : its positions along each axis of the whole grid, ascending, ends included.
    shape : of the whole grid.
    computed : how many of the samples are exact; the others are estimates of a still coarser grid. None: all.

    Raises nothing; a fit holds NaN within two cells of a hole, where no interpolation is to be trusted.

    >>> line = np.arange(0.0, 13.0) ** 2 + 1.0
    >>> fits = Fits(line[::2], (np.arange(0, 13, 2),), line.shape)
    >>> sorted(fits.values), bool(np.allclose(fits.values["cubic spline of L"], line))
    (['Chebyshev polynomial', 'cubic spline of L', 'cubic spline of log L', 'cubic spline of √L'], True)
    """

    samples: Float[Array, "..."]
    indices: tuple[Array, ...]
    shape: tuple[int, ...]
    computed: int | None = None

    @functools.cached_property
    def values(self) -> dict[str, Float[Array, "..."]]:
        """Each fit by its name."""
        samples = _patched(self.samples)
        positive = bool((samples > 0).all())
        splines = [spline_matrix(index, count) for index, count in zip(self.indices, self.shape, strict=True)]
        found = {
            f"cubic spline of {name}": back(_apply(splines, forward(samples)))
            for name, (forward, back) in SCALES.items()
            if positive or name == "L"
        }
        polynomials = [polynomial_matrix(index, count) for index, count in zip(self.indices, self.shape, strict=True)]
        found["Chebyshev polynomial"] = _apply(polynomials, samples)
        return {name: np.where(self.near_holes, np.nan, fit) for name, fit in found.items()}

    @functools.cached_property
    def near_holes(self) -> Bool[Array, "..."]:
        """Points within two cells of the coarser grid from a hole."""
        holes = ~np.isfinite(self.samples)
        wide = ndimage.binary_dilation(holes, np.ones((3,) * holes.ndim)) if holes.any() else holes
        for axis, (index, count) in enumerate(zip(self.indices, self.shape, strict=True)):
            above = np.searchsorted(index, np.arange(count))
            below = np.searchsorted(index, np.arange(count), side="right") - 1
            wide = wide.take(above, axis) | wide.take(below, axis)
        return np.asarray(wide)

    @functools.cached_property
    def mesh(self) -> Bool[Array, "..."]:
        """The points that the fits go through or near."""
        mesh = np.zeros(self.shape, dtype=bool)
        mesh[np.ix_(*self.indices)] = True
        return mesh

    def around(self, places: Bool[Array, "..."]) -> Bool[Array, "..."]:
        """These points and all within a cell of the coarser grid."""
        return np.asarray(ndimage.maximum_filter(places, [2 * reach + 1 for reach in self.reaches]))

    @property
    def reaches(self) -> list[int]:
        """Points of the whole grid in the widest cell of the coarser one, along each axis."""
        return [int(np.diff(index).max()) for index in self.indices]

    @functools.cached_property
    def disagreements(self) -> list[Float[Array, "..."]]:
        """How far the first fit is from the second and from the last: large where the surface is badly known.

        0 at the points of the mesh, infinite near holes.
        """
        spans = Spans.of(self.samples)
        first, *others = self.values.values()
        return [np.where(self.mesh, 0.0, spans.distance(first, other)) for other in (others[0], others[-1])]

    def doubt(self, name: str) -> Float[Array, "..."]:
        """How far a fit is from that of the others which is closest to it there: small where two of them agree.

        0 at the points of the mesh, infinite near holes.
        """
        spans, own = Spans.of(self.samples), self.values[name]
        others = [spans.distance(own, fit) for other, fit in self.values.items() if other != name]
        return np.where(self.mesh, 0.0, np.min(others, axis=0))

    def closest(self, losses: Float[Array, "..."], held_out: Bool[Array, "..."], spans: Spans) -> str:
        """Name of the fit with the least error at the held-out points, at least one, with these losses."""
        exact = losses[held_out]
        return min(self.values, key=lambda one: float(spans.distance(self.values[one][held_out], exact).max()))

    def estimate(self, name: str, losses: Float[Array, "..."], held_out: Bool[Array, "..."], spans: Spans) -> Estimate:
        """A fit with its errors at the held-out points.

        Parameters
        ----------
        name : of the fit.
        losses : of the whole grid, NaN where not known; these stand in the estimate.
        held_out : known points that the fit does not go through, at least one.
        spans : what errors are relative to.
        """
        fit, exact = self.values[name], losses[held_out]
        points = " × ".join(str(len(index)) for index in reversed(self.indices)) + " points"
        if self.computed is not None and self.computed < self.samples.size:
            points += f", {self.computed} of them computed"
        return Estimate(
            values=np.where(np.isnan(losses), fit, losses),
            method=f"{name} through {points}",
            held_out=int(held_out.sum()),
            **spans.largest(fit[held_out], exact),
        )


def spline_matrix(index: Array, count: int) -> Float[Array, "n m"]:
    """The matrix from samples at `index` to the not-a-knot cubic spline at 0 … count - 1, lower for few samples."""
    spline = interpolate.make_interp_spline(index, np.eye(len(index)), k=min(3, len(index) - 1))
    return np.asarray(spline(np.arange(count)))


def polynomial_matrix(index: Array, count: int) -> Float[Array, "n m"]:
    """The matrix from samples at `index` to the least-squares Chebyshev polynomial of degree ≤ 8 at 0 … count - 1."""
    places = np.linspace(-1.0, 1.0, count)
    degree = min(len(index) - 1, DEGREE)
    basis = chebyshev.chebvander(places, degree)
    return np.asarray(basis @ np.linalg.pinv(basis[index]))


def _apply(matrices: Sequence[Array], samples: Array) -> Array:
    """One matrix an axis."""
    for axis, matrix in enumerate(matrices):
        samples = np.moveaxis(np.tensordot(matrix, samples, (1, axis)), 0, axis)
    return samples


def _patched(samples: Array) -> Array:
    """Holes take the nearest value, so that the fits stay finite away from them."""
    holes = ~np.isfinite(samples)
    if not holes.any():
        return samples
    nearest = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return np.asarray(samples[tuple(nearest)])


def _wide(span: float, values: Array) -> float:
    """A span no smaller than rounding, so that a constant can be compared."""
    return max(span, 1e-6 * float(np.abs(values).max()), 1e-12)
