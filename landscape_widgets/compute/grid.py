"""Loss on a grid over one or two directions: coarse complete picture first, every value reused."""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import dataclasses
import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from landscape_widgets.compute import directions as directions_module
from landscape_widgets.compute.blocks import Answers, BlockEvaluator, Place, in_turn
from landscape_widgets.compute.evaluate import PartialPoint, PointEvaluator, axis_points
from landscape_widgets.compute.fast_choice import choice_steps
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Direction, Surface

COARSEST = 6
"""Intervals an axis of the coarsest level: 7 points, then 13, 25, 49, 97."""

STEP_SECONDS = 0.02
"""Least work between two partial results."""

Extent = float | tuple[float, float] | Sequence[Any]


@dataclasses.dataclass
class GridState:
    """The values so far and which of them are known; a checkpoint is a copy."""

    values: dict[str, np.ndarray]
    known: np.ndarray
    evaluations: int = 0
    plan: FastPlan = dataclasses.field(default_factory=FastPlan)
    """The forward pass taken."""
    partial: PartialPoint = dataclasses.field(default_factory=PartialPoint)
    """The point under way, the first unknown one of its level."""
    idle: list[PointEvaluator] = dataclasses.field(default_factory=list)
    """Evaluators made for this run, at rest between levels."""

    def copy(self) -> GridState:
        """A copy that later steps do not change."""
        copied = copy.copy(self)
        copied.partial = self.partial.copy()
        copied.values = {name: array.copy() for name, array in self.values.items()}
        copied.known = self.known.copy()
        copied.idle = []
        return copied


class GridEvaluator(Computation[Surface, GridState]):
    """L(θ + α d1 + β d2) on a grid, level by level: 7, 13, 25, 49, 97 points an axis, each nested in the next.

    Cost: one forward pass over the data a point, n·m points in all; points known already cost nothing.

    Parameters
    ----------
    objective : the loss.
    directions : one or two, each a `Direction` or a flat (P,) vector (labelled "custom, raw").
    extent : 1.0 is [-1, 1]; (lo, hi); or one of these an axis. In the unit of each direction.
    resolution : points an axis, one number or one an axis, at least 3.
    executor : threads to evaluate blocks of points in, one intra-op thread each; None evaluates in the caller's.
        Points under way at a checkpoint are then evaluated again.
    workers : blocks under way at a time in the executor.
    reuse : earlier surfaces of the same objective and directions, whose values are taken where coordinates coincide.
    path : "chosen" takes the fastest forward pass that passes a check (docs/fast-paths.md), "plain" the model's own.

    Raises
    ------
    InputError : for directions of another length, an empty extent, fewer than 3 points.

    Source: H. Li et al., "Visualizing the loss landscape of neural nets" (2018), section 3.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> objective = Objective(model, torch.nn.MSELoss(), (torch.ones(1, 1), torch.zeros(1, 1)))
    >>> line = GridEvaluator(objective, [torch.ones(1)], extent=1.0, resolution=7).run()
    >>> line.loss.shape, bool(line.known.all()), str(line.outcome)
    ((7,), True, 'complete')
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction | Tensor | np.ndarray] | Direction | Tensor | np.ndarray,
        extent: Extent = 1.0,
        resolution: int | Sequence[int] = 49,
        *,
        reuse: Sequence[Surface] = (),
        executor: concurrent.futures.Executor | None = None,
        workers: int = 2,
        path: str = "chosen",
    ) -> None:
        if path not in ("chosen", "plain"):
            raise InputError(f'expected path as "chosen" or "plain", got {path!r}', "choose one of them")
        single = isinstance(directions, Direction) or getattr(directions, "ndim", 2) == 1
        given: list[Any] = [directions] if single else list(directions)  # type: ignore[arg-type]
        if not 1 <= len(given) <= 2:
            raise InputError(f"expected one or two directions, got {len(given)}", "pass (d1, d2) or (d1,)")
        self.objective = objective
        self.directions = [directions_module.custom(objective, item) for item in given]
        counts = _per_axis(resolution, len(given), int)
        if any(not isinstance(count, (int, np.integer)) or not 3 <= count <= 100_000 for count in counts):
            raise InputError(f"expected resolution of at least 3 points an axis, got {resolution!r}", "use 49")
        self.coordinates = [
            axis_points(one, count) for one, count in zip(_per_axis(extent, len(given), tuple), counts, strict=True)
        ]
        self.levels = [axis_levels(count) for count in counts]
        self._reuse = tuple(reuse)
        self._executor, self._workers, self._path = executor, workers, path

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the loss array: (m, n), or (n,) for one direction."""
        return tuple(len(axis) for axis in reversed(self.coordinates))

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": "GridEvaluator",
            "extent": [[float(axis[0]), float(axis[-1])] for axis in self.coordinates],
            "resolution": [len(axis) for axis in self.coordinates],
            "objective": self.objective.question,
        }

    def stream(self, resume: GridState | None = None) -> Stream[Surface, GridState]:
        """Yield the surface as it fills, at least every level and about every 20 ms (or one batch)."""
        if resume is not None and resume.known.shape != self.shape:
            raise InputError(
                f"expected a checkpoint of shape {self.shape}, got {resume.known.shape}",
                "resume with the same resolution",
            )
        state = self._start() if resume is None else resume.copy()
        return Stream(self._steps(state), state.copy)

    def level_reached(self, known: np.ndarray) -> int:
        """The finest complete level: how many of `levels` are known everywhere (0: none)."""
        reached = 0
        for number in range(max(len(levels) for levels in self.levels)):
            if not known[self._mesh(number)].all():
                break
            reached = number + 1
        return reached

    def _start(self) -> GridState:
        names = ["loss", *self.objective.metric_names]
        state = GridState({name: np.full(self.shape, np.nan) for name in names}, np.zeros(self.shape, dtype=bool))
        for surface in self._reuse:
            self._take(state, surface)
        return state

    def _take(self, state: GridState, surface: Surface) -> None:
        """Copy the values of an earlier surface of the same axes where its coordinates coincide with ours."""
        theirs = [surface.alpha] if surface.beta is None else [surface.alpha, surface.beta]
        axes = [dataclasses.astuple(direction.axis) for direction in self.directions]
        if len(theirs) != len(self.coordinates) or axes != [dataclasses.astuple(axis) for axis in surface.axes]:
            return
        matches = [_coinciding(mine, other) for mine, other in zip(self.coordinates, theirs, strict=True)]
        here = np.ix_(*(mine for mine, _ in reversed(matches)))
        there = np.ix_(*(other for _, other in reversed(matches)))
        fresh = surface.known[there] & ~state.known[here]
        for name, array in state.values.items():
            source = surface.loss if name == "loss" else surface.metrics.get(name)
            if source is None:
                return
            array[here] = np.where(fresh, source[there], array[here])
        state.known[here] |= fresh

    def _steps(self, state: GridState) -> Generator[Surface, None, None]:
        if state.known.any():
            yield self._surface(state, Outcome.RUNNING)
        yield from self._choose(state)
        for number in range(max(len(levels) for levels in self.levels)):
            yield from self._level(state, number)
        finite = bool(np.isfinite(state.values["loss"]).any())
        yield self._surface(state, Outcome.COMPLETE if finite else Outcome.NOT_FINITE)

    def _choose(self, state: GridState) -> Generator[Surface, None, None]:
        """Choose the forward pass; the surface as it is between the pieces of that."""
        if self._path == "plain":
            state.plan = FastPlan(reason="as asked")
            return
        left = int(np.count_nonzero(~state.known))
        pieces = choice_steps(self.objective, left, single=self._executor is not None)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                state.plan = end.value
                return
            yield self._surface(state, Outcome.RUNNING)

    def _level(self, state: GridState, number: int) -> Generator[Surface, None, None]:
        yield from self._fill(state, self._mask(number) & ~state.known)

    def _fill(self, state: GridState, pending: np.ndarray) -> Generator[Surface, None, None]:
        """Evaluate these points."""
        started = time.perf_counter()
        answers = self._answers(state, list(zip(*(axis.tolist() for axis in np.nonzero(pending)), strict=True)))
        with contextlib.closing(answers):
            for part in answers:
                for place, values in part:
                    self._record(state, place, values)
                if time.perf_counter() - started >= STEP_SECONDS:
                    yield self._surface(state, Outcome.RUNNING)
                    started = time.perf_counter()
        if pending.any():
            yield self._surface(state, Outcome.RUNNING)

    def _answers(self, state: GridState, places: list[Place]) -> Generator[Answers, None, None]:
        """The values at these places, in parts: by the executor, or here, one batch a part."""
        axes = [axis.tolist() for axis in self.coordinates]
        points = [(place, [axis[i] for axis, i in zip(axes, reversed(place), strict=True)]) for place in places]
        evaluator = state.idle.pop() if state.idle else PointEvaluator(self.objective, self.directions, state.plan)
        blocks = self._executor is not None or evaluator.together
        inline = (points[:1] if state.partial.done else []) if blocks else points
        for place, point in inline:
            steps = evaluator.steps(point, state.partial)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    yield [(place, end.value)]
                    break
                yield []
        if self._executor is None and blocks:
            yield from in_turn(evaluator, points[len(inline) :])
        state.idle.append(evaluator)
        if self._executor is not None:
            given = self.objective, self.directions, self._executor, self._workers, state.plan, state.idle
            yield from BlockEvaluator(*given).stream(points[len(inline) :])

    def _record(self, state: GridState, place: tuple[int, ...], values: dict[str, float]) -> None:
        for name, value in values.items():
            state.values[name][place] = value
        state.known[place] = True
        state.evaluations += 1
        state.partial = PartialPoint()

    def _mesh(self, number: int) -> tuple[np.ndarray, ...]:
        """Index of the grid of one level; an axis with fewer levels is at its finest already."""
        return np.ix_(*(levels[min(number, len(levels) - 1)] for levels in reversed(self.levels)))

    def _mask(self, number: int) -> np.ndarray:
        """The points of one level."""
        mask = np.zeros(self.shape, dtype=bool)
        mask[self._mesh(number)] = True
        return mask

    def _surface(self, state: GridState, outcome: Outcome) -> Surface:
        return Surface(
            alpha=self.coordinates[0],
            beta=self.coordinates[1] if len(self.coordinates) == 2 else None,
            loss=state.values["loss"].copy(),
            known=state.known.copy(),
            axes=tuple(direction.axis for direction in self.directions),
            outcome=outcome,
            metrics={name: array.copy() for name, array in state.values.items() if name != "loss"},
            evaluations=state.evaluations,
            question={**self.question, "path": state.plan.words},
        )


def axis_levels(count: int) -> list[np.ndarray]:
    """Indices of the nested levels of an axis: the centre ± k·s and both ends, s halving to 1.

    >>> [len(level) for level in axis_levels(49)], axis_levels(8)[0]
    ([7, 13, 25, 49], array([0, 1, 2, 3, 4, 5, 6, 7]))
    """
    stride = 1
    while (count - 1) // (2 * stride) >= COARSEST:
        stride *= 2
    centre, levels = (count - 1) // 2, []
    while stride >= 1:
        inner = np.arange(centre % stride, count, stride)
        levels.append(np.union1d(inner, [0, count - 1]))
        stride //= 2
    return levels


def _coinciding(mine: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of equal coordinates of two rising axes, to 1e-12 of the finer spacing."""
    nearest = np.clip(np.searchsorted(other, mine), 1, len(other) - 1)
    nearest = nearest - (np.abs(mine - other[nearest - 1]) < np.abs(mine - other[nearest]))
    spacing = min(mine[1] - mine[0], other[1] - other[0])
    equal = np.abs(mine - other[nearest]) <= 1e-12 * spacing + 4 * np.finfo(float).eps * np.abs(mine)
    return np.flatnonzero(equal), nearest[equal]


def _per_axis(value: Any, axes: int, scalar: type) -> list[Any]:
    """One value an axis, from one for all or from a sequence of as many."""
    if np.isscalar(value) or (scalar is tuple and len(value) == 2 and all(np.isscalar(item) for item in value)):
        # (lo, hi) is one extent for every axis
        return [value] * axes
    if len(value) != axes:
        raise InputError(f"expected one value, or one an axis ({axes}), got {value!r}", "give one for each direction")
    return list(value)
