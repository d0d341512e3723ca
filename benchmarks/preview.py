"""A pass in bfloat16 beside the exact one that a grid takes: its time and its error. `python -m benchmarks.preview`."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.grid import point_loop
from benchmarks.neighbours import Neighbours
from benchmarks.page import ROOT, replace_part, table
from benchmarks.peers import problems
from benchmarks.peers.report import processor
from landscape_widgets.compute import directions
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_choice import choice_steps
from landscape_widgets.compute.fast_half import HalfObjective, half_plan, trial_steps
from landscape_widgets.compute.interpolation import Spans
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.preview import GAIN

TARGET = ROOT / "benchmarks" / "PREVIEW.md"
POINTS = 2401
HEADER = (
    "problem",
    "exact, ms a point",
    "bfloat16, ms a point",
    "exact / bfloat16",
    "largest error: of the drawn range, of the drawn decades",
    "exact path",
    "what `PreviewGrid` decides",
)
CASES: dict[str, tuple[Callable[[], tuple[nn.Module, Any]], int]] = {
    "MLP 64-300-256-10, N = 1797": (lambda: problems.flat_problem(1797, 64, 300, 256), 7),
    "LeNet-5 with BatchNorm, N = 256": (lambda: problems.letter_problem(256), 7),
    "ResNet-20, 32 × 32, N = 32": (lambda: problems.image_problem(32, 32), 5),
}
"""Problems, and points an axis of the grid that each is measured on."""
WORDS = (
    "Every value of a grid (7 × 7 points, ResNet-20 5 × 5, extent ±0.5 along two filter-normalised random directions) "
    "by the path that the grid chooses and in bfloat16, row by row in turn: medians over the rows, ratios with "
    "quartiles. Parameters are moved in float32 and rounded once a point; the loss is computed in float32. The error "
    "is the largest of all these points."
)


def clock(device: torch.device) -> float:
    """Seconds: of the one thread on a processor, until all is done on a graphics card."""
    if device.type != "cuda":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def measure(name: str, objective: Objective, resolution: int) -> list[str]:
    """One row: both passes at the points of a grid, a row of it in turn."""
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    plan = finished(choice_steps(objective, POINTS))
    passes = ((objective, plan), (HalfObjective(objective), half_plan(plan)))
    arms = [point_loop(PointEvaluator(one, pair, path)) for one, path in passes]
    axis = np.linspace(-0.5, 0.5, resolution)
    for arm in arms:
        arm([(0.0, 0.0)])
    losses: list[list[float]] = [[], []]
    times: list[list[float]] = [[], []]
    for b in axis:
        points = [(float(a), float(b)) for a in axis]
        for arm, found, taken in zip(arms, losses, times, strict=True):
            started = clock(objective.device)
            found += arm(points)
            taken.append((clock(objective.device) - started) / resolution)
    exact, half = (np.array(found) for found in losses)
    linear, log = Spans.of(exact).errors(half, exact)
    low, middle, high = statistics.quantiles([a / b for a, b in zip(*times, strict=True)], n=4)
    errors = ", ".join("–" if one is None else f"{100 * one.max():.2g} %" for one in (linear, log))
    said = finished(trial_steps(objective, plan, POINTS, GAIN, single=False)).words
    milliseconds = [f"{1e3 * statistics.median(taken):.3g}" for taken in times]
    return [name, *milliseconds, f"{middle:.2g} ({low:.2g} to {high:.2g})", errors, plan.words, said]


def instructions() -> str:
    """Which instructions for bfloat16 the processor has, where the system tells."""
    path = Path("/proc/cpuinfo")
    flags = set(path.read_text(encoding="utf-8").split()) if path.exists() else set()
    found = [name for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16") if name in flags]
    return f"instructions for bfloat16: {', '.join(found) or 'none'}"


def main() -> None:
    """Measure every case and write the page."""
    torch.set_num_threads(1)
    neighbours, started = Neighbours(), time.perf_counter()
    rows = []
    for name, (make, resolution) in CASES.items():
        model, data = make()
        rows.append(measure(name, Objective(model, nn.CrossEntropyLoss(), data), resolution))
        print(rows[-1], flush=True)
    minutes = (time.perf_counter() - started) / 60
    machine = (
        f"{processor()}, {os.cpu_count()} cores ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}; "
        f"{instructions()}), one intra-op thread, torch {torch.__version__}. {neighbours.words(minutes)}"
    )
    head = ["# The preview in bfloat16", "", "Written by `python -m benchmarks.preview`; nothing is typed by hand."]
    replace_part(TARGET, "preview", [*head, "", WORDS, "", f"Machine: {machine}", "", *table(HEADER, rows)])


if __name__ == "__main__":
    main()
