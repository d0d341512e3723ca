"""Cost of a grid point by the chosen path, beside the plain one, a naive loop and the floor: `make grid`."""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.page import replace_part, table
from landscape_widgets import zoo
from landscape_widgets.compute import directions
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_choice import choice_steps
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.objective import Objective, finished

TARGET = Path(__file__).parent / "GRID.md"
REPEATS = 5
POINTS = 2401
SHORT = 0.03
"""Seconds of a measurement, at least: small problems are measured over several points."""

LARGE = 6
"""How many of the cases are large."""
HEADER = (
    "problem",
    "floor, ms",
    "naive, ms",
    "plain, ms",
    "chosen, ms",
    "naive / chosen",
    "plain / chosen",
    "chosen / floor",
    "arithmetic of the SGEMM peak: floor, chosen",
    "largest difference",
    "path; its choice",
)
WORDS = (
    "Milliseconds a point of the one thread's processor time, which a busy neighbour lengthens little; float32, "
    f"medians of {REPEATS} alternating turns; ratios of a turn with quartiles. The floor is the model's eager "
    "forward pass and loss; the naive loop sets every tensor and does the same; plain and chosen are the paths of "
    "`GridEvaluator`. Differences are relative, between the losses chosen and naive. The arithmetic counted is that "
    "of the plain pass, so precomputed layers can exceed it."
)

Data = tuple[Tensor, Tensor]
Arm = Callable[[list[tuple[float, float]]], list[float]]


class WideLeNet(nn.Sequential):
    """Two convolutions of 32 and 64 filters with BatchNorm and max-pooling, then two linear layers: 220k parameters."""

    def __init__(self) -> None:
        layers = [nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*layers, nn.Flatten(), nn.Linear(3136, 64), nn.ReLU(), nn.Linear(64, 10))


def cases() -> dict[str, Callable[[], tuple[nn.Module, Data]]]:
    """Models in evaluation mode with random data: large ones, then ones that are mostly overhead."""
    generator = torch.Generator().manual_seed(0)

    def data(count: int, *shape: int, classes: int = 10) -> Data:
        return torch.randn(count, *shape, generator=generator), torch.randint(0, classes, (count,), generator=generator)

    return {
        "LeNet-5 with BatchNorm, 62k, N = 2048": lambda: (zoo.lenet(28).eval(), data(2048, 1, 28, 28)),
        "wide LeNet with BatchNorm, 220k, N = 2048": lambda: (WideLeNet().eval(), data(2048, 1, 28, 28)),
        "ResNet-20, N = 256": lambda: (zoo.resnet20().eval(), data(256, 3, 32, 32)),
        "ResNet-20, N = 512": lambda: (zoo.resnet20().eval(), data(512, 3, 32, 32)),
        "ResNet-56, N = 64": lambda: (zoo.resnet56().eval(), data(64, 3, 32, 32)),
        "MLP 64-300-256-10, 99k, N = 1797": lambda: (zoo.mlp(), data(1797, 64)),
        "MLP 64-32-10, 2.4k, N = 256": lambda: (zoo.mlp((64, 32, 10)), data(256, 64)),
        "MLP 64-32-10, 2.4k, N = 1797": lambda: (zoo.mlp((64, 32, 10)), data(1797, 64)),
        "MLP 2-16-2, N = 200": lambda: (zoo.mlp((2, 16, 2)), data(200, 2, classes=2)),
        "MLP 2-32-32-2, tanh, N = 500": lambda: (zoo.mlp((2, 32, 32, 2), "tanh"), data(500, 2, classes=2)),
    }


def floor_loop(model: nn.Module, data: Data) -> Arm:
    """The plain eager forward pass and the loss, at the same place every time."""

    def run(points: list[tuple[float, float]]) -> list[float]:
        with torch.no_grad():
            return [nn.functional.cross_entropy(model(data[0]), data[1]).item() for _ in points]

    return run


def naive_loop(model: nn.Module, data: Data, objective: Objective, vectors: list[Tensor]) -> Arm:
    """What one writes by hand: every tensor set to θ + α d1 + β d2, one pass over the data, the loss."""
    layers = [objective.layout.split(vector) for vector in (objective.center, *vectors)]
    floor = floor_loop(model, data)

    def run(points: list[tuple[float, float]]) -> list[float]:
        losses = []
        for point in points:
            with torch.no_grad():
                for parameter, centre, one, two in zip(model.parameters(), *layers, strict=True):
                    parameter.copy_(centre + point[0] * one + point[1] * two)
            losses += floor([point])
        return losses

    return run


def point_loop(evaluator: PointEvaluator) -> Arm:
    """Points as a grid evaluates them: together where the plan says so."""

    def run(points: list[tuple[float, float]]) -> list[float]:
        if evaluator.together:
            return [values["loss"] for values in finished(evaluator.many(points))]
        return [finished(evaluator.steps(point))["loss"] for point in points]

    return run


def peak() -> float:
    """GFLOP/s of a float32 matrix product of 1024 × 1024, the best of several."""
    one, other = torch.randn(2, 1024, 1024)
    best = float("inf")
    for _ in range(12):
        started = time.thread_time()
        torch.mm(one, other)
        best = min(best, time.thread_time() - started)
    return 2e-9 * 1024**3 / best


def measure(name: str, model: nn.Module, data: Data) -> list[str]:
    """One row: milliseconds a point of every arm, alternating; ratios, agreement, choice."""
    objective = Objective(model, nn.CrossEntropyLoss(), data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    started = time.thread_time()
    plan = finished(choice_steps(objective, POINTS))
    chosen = time.thread_time() - started
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(data[0])
    vectors = [objective.vector(direction.vector) for direction in pair]
    arms = [floor_loop(model, data), naive_loop(model, data, objective, vectors)]
    arms += [point_loop(PointEvaluator(objective, pair, one)) for one in (FastPlan(), plan)]
    started = time.thread_time()
    arms[2]([(0.0, 0.1)])
    count = plan.points * math.ceil(SHORT / (time.thread_time() - started) / plan.points)
    times: list[list[float]] = [[] for _ in arms]
    peaks, worst = [], 0.0
    for turn in range(REPEATS + 1):
        points = [(0.01 * turn + 0.3 * index / count, 0.1) for index in range(count)]
        found = []
        for index, arm in enumerate(arms):
            started = time.thread_time()
            found.append(arm(points))
            if turn:
                times[index].append((time.thread_time() - started) / count)
        worst = max(worst, *(abs(a / b - 1) for a, b in zip(found[3], found[1], strict=True)))
        peaks.append(peak())
    return _row(name, plan, times, max(peaks), counter.get_total_flops(), worst, chosen)


def _row(
    name: str, plan: FastPlan, times: list[list[float]], top: float, flops: int, worst: float, chosen: float
) -> list[str]:
    def ratio(one: list[float], other: list[float]) -> str:
        low, middle, high = statistics.quantiles([a / b for a, b in zip(one, other, strict=True)], n=4)
        return f"{middle:.2f} ({low:.2f} to {high:.2f})"

    floor, naive, plain, fast = times
    milliseconds = [f"{1e3 * statistics.median(one):.3g}" for one in times]
    rates = [1e-9 * flops / statistics.median(one) / top for one in (floor, fast)]
    ratios = [ratio(naive, fast), ratio(plain, fast), ratio(fast, floor)]
    share = ", ".join(f"{100 * rate:.0f} %" for rate in rates)
    return [name, *milliseconds, *ratios, share, f"{worst:.0e}", f"{plan.words}; {chosen:.2f} s"]


def write(part: str, names: list[str]) -> None:
    """Measure some of the cases and write their table."""
    load = os.getloadavg()[0]
    rows = []
    for name in names:
        rows.append(measure(name, *cases()[name]()))
        print(rows[-1], flush=True)
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), one intra-op "
        f"thread, SGEMM peak {peak():.0f} GFLOP/s, Python {platform.python_version()}, torch {torch.__version__}, "
        f"load average {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end"
    )
    lines = [f"## {part.capitalize()} problems", "", f"Machine: {machine}.", ""]
    replace_part(TARGET, part, lines + table(HEADER, rows))


def main() -> None:
    """Measure what is named (large, small; nothing: both), and write the tables."""
    torch.set_num_threads(1)
    names = list(cases())
    parts = {"large": names[:LARGE], "small": names[LARGE:]}
    replace_part(TARGET, "grid", ["# A grid point", "", "Written by `make grid`; nothing is typed by hand.", "", WORDS])
    for part in sys.argv[1:] or parts:
        write(part, parts[part])


if __name__ == "__main__":
    main()
