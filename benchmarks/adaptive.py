"""How few points show a surface: adaptive grids beside full ones, and what they say of their error: `make adaptive`."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.page import ROOT, replace_part, table
from benchmarks.peers.report import processor
from landscape_widgets import zoo
from landscape_widgets.compute import directions
from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.results import Surface

TARGET = ROOT / "benchmarks" / "ADAPTIVE.md"
TRAINED = ROOT / "artifacts" / "adaptive"
CASES = {
    "tanh-mlp": "tanh MLP 64-300-256-10, N = 1797",
    "relu-mlp": "ReLU MLP 64-300-256-10, N = 1797",
    "resnet20": "ResNet-20, 32×32, N = 256",
}
STEPS = {"resnet20": 240}
NAIVE_POINTS = 9
ABOUT = (
    "# Adaptive surfaces",
    "",
    "How many of 49 × 49 points `AdaptiveGrid` computes, and how wrong the surface between them is: what it says,",
    "from points held out, beside the largest error of all points against the full exact grid. Errors are parts of",
    "the drawn range of the loss (linear view) and of the drawn decades (log view). Made anew by",
    "`python -m benchmarks.adaptive`, which trains the models and computes the full grids once (`--train`).",
)


def untrained(case: str) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """The model and the digits that it is trained on."""
    if case == "resnet20":
        return zoo.resnet20(), zoo.digits_resized()
    return zoo.mlp(activation=case.split("-")[0]), zoo.digits()


def trained(case: str) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """The model after SGD with momentum 0.9, learning rate 0.05, batches of 64; kept in a file between runs."""
    model, (inputs, targets) = untrained(case)
    path = TRAINED / f"{case}.safetensors"
    if path.exists():
        model.load_state_dict(load_file(path))
    else:
        generator = torch.Generator().manual_seed(0)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(STEPS.get(case, 460)):
            chosen = torch.randint(0, len(inputs), (64,), generator=generator)
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), path)
    samples = 256 if case == "resnet20" else len(inputs)
    return model.eval(), (inputs[:samples], targets[:samples])


def naive_seconds(objective: Objective, model: nn.Module, data: Any, plane: list[Any]) -> float:
    """Median seconds of a point by the usual loop: parameters copied into the module, one pass over the whole data."""
    first, second = (torch.as_tensor(direction.vector) for direction in plane)
    found = []
    for number in range(NAIVE_POINTS):
        started = time.perf_counter()
        with torch.no_grad():
            theta = objective.center + 0.01 * number * first - 0.02 * number * second
            nn.utils.vector_to_parameters(theta, model.parameters())
            nn.functional.cross_entropy(model(data[0]), data[1]).item()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def full(case: str, objective: Objective, plane: list[Any]) -> Surface:
    """Every point computed, to compare with; kept in a file between runs."""
    path = TRAINED / f"{case}.npz"
    if not path.exists():
        with concurrent.futures.ThreadPoolExecutor(2) as executor:
            GridEvaluator(objective, plane, executor=executor).run().save(path)
    return Surface.load(path)


def errors(surface: Surface, exact: np.ndarray) -> tuple[float, float, float]:
    """Largest true errors: in parts of the drawn range, of the drawn decades, and of the loss at the point."""
    relative = np.abs(surface.filled - exact) / exact
    decades = np.abs(np.log10(surface.filled / exact)).max() / np.log10(exact.max() / exact.min())
    return float(np.abs(surface.filled - exact).max() / np.ptp(exact)), float(decades), float(relative.max())


def measure(case: str, error: float) -> list[str]:
    """The lines of one case."""
    model, data = trained(case)
    objective = Objective(model, nn.CrossEntropyLoss(), data)
    plane = [directions.random(objective, seed) for seed in (0, 1)]
    exact = full(case, objective, plane)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        naive = naive_seconds(objective, model, data, plane)
        started = time.perf_counter()
        surface = AdaptiveGrid(objective, plane, error=error, executor=executor).run()
        adaptive = time.perf_counter() - started
        started = time.perf_counter()
        point = GridEvaluator(objective, plane, resolution=13, executor=executor).run()
        seconds = adaptive, (time.perf_counter() - started) / point.evaluations, naive
    return lines(case, surface, exact.loss, seconds)


def lines(case: str, surface: Surface, exact: np.ndarray, seconds: tuple[float, float, float]) -> list[str]:
    """What was measured, as Markdown."""
    adaptive, point, naive = seconds
    estimate, total = surface.estimate, surface.total
    if estimate is None:
        return [f"**{CASES[case]}**: every one of {total} points was computed."]
    linear, log, relative = (f"{100 * part:.2f} %" for part in errors(surface, exact))
    rows = [
        ["points computed", f"{surface.evaluations} of {total}: {total / surface.evaluations:.1f} × fewer"],
        ["interpolation chosen", estimate.method],
        ["linear view, held-out error beside the largest true one", f"{100 * estimate.error_linear:.2f} %, {linear}"],
        ["log view, the same", f"{100 * (estimate.error_log or 0):.2f} %, {log}"],
        ["pointwise, the same", f"{100 * estimate.pointwise[0]:.1f} %, {relative}"],
        ["seconds", f"{adaptive:.2f}"],
        ["against our own full grid", f"{total * point:.1f} s: {total * point / adaptive:.1f} ×"],
        ["against a naive full grid", f"{total * naive:.1f} s: {total * naive / adaptive:.1f} ×"],
    ]
    span = f"Loss from {exact.min():.3g} to {exact.max():.3g}."
    return [f"**{CASES[case]}**, filter-normalised ±1. {span}", "", *table(["", "measured"], rows)]


def main() -> None:
    """Train what is not trained yet, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--error", type=float, default=0.01)
    parser.add_argument(
        "--train", action="store_true", help="only make what is kept in files: trained models, full grids"
    )
    parser.add_argument("--output", type=Path, default=TARGET)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for case in chosen.cases.split(","):
        if chosen.train:
            model, data = trained(case)
            objective = Objective(model, nn.CrossEntropyLoss(), data)
            full(case, objective, [directions.random(objective, seed) for seed in (0, 1)])
            continue
        load = os.getloadavg()[0]
        found = measure(case, chosen.error)
        print("\n".join(found))
        asked = f"asked for {100 * chosen.error:g} % in both views"
        machine = f"{processor()}, two threads, load average {load:.1f} before; torch {torch.__version__}; {asked}."
        replace_part(chosen.output, "about", ABOUT)
        replace_part(chosen.output, case, [*found, "", machine])


if __name__ == "__main__":
    main()
