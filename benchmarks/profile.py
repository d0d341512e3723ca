"""Where the time goes: grid points and products beside the matrix-product peak, a part of RESULTS.md."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import landscape_widgets as lw
from benchmarks.page import ROOT, replace_part, table
from benchmarks.peers.problems import directions, normal
from benchmarks.peers.tasks import grid_cases, grids, t04_products
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.objective import finished

TARGET = ROOT / "benchmarks" / "RESULTS.md"
REPEATS, FEW, SMALL = 7, 5, 1e7
"""Runs of which the median is taken, and points an axis of a grid whose points take more operations than these."""


def medians(*calls: Callable[[], Any]) -> list[float]:
    """Median seconds of each call, in turn, after one call each."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(REPEATS):
        for own, call in zip(times, calls, strict=True):
            started = time.perf_counter()
            call()
            own.append(time.perf_counter() - started)
    return [statistics.median(own) for own in times]


def flops(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def peak() -> float:
    """Floating-point operations a second of the fastest of some float32 matrix products."""
    a = normal(1024, 1024)
    return 2 * 1024**3 / min(medians(lambda: a @ a)[0] for _ in range(5))


def own_times(call: Callable[[], Any]) -> dict[str, float]:
    """Microseconds of each operation in a call without those in it, the longest first."""
    with profile(activities=[ProfilerActivity.CPU]) as record:
        call()
    events = sorted(record.key_averages(), key=lambda event: -event.self_cpu_time_total)
    return {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in events}


def operations(times: dict[str, float], most: int = 3) -> str:
    """The operations that take most of a call."""
    total = sum(times.values())
    return ", ".join(f"{key} {100 * own / total:.0f} %" for key, own in list(times.items())[:most])


def products(times: dict[str, float]) -> float:
    """Share of matrix products and convolutions in a call."""
    return sum(own for key, own in times.items() if "mm" in key or "convolution" in key) / sum(times.values())


def grid_row(case: str, roof: float) -> list[str]:
    """A point of a grid: the plain pass alone, a point by the plain pass, a point by the path that ours chooses."""
    model, data = grid_cases.grid(case, False).make()
    loss = nn.CrossEntropyLoss()
    objective = lw.Objective(model, loss, data)
    plain = PointEvaluator(objective, [lw.directions.custom(objective, one) for one in directions(model)])

    @torch.no_grad()
    def alone() -> None:
        loss(model(data[0]), data[1]).item()

    work = flops(alone)
    ours = grids.Ours((model, data, loss))
    ours.seconds_to_first_point()
    count = FEW if work > SMALL else 49
    grid = ours.grid(count)
    own, point, whole = medians(alone, lambda: finished(plain.steps((0.1, 0.2))), grid.run)
    each, taken = whole / count**2, own_times(grid.run)
    return [
        case,
        f"{work / 1e6:.3g}",
        f"{own * 1e3:.3g} ms, {share(work, own, roof)}",
        f"{(point - own) * 1e6:.0f} µs",
        f"{each * 1e3:.3g} ms, {share(work, each, roof)}",
        grid.run().question["path"],
        f"{operations(taken)}; products at {share(work, each * products(taken), roof)}",
        operations(own_times(alone)),
    ]


def product_row(case: str, roof: float) -> list[str]:
    """A gradient and a Hessian-vector product."""
    model, data = t04_products.problem(case, quick=False)
    objective = lw.Objective(model, nn.CrossEntropyLoss(), data)
    operator = lw.HessianOperator(objective)
    vector = normal(objective.size, seed=5)

    def product() -> Any:
        return operator @ vector

    product()
    work = [flops(call) for call in (objective.gradient, product)]
    gradient, own = medians(objective.gradient, product)
    return [
        case,
        f"{gradient * 1e3:.3g} ms, {share(work[0], gradient, roof)}",
        f"{own * 1e3:.3g} ms, {share(work[1], own, roof)}",
        f"{own / gradient:.2f}",
        f"{work[1] / work[0]:.2f}",
        operations(own_times(product)),
    ]


def share(work: float, seconds: float, roof: float) -> str:
    """Share of the roof."""
    return f"{100 * work / seconds / roof:.0f} % of peak"


def lines() -> list[str]:
    """The part of the page."""
    roof = peak()
    points = [grid_row(case, roof) for case in grid_cases.CASES]
    products = [product_row(case, roof) for case in t04_products.CASES]
    return [
        "## Where the time goes",
        "",
        f"Against the peak of this run: float32 matrix products at {roof / 1e9:.0f} GFLOP/s on one thread; medians of "
        f"{REPEATS}. Operations are those of matrix products and convolutions; what is left to 100 % is memory "
        "traffic of the other layers, and Python. Written by `python -m benchmarks.profile`.",
        "",
        *table(
            [
                "a point of a grid",
                "MFLOP",
                "plain pass alone",
                "a point adds",
                "a point of ours",
                "path",
                "ours is",
                "the plain pass is",
            ],
            points,
        ),
        "",
        *table(
            ["a product", "gradient", "product", "gradients", "by operations", "the product is"],
            products,
        ),
        "",
    ]


def main() -> None:
    """Write the part."""
    torch.set_num_threads(1)
    replace_part(TARGET, "profile", lines())


if __name__ == "__main__":
    main()
