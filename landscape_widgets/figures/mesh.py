"""The points that are drawn: the finest complete grid, its height anywhere, and the lowest point found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from landscape_widgets.results import Surface


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A complete rectangle of points: loss[j, i] at (x[i], y[j]), or loss[i] at x[i] where y is None.

    `metrics` are what else is known there, by name, each of the shape of the loss; `exact` is where the loss was
    computed, False where it is an estimate.
    """

    x: np.ndarray
    y: np.ndarray | None
    loss: np.ndarray
    exact: np.ndarray
    metrics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Lowest:
    """The lowest computed loss, and where it is; `beta` is None on a curve."""

    alpha: float
    beta: float | None
    loss: float


def coordinates_of(surface: Surface) -> list[np.ndarray]:
    """One array a direction."""
    return [surface.alpha] if surface.beta is None else [surface.alpha, surface.beta]


def mesh_of(surface: Surface) -> Mesh | None:
    """The finest complete grid of points that are known or estimated; None where there is none.

    Coordinates ascend.
    """
    coordinates = coordinates_of(surface)
    found = complete_grid(surface.drawable)
    if found is None:
        return None
    orders = [
        index[np.argsort(axis[index], kind="stable")] for axis, index in zip(coordinates, reversed(found), strict=True)
    ]
    chosen = np.ix_(*reversed(orders))
    points = [axis[order].astype(np.float64) for axis, order in zip(coordinates, orders, strict=True)]
    metrics = {name: values[chosen].astype(np.float64) for name, values in surface.metrics.items()}
    loss = surface.filled[chosen].astype(np.float64)
    return Mesh(points[0], points[1] if len(points) == 2 else None, loss, surface.known[chosen], metrics)


def lowest_of(surface: Surface) -> Lowest | None:
    """The lowest finite loss among all computed points, the first of equals; None where there is none."""
    computed = np.where(surface.known & np.isfinite(surface.loss), surface.loss, np.inf)
    if not np.isfinite(computed).any():
        return None
    at = np.unravel_index(int(computed.argmin()), computed.shape)
    alpha = float(surface.alpha[at[-1]])
    beta = None if surface.beta is None else float(surface.beta[at[0]])
    return Lowest(alpha, beta, float(computed[at]))


def height_at(mesh: Mesh, z: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights z of the drawn mesh at (x, y), bilinear; NaN outside of the window and in holes."""
    assert mesh.y is not None
    left, across = _cells(mesh.x, x)
    below, along = _cells(mesh.y, y)
    right, above = np.minimum(left + 1, len(mesh.x) - 1), np.minimum(below + 1, len(mesh.y) - 1)
    near = _blend(z[below, left], z[below, right], across)
    far = _blend(z[above, left], z[above, right], across)
    inside = (mesh.x[0] <= x) & (x <= mesh.x[-1]) & (mesh.y[0] <= y) & (y <= mesh.y[-1])
    return np.asarray(np.where(inside, _blend(near, far, along), np.nan))


def _cells(axis: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell in which each value lies, and how far along it."""
    cell = np.clip(np.searchsorted(axis, values, side="right") - 1, 0, max(len(axis) - 2, 0))
    start, end = axis[cell], axis[np.minimum(cell + 1, len(axis) - 1)]
    part = np.divide(values - start, end - start, out=np.zeros(np.shape(values)), where=end > start)
    return cell, part


def _blend(start: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    """A weight of 0 asks for nothing: a hole beside the point does not make it a hole."""
    return np.asarray(np.where(part == 0, start, np.where(part == 1, end, start + part * (end - start))))


def complete_grid(known: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """Indices, one array a dimension, of the finest nested grid that is known everywhere; None where there is none.

    >>> known = np.zeros((13, 13), dtype=bool)
    >>> known[::2, ::2] = True
    >>> [len(index) for index in complete_grid(known)]
    [7, 7]
    """
    best: tuple[np.ndarray, ...] | None = None
    options = [nested_indices(count) for count in known.shape]
    for indices in np.ndindex(*(len(option) for option in options)):
        grid = tuple(option[i] for option, i in zip(options, indices, strict=True))
        size = math.prod(len(index) for index in grid)
        if (best is None or size > math.prod(len(index) for index in best)) and known[np.ix_(*grid)].all():
            best = grid
    return best


def nested_indices(count: int) -> list[np.ndarray]:
    """Nested grids of an axis, coarse to fine: the centre ± k·s and both ends, s halving to 1."""
    centre, stride = (count - 1) // 2, 1
    strides = [1]
    while stride * 2 <= centre:
        stride *= 2
        strides.append(stride)
    return [np.union1d(np.arange(centre % s, count, s), [0, count - 1]) for s in reversed(strides)]
