"""Grids, products and Lanczos on a graphics card beside what the card can do, written to GPU.md: `make gpu`."""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import landscape_widgets as lw
from benchmarks import preview
from benchmarks.gpu_models import Autocast, Problem, problems
from benchmarks.page import ROOT, replace_part, table

TARGET = ROOT / "benchmarks" / "GPU.md"
MODES = ("float32", "tf32", "bf16")
SECOND_ORDER = ("float32", "tf32")
"""Precisions of gradients and products: with autocast these are a training matter, not a landscape's."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where to measure, and how much."""

    device: torch.device
    tiny: bool

    @property
    def repeats(self) -> int:
        """Runs of which the median is taken."""
        return 1 if self.tiny else 5

    @property
    def resolution(self) -> int:
        """Points an axis of the grid."""
        return 3 if self.tiny else 9

    def seconds(self, call: Callable[[], Any]) -> float:
        """Median seconds of a call, the device waited for, after one call."""
        times = []
        for number in range(self.repeats + 1):
            self.wait()
            started = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - started)
            del times[: 1 if number == 1 else 0]
        return statistics.median(times)

    def wait(self) -> None:
        """Let the device finish."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def host_copies(self, call: Callable[[], Any]) -> int:
        """Copies from the device to the host in a call; 0 without a device."""
        if self.device.type != "cuda":
            return 0
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as record:
            call()
            self.wait()
        return sum(event.count for event in record.key_averages() if "Memcpy DtoH" in event.key)


@contextlib.contextmanager
def precision(mode: str) -> Iterator[None]:
    """Products in float32 as they stand, or in TF32; torch takes TF32 for convolutions unless told otherwise."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = mode != "float32"
        yield
    finally:
        for backend, own in zip(backends, before, strict=True):
            backend.allow_tf32 = own


def flops(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def matrix_roof(machine: Machine, mode: str) -> float:
    """Operations a second of a square matrix product."""
    size = 64 if machine.tiny else 8192
    dtype = torch.bfloat16 if mode == "bf16" else torch.float32
    a = torch.randn(size, size, device=machine.device).to(dtype)
    with precision(mode):
        return 2 * size**3 / machine.seconds(lambda: a @ a)


def bandwidth(machine: Machine) -> float:
    """Bytes a second that a copy in the device's memory reads and writes."""
    a = torch.zeros(2**12 if machine.tiny else 2**28, device=machine.device)
    b = torch.empty_like(a)
    return 2 * 4 * a.numel() / machine.seconds(lambda: b.copy_(a))


class Planned:
    """A problem at one precision: its objective, a plane, and what a forward pass takes."""

    def __init__(self, machine: Machine, problem: Problem, mode: str) -> None:
        model = problem.make().to(machine.device)
        self.model = Autocast(model, machine.device) if mode == "bf16" else model
        self.data, self.loss = problem.data(machine.device), nn.CrossEntropyLoss()
        checked = mode != "bf16"  # whose rounding the check would take for randomness
        self.objective = lw.Objective(self.model, self.loss, self.data, check_determinism=checked, check_mean=checked)
        self.plane = [lw.directions.random(self.objective, seed) for seed in (0, 1)]
        self.work = flops(lambda: self.model(self.data[0]))  # with a graph: the encoder's fused pass is not counted


def ours(machine: Machine, planned: Planned) -> Callable[[], np.ndarray]:
    """The grid as the library evaluates it."""
    grid = lw.GridEvaluator(planned.objective, planned.plane, 0.5, machine.resolution)
    return lambda: grid.run().loss


def captured(machine: Machine, planned: Planned) -> Callable[[], np.ndarray]:
    """An experiment: the pass of a point as one CUDA graph, losses kept on the device until the grid is done."""
    model = copy.deepcopy(planned.model)
    center = planned.objective.center
    vectors = [planned.objective.vector(direction.vector) for direction in planned.plane]
    flat, pieces = center.clone(), [parameter.numel() for parameter in model.parameters()]
    named = dict(model.named_parameters())
    views = dict(zip(named, flat.split(pieces), strict=True))
    views = {name: view.view_as(named[name]) for name, view in views.items()}
    axis = np.linspace(-0.5, 0.5, machine.resolution)
    found = torch.empty(machine.resolution**2, device=machine.device)

    @torch.no_grad()
    def forward() -> Tensor:
        value: Tensor = planned.loss(functional_call(model, views, (planned.data[0],)), planned.data[1])
        return value

    replay = _graph(forward) if machine.device.type == "cuda" else forward

    @torch.no_grad()
    def run() -> np.ndarray:
        number = 0
        for b in axis:
            base = torch.add(center, vectors[1], alpha=float(b))
            for a in axis:
                torch.add(base, vectors[0], alpha=float(a), out=flat)
                found[number] = replay()
                number += 1
        return found.cpu().numpy().reshape(len(axis), len(axis))

    return run


def _graph(forward: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """A function as a CUDA graph, warmed up on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            forward()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = forward()

    def replay() -> Tensor:
        graph.replay()
        return kept

    return replay


def grid_rows(machine: Machine, problem: Problem, roofs: dict[str, float]) -> Iterator[list[str]]:
    """Points a second, by precision, ours and captured."""
    points, exact = machine.resolution**2, None
    for mode in MODES:
        for name, arm in (("ours", ours), ("CUDA graph, no copy", captured)):
            try:
                with precision(mode):
                    planned = Planned(machine, problem, mode)
                    run = arm(machine, planned)
                    loss = run()
                    seconds, copies = machine.seconds(run) / points, machine.host_copies(run) / points
            except Exception as error:  # noqa: BLE001 -- what fails is a row: the machine is lent for minutes
                yield [problem.name, name, mode, f"**failed**: {type(error).__name__}: {str(error)[:120]}", *"–––"]
                continue
            exact = loss if exact is None else exact
            error_words = "the reference" if loss is exact else f"{np.abs(loss - exact).max() / np.ptp(exact):.1e}"
            rate = planned.work / seconds
            yield [
                problem.name,
                name,
                mode,
                f"{1 / seconds:.1f}",
                f"{rate / 1e12:.3g} ({100 * rate / roofs[mode]:.0f} %)",
                f"{copies:.2f}",
                error_words,
            ]


def product_rows(machine: Machine, problem: Problem, roofs: dict[str, float]) -> Iterator[list[str]]:
    """Gradients, products and steps of Lanczos a second."""
    for mode in SECOND_ORDER:
        try:
            with precision(mode):
                yield [problem.name, mode, *_products(machine, Planned(machine, problem, mode), roofs[mode])]
        except Exception as error:  # noqa: BLE001 -- as above
            yield [problem.name, mode, f"**failed**: {type(error).__name__}: {str(error)[:120]}", *"–––––"]


def preview_rows(machine: Machine, problem: Problem) -> Iterator[list[str]]:
    """A whole model in bfloat16, beside the exact path: what a preview of a grid is."""
    for mode in SECOND_ORDER:
        try:
            with precision(mode):
                planned = Planned(machine, problem, mode)
                yield preview.measure(f"{problem.name}, {mode}", planned.objective, machine.resolution)
        except Exception as error:  # noqa: BLE001 -- as above
            failed = f"**failed**: {type(error).__name__}: {str(error)[:120]}"
            yield [f"{problem.name}, {mode}", failed, *["–"] * (len(preview.HEADER) - 2)]


def _products(machine: Machine, planned: Planned, roof: float) -> list[str]:
    objective = planned.objective
    operator = lw.HessianOperator(objective)
    vector = objective.vector(planned.plane[0].vector)

    def product() -> Any:
        return operator @ vector

    product()
    work = flops(product)
    gradient, own = machine.seconds(objective.gradient), machine.seconds(product)
    copies = machine.host_copies(product)
    spent = 4 if machine.tiny else 40
    machine.wait()
    started = time.perf_counter()
    pairs = lw.Lanczos(operator, 2, 0, tol=1e-3, max_products=spent).run()
    each = (time.perf_counter() - started) / pairs.products
    return [
        f"{1 / gradient:.1f}",
        f"{1 / own:.1f} = {own / gradient:.2f} gradients",
        f"{work / own / 1e12:.3g} ({100 * work / own / roof:.0f} %)",
        str(copies),
        f"{1 / each:.1f}, {pairs.products} in all",
        f"{pairs.outcome}, residual {float(np.max(pairs.residuals / np.abs(pairs.values))):.0e}",
    ]


def head(machine: Machine, roofs: dict[str, float]) -> list[str]:
    """What was measured where."""
    card = torch.cuda.get_device_name(machine.device) if machine.device.type == "cuda" else "no graphics card"
    dry = ["**A dry run on tiny models: it shows that every line runs, and its numbers mean nothing.**", ""]
    return [
        "# On a graphics card",
        "",
        *(dry if machine.tiny or machine.device.type != "cuda" else []),
        f"Written by `make gpu` on: {card}, torch {torch.__version__}, CUDA {torch.version.cuda}. Medians of "
        f"{machine.repeats}; a grid has {machine.resolution} x {machine.resolution} points. `float32` switches TF32 "
        "off, `tf32` on, `bf16` is autocast: the last two are previews, their error beside them, relative to the range "
        "of the float32 grid.",
        "",
        "The roof, in this run: "
        + ", ".join(f"{roofs[mode] / 1e12:.3g} TFLOP/s in {mode}" for mode in MODES)
        + f"; {bandwidth(machine) / 1e12:.3g} TB/s of memory.",
    ]


def write(machine: Machine, path: Path) -> None:
    """Measure, writing the page after each part."""
    roofs = {mode: matrix_roof(machine, mode) for mode in MODES}
    replace_part(path, "gpu", head(machine, roofs))
    grids: list[list[str]] = []
    products: list[list[str]] = []
    grid_columns = ["model", "arm", "precision", "points a second", "TFLOP/s (of the roof)", "host copies a point"]
    columns = ["model", "precision", "gradients a second", "products a second", "TFLOP/s (of the roof)"]
    columns += ["host copies a product", "Lanczos products a second", "Lanczos ended"]
    for problem in problems(machine.tiny):
        grids += grid_rows(machine, problem, roofs)
        replace_part(path, "gpu-grids", ["## Points of a grid", "", *table([*grid_columns, "error"], grids)])
    previews: list[list[str]] = []
    for problem in problems(machine.tiny):
        previews += preview_rows(machine, problem)
        title = ["## A preview in bfloat16", "", "The model cast once a point, outputs and loss in float32.", ""]
        replace_part(path, "gpu-previews", [*title, *table(preview.HEADER, previews)])
    for problem in problems(machine.tiny):
        products += product_rows(machine, problem, roofs)
        replace_part(path, "gpu-products", ["## Hessian-vector products", "", *table(columns, products)])


def main() -> None:
    """Measure and write the page; without CUDA say so and end with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="models that take seconds on a CPU")
    parser.add_argument("--output", type=Path, default=TARGET)
    asked = parser.parse_args()
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("no CUDA device here: nothing measured; a dry run is `python -m benchmarks.gpu --device cpu --tiny`")
    write(Machine(torch.device(asked.device), asked.tiny), asked.output.absolute())


if __name__ == "__main__":
    main()
