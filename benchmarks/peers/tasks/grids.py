"""Arms that evaluate the same grid, shared by T2 and T3."""

from __future__ import annotations

import concurrent.futures
import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.problems import Loader, Samples, directions, like_parameters

Problem = tuple[nn.Module, Samples, Callable[[Tensor, Tensor], Tensor]]


class Ours:
    """Our grids of one problem, in the caller's thread or in workers."""

    def __init__(self, problem: Problem, workers: int = 1) -> None:
        import landscape_widgets as lw

        model, data, loss = problem
        self._objective = lw.Objective(model, loss, data)
        self._pair = directions(model)
        self._executor = concurrent.futures.ThreadPoolExecutor(workers) if workers > 1 else None
        self._workers = workers

    def grid(self, count: int | tuple[int, int]) -> Any:
        """A grid to run."""
        import landscape_widgets as lw

        return lw.GridEvaluator(self._objective, self._pair, 1.0, count, executor=self._executor, workers=self._workers)

    def seconds_to_first_point(self, count: int = 49) -> float:
        """Seconds until a large grid has its first point; what it chooses before is kept for all that follow."""
        started = time.perf_counter()
        stream = self.grid(count).stream()
        for surface in stream:
            if surface.known.any():
                break
        seconds = time.perf_counter() - started
        stream.close()
        return seconds


def ours(problem: Problem, count: int) -> Callable[[], Any]:
    """Our grid, in the caller's thread."""
    own = Ours(problem)
    return lambda: own.grid(count).run().loss


def floor(problem: Problem, count: int) -> Callable[[], Any]:
    """The naive loop: weights written tensor by tensor, one plain forward pass a point."""
    model, data, loss = copy.deepcopy(problem[0]), problem[1], problem[2]
    base = [parameter.detach().clone() for parameter in model.parameters()]
    one, two = (like_parameters(model, direction) for direction in directions(model))
    axis = np.linspace(-1, 1, count)

    @torch.no_grad()
    def run() -> Any:
        values = np.empty((count, count))
        for j, b in enumerate(axis):
            for i, a in enumerate(axis):
                for parameter, start, d1, d2 in zip(model.parameters(), base, one, two, strict=True):
                    parameter.copy_(start).add_(d1, alpha=float(a)).add_(d2, alpha=float(b))
                values[j, i] = loss(model(data[0]), data[1]).item()
        return values

    return run


def loss_landscapes(problem: Problem, count: int) -> Callable[[], Any]:
    """The plane between three models that begins a step before the corner, so that its points are ours."""
    import loss_landscapes as ll
    import loss_landscapes.metrics

    model, data, loss = problem
    d1, d2 = directions(model)
    length = 2 * count / (count - 1)

    def moved(offset: Tensor) -> nn.Module:
        other = copy.deepcopy(model)
        for parameter, piece in zip(other.parameters(), like_parameters(other, offset), strict=True):
            parameter.data.add_(piece)
        return other

    corner = -d1 - d2 * (1 + 2 / (count - 1))
    three = [moved(corner), moved(corner + length * d1), moved(corner + length * d2)]
    metric = ll.metrics.Loss(loss, *data)

    def run() -> Any:
        with torch.no_grad():
            return ll.planar_interpolation(*three, metric, steps=count, deepcopy_model=True).T

    return run


def landscaper(problem: Problem, count: int) -> Callable[[], Any]:
    """Its N-d grid over the same two vectors; it scales each tensor of a direction in its own way."""
    from landscaper.compute import compute_loss_landscape

    model, data, loss = problem
    both = [like_parameters(model, direction) for direction in directions(model)]

    def run() -> Any:
        values, _ = compute_loss_landscape(
            model, data, both, lambda net, own: loss(net(own[0]), own[1]).item(), count, 0.1, 2, "cpu"
        )
        return np.asarray(values).T

    return run


def loss_landscape_3d(problem: Problem, count: int, *, buffers: bool = False) -> Callable[[], Any]:
    """Its calculator over our vectors; with `buffers`, over directions as it makes them, buffers perturbed too."""
    from loss_landscape_3d.calculator import LossLandscapeCalculator
    from loss_landscape_3d.directions import generate_random_directions

    model, data, loss = problem
    names = [name for name, _ in model.named_parameters()]
    one, two = (dict(zip(names, like_parameters(model, direction), strict=True)) for direction in directions(model))
    if buffers:
        torch.manual_seed(0)
        one, two = generate_random_directions(model)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    axis = np.linspace(-1, 1, count)
    calculator = LossLandscapeCalculator(model, Loader([data]), loss)
    return lambda: np.asarray(calculator.calculate(axis, axis, one, two, state)).T
