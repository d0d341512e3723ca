"""T1: a plane through a quadratic, odd and even sizes, against the closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.problems import normal
from benchmarks.peers.verdict import Verdict, relative, within

TITLE = "T1 plane geometry on a quadratic"
WHAT = "largest error of a float64 grid against the closed form, relative to the largest value; 20 parameters"
CASES, QUICK = ("11 x 11", "10 x 10"), ("10 x 10",)
TIMED = False
SIZE = 20
BOUND = 1e-6


class Quadratic(nn.Module):
    """½ θᵀAθ, whatever the input."""

    def __init__(self) -> None:
        super().__init__()
        draw = normal(SIZE, SIZE).double()
        self.register_buffer("A", draw + draw.T)
        self.theta = nn.Parameter(normal(SIZE, seed=1).double())

    def forward(self, inputs: Tensor) -> Tensor:
        """The value for every sample."""
        return (0.5 * self.theta @ self.A @ self.theta).expand(len(inputs))


def mean(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss is the value."""
    return outputs.mean()


def closed(model: Quadratic, d1: Tensor, d2: Tensor, alpha: Any, beta: Any) -> np.ndarray:
    """Exact values, rows by beta."""
    matrix, theta = model.A.numpy(), model.theta.detach().numpy()
    points = [[theta + a * d1.numpy() + b * d2.numpy() for a in alpha] for b in beta]
    return np.array([[0.5 * p @ matrix @ p for p in row] for row in points])


def problem() -> tuple[Quadratic, Tensor, Tensor, tuple[Tensor, Tensor]]:
    """The model, two directions of equal length, one sample."""
    d1, d2 = (normal(SIZE, seed=seed).double() for seed in (2, 3))
    return Quadratic(), d1 / d1.norm(), d2 / d2.norm(), (torch.zeros(1, 1).double(), torch.zeros(1))


def ours(count: int) -> Any:
    """Ours."""
    import landscape_widgets as lw

    model, d1, d2, data = problem()
    surface = lw.GridEvaluator(lw.Objective(model, mean, data), (d1, d2), 1.0, count).run()
    return relative(surface.loss, closed(model, d1, d2, surface.alpha, surface.beta))


def loss_landscapes(count: int) -> Any:
    """A plane between three models; the better of the two readings of where its points lie."""
    import loss_landscapes as ll
    import loss_landscapes.metrics

    model, d1, d2, data = problem()
    ends = []
    for direction in (d1, d2):
        end = Quadratic()
        end.theta.data.add_(direction)
        ends.append(end)
    found = ll.planar_interpolation(model, *ends, ll.metrics.Loss(mean, *data), steps=count, deepcopy_model=True)
    steps = np.arange(count) / count
    return min(relative(found.T, closed(model, d1, d2, steps, steps + shift / count)) for shift in (0, 1))


def landscaper(count: int) -> Any:
    """At the coordinates it returns, in its unit, the norm of the parameters."""
    from landscaper.compute import compute_loss_landscape

    model, d1, d2, data = problem()
    values, axes = compute_loss_landscape(
        model, data, [[d1.clone()], [d2.clone()]], lambda net, own: net(own[0]).item(), count, 0.5, 2, "cpu"
    )
    length = float(model.theta.detach().norm())
    return relative(np.asarray(values).T, closed(model, d1 * length, d2 * length, *(np.asarray(a) for a in axes)))


def loss_landscape_3d(count: int) -> Any:
    """At coordinates that we give."""
    from loss_landscape_3d.calculator import LossLandscapeCalculator

    model, d1, d2, data = problem()
    axis = np.linspace(-1, 1, count)
    zero = torch.zeros_like(model.A)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    found = LossLandscapeCalculator(model, [data], mean).calculate(
        axis, axis, {"theta": d1, "A": zero}, {"theta": d2, "A": zero}, state
    )
    return relative(np.asarray(found).T, closed(model, d1, d2, axis, axis))


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """The arms of a size."""
    count = int(case.split()[0])
    own = {
        "ours": ours,
        "loss-landscapes": loss_landscapes,
        "landscaper": landscaper,
        "loss-landscape-3d": loss_landscape_3d,
    }
    return {name: lambda quick, call=call: lambda: {"values": call(count)} for name, call in own.items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """The error against the bound."""
    return {arm: within(float(error), BOUND) for arm, error in values.items()}
