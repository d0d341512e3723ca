"""A grid that stops when the surface between its points is known well enough."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from landscape_widgets.compute.grid import Extent, GridEvaluator, GridState
from landscape_widgets.compute.interpolation import Fits, Spans
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Direction, Estimate, Surface

HELD_OUT = 0.1
"""Held-out points of a level, in parts of its points."""

AIMED = 0.75
"""How many of them lie where interpolations differ most: so the largest error found is, over nets and levels, 0.8 of
the largest there is, at random 0.4 of it (medians).
"""

FEWEST = 12
"""Held-out points of a level at least: fewer would say little."""

MARGIN = 0.8
"""The held-out error that ends a grid, in parts of that asked for: the largest of all is so much larger (median)."""

WHOLE = 2
"""Levels computed everywhere: 7 and 13 points an axis are few."""

ATTEMPTS = 2
"""Rounds of held-out points a level, the second after computing where the first found the surface wrong: with more, one
would pass by luck."""

SAFETY = 4.0
"""Where the best interpolation is further from every other than the error asked for, divided by this, points are
computed."""


@dataclasses.dataclass
class Course:
    """What a grid has asked for so far, the same whether a value is computed or was known before."""

    asked: np.ndarray
    """Points asked for."""
    needed: np.ndarray
    """Where the next level is to be computed; elsewhere the estimate stands for it."""
    estimate: Estimate | None = None
    apart: list[np.ndarray] = dataclasses.field(default_factory=list)
    """How far interpolations differ; outside of `needed` those of the level before, which the estimate stands on."""

    def losses(self, state: GridState) -> np.ndarray:
        """The values asked for, NaN elsewhere."""
        return np.where(self.asked, state.values["loss"], np.nan)


class AdaptiveGrid(GridEvaluator):
    """A `GridEvaluator` that ends once the surface between its points is known, as held-out points show.

    After each level (7, 13, 25, 49, 97 points an axis) it computes further points of the whole grid, most of
    them where interpolations differ most, some at random, and compares them with interpolations made without them: a
    cubic spline of log L, of √L and of L, a Chebyshev polynomial. Of these the best is taken, and its largest error
    there is the error reported: in parts of the drawn range of the loss, and of the drawn decades. Where it is too
    large in few places, such as a valley's floor, these are computed; else the next level is. No value is ever
    computed twice, and every one computed is exact.

    Cost: a forward pass over the data a point: about 60 (7 × 7) or 190 (13 × 13) for 49 × 49 points of a net in a
    trained minimum, 300 to 500 where a deep narrow valley needs a finer level, all where nothing less will do. Near
    holes (NaN, infinity) nothing is interpolated.

    Parameters
    ----------
    objective, directions, extent, resolution, executor, workers, reuse : as for `GridEvaluator`.
    error : largest error in both views; 0 computes every point, with estimates on the way. A grid ends at 0.8 of it
        at the held-out points, as all points together err by more than those. Where a loss is not positive, only the
        linear view counts.
    seed : of the random points.

    Returns
    -------
    surface : `CONVERGED` with `surface.estimate` between the known points, or `COMPLETE` with every point known.

    Raises
    ------
    InputError : as `GridEvaluator`, and for an error outside of [0, 1).

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> objective = Objective(model, torch.nn.MSELoss(), (torch.ones(1, 1), torch.ones(1, 1)))
    >>> line = AdaptiveGrid(objective, [torch.ones(1)], extent=0.5, resolution=97).run()
    >>> str(line.outcome), line.evaluations < 30, line.estimate.error < 0.01
    ('converged', True, True)
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction | Tensor | np.ndarray] | Direction | Tensor | np.ndarray,
        extent: Extent = 1.0,
        resolution: int | Sequence[int] = 49,
        *,
        error: float = 0.01,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if not 0 <= error < 1:
            raise InputError(f"expected an error from 0 to below 1, got {error!r}", "use 0.01 for one percent")
        super().__init__(objective, directions, extent, resolution, **options)
        self.error, self.seed = float(error), int(seed)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {**super().question, "computation": "AdaptiveGrid", "error": self.error, "seed": self.seed}

    def _steps(self, state: GridState) -> Generator[Surface, None, None]:
        if state.known.any():
            yield self._surface(state, Outcome.RUNNING)
        yield from self._choose(state)
        course = Course(np.zeros(self.shape, dtype=bool), np.ones(self.shape, dtype=bool))
        last = max(len(levels) for levels in self.levels) - 1
        for number in range(last + 1):
            level = self._mask(number)
            yield from self._ask(state, course, level & course.needed if number < last else level)
            if state.known.all() or (yield from self._estimated(state, course, number)):
                break
        exact = bool(state.known.all())
        outcome = Outcome.COMPLETE if exact else Outcome.CONVERGED
        finite = bool(np.isfinite(state.values["loss"]).any())
        surface = self._surface(state, outcome if finite else Outcome.NOT_FINITE)
        yield dataclasses.replace(surface, estimate=None if exact else course.estimate)

    def _ask(self, state: GridState, course: Course, wanted: np.ndarray) -> Generator[Surface, None, None]:
        """Compute those of these points that are not known."""
        course.asked |= wanted
        for surface in self._fill(state, wanted & ~state.known):
            yield dataclasses.replace(surface, estimate=course.estimate)

    def _estimated(self, state: GridState, course: Course, number: int) -> Generator[Surface, None, bool]:
        """Estimate the surface from a level; whether it is good enough. Else the course says where more is needed."""
        mesh = self._mesh(number)
        samples = course.losses(state)[mesh]
        if course.estimate is not None:
            samples = np.where(course.asked[mesh], samples, course.estimate.values[mesh])
        if not np.isfinite(samples).any():
            return False
        indices = tuple(index.reshape(-1) for index in mesh)
        fits = Fits(samples, indices, self.shape, int(course.asked[mesh].sum()))
        apart = fits.disagreements
        course.apart = [np.where(course.needed, *both) for both in zip(apart, course.apart or apart, strict=True)]
        met, doubted = yield from self._held_against(state, course, fits, number)
        if not met and self.error > 0 and number + 1 >= WHOLE:
            course.needed = fits.around(doubted)
        return met

    def _held_against(
        self, state: GridState, course: Course, fits: Fits, number: int
    ) -> Generator[Surface, None, tuple[bool, np.ndarray]]:
        """Hold fits against points that they do not go through: whether the best is good enough, and where it is not.

        Where few points are in doubt these are computed, and the rest is held against others.
        """
        used, held_out = fits.mesh & course.asked, np.zeros(self.shape, dtype=bool)
        trusted, agreed = ~fits.near_holes & ~used, fits.disagreements[0] <= self.error / SAFETY
        count = max(FEWEST, math.ceil(HELD_OUT * fits.samples.size))
        met, doubted = False, ~used
        for attempt in range(ATTEMPTS):
            picked = self._pick(trusted & ~held_out, course.apart, count, fits.reaches, (number, attempt))
            yield from self._ask(state, course, picked)
            held_out = (held_out | picked) & trusted
            if not held_out.any():
                break
            losses = course.losses(state)
            spans = Spans.of(losses)
            best = fits.closest(losses, held_out, spans)
            course.estimate = fits.estimate(best, losses, held_out, spans)
            met = course.estimate.error <= MARGIN * self.error
            wrong = held_out & (spans.distance(fits.values[best], losses) > MARGIN * self.error)
            doubted = wrong | fits.near_holes | (fits.doubt(best) > self.error / SAFETY)
            if not met:
                trusted &= agreed & ~fits.around(wrong)
            rough = ~course.asked & ~trusted
            if self.error == 0 or rough.sum() > used.sum():
                return False, doubted
            yield from self._ask(state, course, rough)
            if met or not rough.any():
                break
        return met, doubted

    def _pick(
        self, free: np.ndarray, maps: Sequence[np.ndarray], count: int, reaches: Sequence[int], seeds: Sequence[int]
    ) -> np.ndarray:
        """Points to hold out: where the interpolations differ most, a cell apart, and at random; what is known already
        does not count, so that a resumed run picks the same.
        """
        count = min(count, int(free.sum()))
        picked = np.zeros(self.shape, dtype=bool)
        for which, apart in enumerate(maps):
            left = np.where(free & ~picked, apart, -1.0)
            for _ in range(len(range(which, int(AIMED * count), len(maps)))):
                place = np.unravel_index(int(left.argmax()), left.shape)
                if left[place] < 0:
                    break
                picked[place] = True
                near = (slice(max(0, at - by + 1), at + by) for at, by in zip(place, reaches, strict=True))
                left[tuple(near)] = -1.0
        rest = np.flatnonzero(free & ~picked)
        random = np.random.default_rng([self.seed, *seeds])
        picked.reshape(-1)[random.choice(rest, count - int(picked.sum()), replace=False)] = True
        return picked
