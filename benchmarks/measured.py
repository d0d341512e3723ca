"""Measure what the documentation claims, and write docs/measured.md: `make measured`."""

from __future__ import annotations

import json
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import landscape_widgets as lw
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.messages import AxisChoice, Hello, PictureRequest, PictureSettings, Range
from landscape_widgets.widgets.library import bundle

TARGET = Path(__file__).parents[1] / "docs" / "measured.md"
REPEATS = 7


class Page:
    """A page without a browser: acknowledges every tile, notes when each level stood."""

    def __init__(self, explorer: Any) -> None:
        self.explorer = explorer
        self.asked, self.first = 0.0, threading.Event()
        self.seconds = 0.0
        self.request = ""
        explorer.send = self.receive
        self.say(encode(Hello("hello")))

    def receive(self, content: dict[str, Any], buffers: Any = None) -> None:
        """Answer as ours does."""
        if content["kind"] != "tile":
            return
        if content["id"] == self.request and content["level"] >= 7 and not self.first.is_set():
            self.seconds = time.perf_counter() - self.asked
            self.first.set()
        self.say({"v": 1, "kind": "ack", "run": content["run"], "seq": content["seq"]})

    def say(self, content: dict[str, Any]) -> None:
        """Send a message to the kernel side."""
        self.explorer._handle_custom_msg(content, [])

    def time_to_first_picture(self, name: str, extent: float) -> float:
        """Seconds from a request for another range to the first complete 7 × 7 picture."""
        window = Range(-extent, extent)
        settings = PictureSettings(AxisChoice("random", 0), AxisChoice("random", 1), window, window, 49)
        self.request = name
        self.first.clear()
        self.asked = time.perf_counter()
        self.say(encode(PictureRequest(name, settings)))
        self.first.wait(60)
        return self.seconds


def digits_objective(**options: Any) -> lw.Objective:
    """The digits MLP of the requirement, 64-300-256-10 on 1,797 samples, trained."""
    model, train, test = lw.zoo.trained_digits_mlp(seed=0)
    data = (torch.cat([train[0], test[0]]), torch.cat([train[1], test[1]]))
    return lw.Objective(model, nn.CrossEntropyLoss(), data, name="digits MLP", **options)


def median_seconds(function: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median wall time of a call, after one call to warm up."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def first_picture(objective: lw.Objective) -> list[tuple[str, str]]:
    """Kernel time to the first picture, cold range stops only (no point is reused)."""
    explorer = lw.explore(objective, resolution=7)
    explorer.wait(300)
    page = Page(explorer)
    stops = [2.0 ** (step / 2) * 1.001**step for step in range(-6, -6 + REPEATS)]
    times = [page.time_to_first_picture(f"request-{step}", stop) for step, stop in enumerate(stops)]
    explorer.cancel()
    state = explorer.get_state()
    size = len(json.dumps({key: value for key, value in state.items() if key != "picture"}, default=repr))
    picture = len(state["picture"]["loss"]) if state["picture"] else 0
    explorer.close()
    return [
        (
            "kernel time to the first complete 7 × 7 picture after a change of range (digits MLP, 99,126 parameters, "
            f"1,797 samples; median and worst of {REPEATS})",
            f"{statistics.median(times):.3f} s, {max(times):.3f} s",
        ),
        ("state of one more explorer on the wire, results apart", f"{size / 1000:.1f} kB"),
        ("its finished 7 × 7 surface", f"{picture / 1000:.1f} kB"),
        ("the bundle, once a page", f"{len(bundle()) / 1e6:.2f} MB"),
    ]


def hessian_error() -> list[tuple[str, str]]:
    """Products against a dense Hessian made row by row, uneven batches, float64."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(103, 6, dtype=torch.float64), torch.randint(0, 4, (103,))
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 4)).double()
    batches = [(inputs[a:b], targets[a:b]) for a, b in ((0, 32), (32, 64), (64, 96), (96, 103))]
    operator = lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), batches))
    parameters = list(model.parameters())
    loss = nn.functional.cross_entropy(model(inputs), targets)
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    rows = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(entry, parameters, retain_graph=True)])
        for entry in gradient
    ]
    dense = torch.stack(rows).numpy()
    error = np.abs(operator.to_dense() - dense).max() / np.abs(dense).max()
    return [
        (
            "Hessian-vector products against the dense float64 Hessian, row by row "
            "(GELU, LayerNorm, batches 32/32/32/7)",
            f"{error:.1e} relative",
        )
    ]


def products(objective: lw.Objective) -> list[tuple[str, str]]:
    """Costs of products and of eigenpairs on the digits MLP."""
    operator = lw.HessianOperator(objective)
    vector = objective.center.clone()
    product = median_seconds(lambda: operator @ vector)
    gradient = median_seconds(objective.gradient)
    rows = [("a Hessian-vector product, in gradient evaluations (graph kept)", f"{product / gradient:.2f}")]
    for largest, smallest, verify in ((5, 0, False), (1, 1, False), (5, 5, False), (1, 1, True)):
        pairs = lw.Lanczos(operator, largest, smallest, verify=verify).run()
        words = f"Lanczos, {largest} largest and {smallest} smallest at 1e-3·abs(λ), true residuals"
        words += ", multiplicity verified" if verify else ""
        note = f", {pairs.verification_products} of them to verify" if verify else ""
        rows.append((words, f"{pairs.products} products{note}: {pairs.outcome}"))
    return rows


def main() -> None:
    """Measure, then write the table."""
    objective = digits_objective()
    rows = [*first_picture(objective), *hessian_error(), *products(objective)]
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, torch {torch.__version__}"
    )
    lines = [
        "# Measured",
        "",
        "Written by `make measured`; nothing here is typed by hand. Times are of the machine below.",
        "",
        f"Machine: {machine}, load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| what | measured |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
        "",
    ]
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
