"""Kinks in a loss: operations whose slope jumps, found in the graph of one forward pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.torch_state import differentiation

KINKS = {
    "Relu": "ReLU",
    "LeakyRelu": "leaky ReLU",
    "PreluKernel": "PReLU",
    "RreluWithNoise": "RReLU",
    "Hardtanh": "Hardtanh or ReLU6",
    "Hardsigmoid": "Hardsigmoid",
    "Hardswish": "Hardswish",
    "Hardshrink": "Hardshrink",
    "Softshrink": "Softshrink",
    "Threshold": "threshold",
    "MaxPool2DWithIndices": "max pooling",
    "MaxPool3DWithIndices": "max pooling",
    "AdaptiveMaxPool2D": "max pooling",
    "AdaptiveMaxPool3D": "max pooling",
    "FractionalMaxPool2D": "max pooling",
    "FractionalMaxPool3D": "max pooling",
    "MkldnnMaxPool2D": "max pooling",
    "CudnnRnn": "a fused recurrent layer, which may use ReLU",
    "Abs": "absolute value",
    "Sgn": "sign",
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "Max": "maximum",
    "Min": "minimum",
    "Amax": "maximum",
    "Amin": "minimum",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Topk": "top-k",
    "Sort": "sorting",
    "Kthvalue": "sorting",
    "Median": "median",
    "Round": "rounding",
    "Floor": "rounding",
    "Ceil": "rounding",
    "L1Loss": "absolute value",
    "MultiMarginLoss": "margin loss",
    "MultilabelMarginLoss": "margin loss",
    "CompiledFunction": "compiled code, which may hide ReLU",
}
"""Autograd nodes by name (without "Backward0") of functions whose gradient jumps, in words."""


def kinks_of(objective: Objective) -> tuple[str, ...] | None:
    """What makes the gradient of an objective jump, in words: () for nothing found, None where no graph is to be had.

    Looks at the graph of the loss of the first batch, so functional calls and losses count as modules do; operations
    inside an `autograd.Function` of the user's are not seen. Costs one forward pass of that batch.

    >>> import torch
    >>> objective = Objective(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), torch.nn.L1Loss(),
    ...                       (torch.ones(4, 2), torch.zeros(4, 2)))
    >>> kinks_of(objective)
    ('ReLU', 'absolute value')
    """
    with differentiation(), objective.replica() as replica:
        loss, _ = objective.forward(replica, objective.batches.first)
        return _walk(loss) if loss.requires_grad else None


def _walk(loss: Tensor) -> tuple[str, ...]:
    found: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting.extend(following for following, _ in node.next_functions)
        name = node.name().split("::")[-1].split("Backward")[0]
        if name in KINKS:
            found.add(KINKS[name])
        elif name == "Elu" and float(node._saved_alpha) * float(node._saved_input_scale) != 1.0:
            found.add("ELU or SELU with a kink at 0")
    return tuple(sorted(found))
