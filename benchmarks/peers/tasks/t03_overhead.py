"""T3: what a grid point costs apart from the forward pass, 11 million parameters, and whether width matters."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.problems import normal
from benchmarks.peers.tasks import grids
from benchmarks.peers.verdict import Verdict

TITLE = "T3 overhead of a grid point, 11 million parameters"
WHAT = "seconds a point of a grid of 13 x 13 (quick: 9 x 9) beside one of 5 x 5, the forward pass next to nothing"
CASES = ("",)
TIMED = True
LIMIT = 600
MOST = 1.25


class Wide(nn.Module):
    """Ten tensors of 1.1 million parameters, of which a few are read."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(normal(1100, 1000, seed=k)) for k in range(10))

    def forward(self, inputs: Tensor) -> Tensor:
        """A number for every sample."""
        return torch.stack([weight[0, 0] for weight in self.weights]).sum() * inputs


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean square."""
    return (outputs - targets).square().mean()


def _arm(make: Callable[..., Callable[[], Any]], quick: bool) -> Callable[[], dict[str, Any]]:
    problem = (Wide(), (torch.ones(1), torch.zeros(1)), squared)
    runs = [(count, make(problem, count)) for count in (5, 9 if quick else 13)]

    def run() -> dict[str, Any]:
        taken = []
        for count, own in runs:
            started = time.perf_counter()
            own()
            taken.append((time.perf_counter() - started) / count**2)
        return {"seconds": taken[1], "values": taken[1] / taken[0]}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Ours, the floor and the landscape peers."""
    own = {
        "ours": grids.ours,
        "floor: naive loop": grids.floor,
        "loss-landscapes": grids.loss_landscapes,
        "landscaper": grids.landscaper,
        "loss-landscape-3d": grids.loss_landscape_3d,
    }
    return {name: functools.partial(_arm, make) for name, make in own.items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """How the time of a point grows with the grid's width."""
    words = "a point of the wide grid takes {:.2f} times one of the narrow"
    return {
        arm: Verdict(words.format(growth) + (": grows with width" if growth > MOST else ""), None)
        for arm, growth in values.items()
    }
