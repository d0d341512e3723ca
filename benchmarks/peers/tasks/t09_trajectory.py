"""T9: principal components of a training path."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.problems import like_parameters, normal, perceptron
from benchmarks.peers.verdict import Verdict, relative, within

TITLE = "T9 principal components of a training path"
WHAT = "full: 100 checkpoints of 1.0 million parameters, quick: 40 of 0.2 million; coordinates against a float64 SVD"
CASES = ("",)
TIMED = True
LIMIT = 900
BOUND = 1e-3
FLOOR = "floor: full SVD"


def path(quick: bool) -> tuple[nn.Module, Tensor]:
    """A model at the end of a path that turns, with noise, one row a checkpoint."""
    torch.manual_seed(0)
    model = perceptron(64, 350, 450, 10) if quick else perceptron(64, 900, 1000, 40)
    size, count = sum(p.numel() for p in model.parameters()), 40 if quick else 100
    time = torch.linspace(0, 1, count)[:, None]
    one, two, three = (normal(size, seed=seed)[None] / size**0.5 for seed in (1, 2, 3))
    rows = (1 - time) ** 2 * 4 * one + (1 - time) * time * 6 * two + 0.2 * torch.sin(9 * time) * three
    rows = rows - rows[-1:] + 1e-3 * normal(count, size, seed=4) / size**0.5
    rows[-1] = 0
    end = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    return model, rows + end


def ours(model: nn.Module, rows: Tensor) -> Callable[[], Any]:
    """Ours, displacements about the mean and coordinates about the last, as the others do."""
    import landscape_widgets as lw

    data = (torch.zeros(4, 64), torch.zeros(4, dtype=torch.long))
    objective = lw.Objective(model, nn.CrossEntropyLoss(), data)
    return lambda: lw.TrajectoryProjection(objective, list(rows), components=2, center="mean").run().coordinates


def floor(model: nn.Module, rows: Tensor) -> Callable[[], Any]:
    """A full SVD in float64."""

    def run() -> Any:
        own = rows.double()
        components = torch.linalg.svd(own - own.mean(0), full_matrices=False).Vh[:2]
        return (own - own[-1]) @ components.T

    return run


def loss_landscape_3d(model: nn.Module, rows: Tensor) -> Callable[[], Any]:
    """Its state dicts in, its coordinates out."""
    from loss_landscape_3d.directions import generate_pca_directions

    names = [name for name, _ in model.named_parameters()]
    states = [dict(zip(names, like_parameters(model, row), strict=True)) for row in rows]
    return lambda: [list(map(float, place)) for place in generate_pca_directions(states)[3]]


def _arm(make: Callable[..., Callable[[], Any]], quick: bool) -> Callable[[], dict[str, Any]]:
    run = make(*path(quick))
    return lambda: {"values": run()}


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Who offers principal components of a path."""
    own = {"ours": ours, FLOOR: floor, "loss-landscape-3d": loss_landscape_3d}
    return {name: functools.partial(_arm, make) for name, make in own.items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Coordinates up to the sign of each component."""
    expected = values.get(FLOOR)
    if expected is None:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    return {
        arm: Verdict("the reference", None) if arm == FLOOR else within(relative(np.abs(own), np.abs(expected)), BOUND)
        for arm, own in values.items()
    }
