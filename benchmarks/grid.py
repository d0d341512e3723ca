"""Cost of a grid point by the plain and by the chosen forward pass, alternating, medians: `make grid`."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from landscape_widgets import zoo
from landscape_widgets.compute import directions
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_choice import choice_steps
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.objective import Objective, finished

REPEATS = 9
POINTS = 2401


def cases() -> dict[str, Callable[[], tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]]]:
    """Three models with data, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)

    def data(count: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(count, *shape, generator=generator), torch.randint(0, 10, (count,), generator=generator)

    return {
        "LeNet with BatchNorm, 28×28, N = 2048": lambda: (zoo.lenet(28).eval(), data(2048, 1, 28, 28)),
        "ResNet-20, N = 256": lambda: (zoo.resnet20().eval(), data(256, 3, 32, 32)),
        "MLP, N = 1797": lambda: (zoo.mlp(), data(1797, 64)),
    }


def point_seconds(evaluator: PointEvaluator, number: int) -> tuple[float, float]:
    """Seconds of one point of a row, and its loss."""
    started = time.perf_counter()
    loss = finished(evaluator.steps((0.01 * number, 0.1)))["loss"]
    return time.perf_counter() - started, loss


def measure(model: nn.Module, data: Any) -> str:
    """One line: plain and chosen milliseconds a point, their ratio with quartiles, agreement, choice and its cost."""
    objective = Objective(model, nn.CrossEntropyLoss(), data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    started = time.perf_counter()
    plan = finished(choice_steps(objective, POINTS))
    chosen = time.perf_counter() - started
    arms = [PointEvaluator(objective, pair, one) for one in (FastPlan(), plan)]
    for arm in arms:
        point_seconds(arm, 0)
    times: list[list[float]] = [[], []]
    worst = 0.0
    for number in range(REPEATS):
        found = [point_seconds(arm, number) for arm in arms]
        for index, (seconds, _) in enumerate(found):
            times[index].append(seconds)
        worst = max(worst, abs(found[0][1] - found[1][1]) / abs(found[0][1]))
    plain, fast = (1e3 * statistics.median(one) for one in times)
    low, middle, high = statistics.quantiles([a / b for a, b in zip(*times, strict=True)], n=4)
    return (
        f"{plain:7.1f} {fast:7.1f} ms, {middle:5.2f} × ({low:.2f} to {high:.2f}), values agree to {worst:.0e}; "
        f"{plan.words}; chosen in {chosen:.2f} s"
    )


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, load average {os.getloadavg()[0]:.1f}, {REPEATS} alternating points")
    for name, make in cases().items():
        print(f"{name:40}{measure(*make())}", flush=True)


if __name__ == "__main__":
    main()
