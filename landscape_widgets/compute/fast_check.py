"""Whether a fast pass gives what the plain one gives: outputs compared at a few displaced points."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.data import Batch, tensors_of
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.rounding import allowed
from landscape_widgets.compute.torch_state import evaluation, normal_vector, one_thread


class UnequalError(Exception):
    """A pass that differs from the plain one."""


@dataclasses.dataclass
class Check:
    """One point of the check: the plain outputs there, and those in float64."""

    theta: Tensor
    plain: list[Tensor]
    exact: list[Tensor]


def displacement(objective: Objective, seed: int) -> Tensor:
    """A random direction, (P,): each parameter's standard deviation is the root mean square of its tensor."""
    noise = normal_vector(objective.size, seed, objective.device, objective.dtype)
    for here, there in zip(objective.layout.split(noise), objective.layout.split(objective.center), strict=True):
        here.mul_(float(there.square().mean().sqrt() if there.numel() else 0.0))
    return noise


def checked(objective: Objective, batch: Batch, theta: Tensor) -> Check:
    """The plain outputs at one point, and for float32 those of a float64 copy."""
    with objective.replica(theta) as replica:
        plain = outputs_of(objective.outputs(replica, batch)[0])
        if objective.dtype == torch.float64:
            return Check(theta, plain, plain)
        names = [block.name for block in objective.layout.blocks]
        double = Replica(replica.module, names, torch.float64, objective.device)
    return Check(theta, plain, outputs_of(batch.double().apply(double.module)))


def compare(found: list[Tensor], plain: list[Tensor], exact: list[Tensor]) -> None:
    """Raise where outputs are further from the exact ones than rounding allows: 1e-12, or three plain errors."""
    if [(one.shape, one.dtype) for one in found] != [(one.shape, one.dtype) for one in plain]:
        raise UnequalError("outputs of another form")
    error, own = distance(found, exact), distance(plain, exact)
    single = any(one.dtype == torch.float32 for one in plain)
    bound = allowed(own, single)
    if not error <= bound:
        raise UnequalError(f"outputs differ by {error:.1e}, allowed {bound:.1e}")


def distance(found: list[Tensor], exact: list[Tensor]) -> float:
    """The largest difference relative to the largest value of each tensor; infinite where NaN and infinity differ."""
    worst = 0.0
    for one, other in zip(found, exact, strict=True):
        a, b = one.double(), other.double()
        finite = b.isfinite()
        if not torch.equal(a.isfinite(), finite):
            return math.inf
        if finite.any():
            scale = float(b[finite].abs().max()) or 1.0
            worst = max(worst, float((a[finite] - b[finite]).abs().max()) / scale)
    return worst


def outputs_of(outputs: Any) -> list[Tensor]:
    """Copies of all tensors in some outputs; raises where there are none, or complex ones."""
    found = [tensor.detach().clone() for tensor in tensors_of(outputs)]
    if not found or any(tensor.is_complex() for tensor in found):
        raise UnequalError("outputs without real tensors")
    return found


@contextlib.contextmanager
def working(threads: int) -> Iterator[None]:
    """Compute without a graph; with one intra-op thread where `threads` are to be restored (0: as it is)."""
    with evaluation(), one_thread(threads) if threads else contextlib.nullcontext():
        yield
