"""Whose slices a saddle lab shows: the toy saddle, in closed form, or a user's own model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from landscape_widgets.compute import directions
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.random_slices import average_surface, slice_seeds
from landscape_widgets.compute.stream import Stream
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.errors import Outcome
from landscape_widgets.protocol.labs import SliceScale
from landscape_widgets.results import Direction, Eigenpairs, SliceSample, Surface
from landscape_widgets.session.saddle_laws import Prediction, exact_toy, laws_of
from landscape_widgets.zoo.saddle import toy_saddle

ENDS = (10, 2)
"""Largest and smallest eigenpairs of a model: the outliers of a trained net, and both ends."""


@dataclasses.dataclass(frozen=True)
class Window:
    """Where a slice is looked at: its scale, ± how far in that scale, and points an axis of the finished picture."""

    scale: SliceScale
    extent: float
    points: int

    def axis(self, count: int | None = None) -> Float[np.ndarray, " n"]:
        """Coordinates of an axis, an exact zero in the middle."""
        half = (self.points if count is None else count) // 2
        values: np.ndarray = np.arange(-half, half + 1) / half * self.extent
        return values


@dataclasses.dataclass(frozen=True, eq=False)
class Patch:
    """Heights above the centre on a square grid, (k, k), at least as coarse as the window asks for."""

    heights: Float[np.ndarray, "k k"]
    kappa: tuple[float, ...]
    alpha: str
    beta: str


class ToyPoint:
    """The toy saddle, everything in closed form.

    Parameters
    ----------
    n, positive : as for `zoo.toy_saddle`, which refuses others.
    """

    toy = True

    def __init__(self, n: int, positive: int) -> None:
        self.n, self.positive = n, positive
        self.model = toy_saddle(n, positive)[0]
        self.operator = self.model.hessian_operator()
        self.size = self.operator.size
        self.name = f"toy saddle, n = {n:,}, ñ = {positive:,}: {self.size:,} parameters"
        self.scales: tuple[SliceScale, ...] = ("raw", "unit")
        self.lengths: tuple[float, ...] = (math.sqrt(self.size), 1.0)
        self._ends: dict[tuple[int, SliceScale], np.ndarray] = {}

    def direction(self, seed: int, scale: SliceScale) -> torch.Tensor:
        """A random direction as `RandomSlices` draws it, (N,), float64."""
        drawn = normal_vector(self.size, seed, "cpu", torch.float64)
        return drawn / drawn.norm() if scale == "unit" else drawn

    def random(self, seed: int, number: int, window: Window) -> Iterator[Patch]:
        """The exact slice, ½ (1 + αη_N + βδ_N)(Aα² + 2Bαβ + Cβ²)."""
        eta, delta = (self.direction(int(one), window.scale) for one in slice_seeds(seed, number))
        yield Patch(self._slice(eta, delta, window), (), "α η", "β δ")

    def known_random(self, seed: int, number: int, window: Window) -> Patch | None:
        """The same at once."""
        return next(self.random(seed, number, window))

    def known_hessian(self, window: Window) -> Patch | None:
        """The Hessian slice at once."""
        return next(self.hessian(window))

    def hessian(self, window: Window) -> Iterator[Patch]:
        """The exact slice along eigenvectors of the largest and the smallest eigenvalue, as long as a random one."""
        length = length_of(self, window.scale)
        diagonal = self.model.hessian_diagonal()
        ends = torch.zeros(2, self.size, dtype=torch.float64)
        ends[0, int(diagonal.argmax())] = ends[1, int(diagonal.argmin())] = length
        kappa = (float(diagonal.max()) * length**2, float(diagonal.min()) * length**2)
        names = [f"λ_{end} = {value:+.0f}" for end, value in (("max", diagonal.max()), ("min", diagonal.min()))]
        yield Patch(self._slice(ends[0], ends[1], window), kappa, f"α {names[0]}", f"β {names[1]}")

    def _slice(self, eta: torch.Tensor, delta: torch.Tensor, window: Window) -> np.ndarray:
        axis = torch.from_numpy(window.axis())
        found: np.ndarray = self.model.slice_loss(axis, axis, eta, delta).numpy()
        return found

    def average(self, sample: SliceSample, window: Window) -> Float[np.ndarray, "k k"]:
        """The exact mean of ½ (1 + αη_N + βδ_N)(Aα² + 2Bαβ + Cβ²) over the slices."""
        axis = window.axis()
        a, b = axis[None, :], axis[:, None]
        eta, delta = self._last_elements(sample).T
        mean = np.stack(
            [
                sample.A * eta,
                2 * sample.B * eta + sample.A * delta,
                sample.C * eta + 2 * sample.B * delta,
                sample.C * delta,
            ]
        ).mean(axis=1)
        cubic = mean[0] * a**3 + mean[1] * a**2 * b + mean[2] * a * b**2 + mean[3] * b**3
        surface: np.ndarray = average_surface(sample, axis, axis) + 0.5 * cubic
        return surface

    def _last_elements(self, sample: SliceSample) -> np.ndarray:
        """η_N and δ_N of every slice, (S, 2); those seen before are kept."""
        scale: Any = sample.normalization
        known = self._ends.get((sample.seed, scale), np.empty((0, 2)))
        fresh = [[float(self.direction(int(seed), scale)[-1]) for seed in pair] for pair in sample.seeds[len(known) :]]
        if fresh:
            known = np.concatenate([known, np.array(fresh)])
            self._ends = {(sample.seed, scale): known}
        return known[: sample.done]

    def predictions(self) -> Iterator[Prediction]:
        """The exact law of the spectrum."""
        yield exact_toy(self.n, self.positive)


class ModelPoint:
    """A user's own model at its centre; the caches are kept as long as the lab.

    Parameters
    ----------
    objective : the loss.
    """

    toy = False

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.operator = HessianOperator(objective)
        self.size = objective.size
        self.name = f"{objective.name}: {objective.size:,} parameters"
        self.scales: tuple[SliceScale, ...] = ("raw", "unit", "filter")
        self.lengths: tuple[float, ...] = (math.sqrt(self.size), 1.0, directions.weight_norm(objective))
        self.pairs: Eigenpairs | None = None
        self._search: Stream[Eigenpairs, Any] | None = None
        self._laws: Iterator[Prediction | None] | None = None
        self._prediction: Prediction | None = None
        self._surfaces: dict[tuple[Any, ...], Surface] = {}

    def random(self, seed: int, number: int, window: Window) -> Iterator[Patch]:
        """The loss on a grid along the two directions of the slice."""
        normalize = None if window.scale == "raw" else window.scale
        pair = [directions.random(self.objective, int(one), normalize) for one in slice_seeds(seed, number)]
        for heights in self._grid(pair, window, (seed, number)):
            yield Patch(heights, (), "α η", "β δ")

    def known_random(self, seed: int, number: int, window: Window) -> Patch | None:
        """The same where it is computed already."""
        known = self._surfaces.get((seed, number, window))
        return None if known is None else Patch(known.loss - _centre(known.loss), (), "α η", "β δ")

    def known_hessian(self, window: Window) -> Patch | None:
        """The Hessian slice where it is computed already."""
        return next(self.hessian(window), None) if ("hessian", window) in self._surfaces else None

    def hessian(self, window: Window) -> Iterator[Patch | None]:
        """The loss on a grid along both eigenvectors, as long as a random direction of this scale."""
        for _ in self.eigenpairs():
            yield None
        pairs = self.pairs
        if pairs is None or not pairs.vectors.shape[1]:
            return
        ends = [directions.rescale(one, self.objective, window.scale) for one in directions.hessian(pairs, (0, -1))]
        length = length_of(self, window.scale)
        high, low = float(pairs.values[0]), float(pairs.values[-1])
        for heights in self._grid(ends, window, ("hessian",)):
            kappa = (high * length**2, low * length**2)
            yield Patch(heights, kappa, f"α λ_max = {high:.3g}", f"β λ_min = {low:.3g}")

    def eigenpairs(self) -> Iterator[None]:
        """Find both ends of the spectrum; what is known already costs nothing."""
        if self._search is None:
            largest = min(ENDS[0], max(1, self.size // 4))
            smallest = min(ENDS[1], self.size - largest) or 1
            if largest + smallest > self.size:
                return
            self._search = Lanczos(self.operator, largest, smallest, tol=1e-3).stream()
        while self.pairs is None:
            try:
                found = next(self._search)
            except BaseException:
                self._search = None  # the next run begins anew
                raise
            if found.outcome is not Outcome.RUNNING:
                self.pairs = found
            yield

    def average(self, sample: SliceSample, window: Window) -> Float[np.ndarray, "k k"]:
        """The average of the quadratic models of the slices, without their slope."""
        return average_surface(sample, window.axis(), window.axis())

    def predictions(self) -> Iterator[Prediction | None]:
        """The law of the spectrum: exact where P is small, partly known otherwise."""
        if self._laws is None:
            self._laws = laws_of(self.operator, lambda: self.pairs)
        while self._prediction is None:
            try:
                self._prediction = next(self._laws)
            except BaseException:
                self._laws = None  # the next run begins anew
                raise
            yield None
        yield self._prediction

    def _grid(self, pair: list[Direction], window: Window, key: tuple[Any, ...]) -> Iterator[np.ndarray]:
        """Heights above the centre, level by level; a picture seen before costs nothing."""
        grid = GridEvaluator(self.objective, pair, extent=window.extent, resolution=window.points)
        place = (*key, window)
        known = self._surfaces.get(place)
        if known is not None:
            yield known.loss - _centre(known.loss)
            return
        for surface in grid.stream():
            level = grid.level_reached(surface.known)
            if level and surface.outcome is Outcome.RUNNING:
                rows = grid.levels[0][level - 1]
                coarse = surface.loss[np.ix_(rows, rows)]
                yield coarse - _centre(coarse)
            else:
                yield np.empty((0, 0))
        self._surfaces = {**dict(list(self._surfaces.items())[-8:]), place: surface}
        yield surface.loss - _centre(surface.loss)


def _centre(values: np.ndarray) -> float:
    return float(values[values.shape[0] // 2, values.shape[1] // 2])


Point = ToyPoint | ModelPoint


def length_of(point: Point, scale: SliceScale) -> float:
    """What one unit of a scale is in parameter distance."""
    return dict(zip(point.scales, point.lengths, strict=True))[scale]
