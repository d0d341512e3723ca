"""Convolutions and the BatchNorm layers behind them: which layers may be replaced, and what two become together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.parameters import Replica

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Pair = tuple[str, str]
"""Names of a convolution and of the BatchNorm layer folded into it."""


def folded(layer: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Filters s w and bias s (b - μ) + β of a convolution and the BatchNorm layer behind it, s = γ / √(σ² + ε).

    Functions of the parameters of both, with their graph where gradients are enabled.

    >>> layer, norm = nn.Conv1d(1, 1, 1).double(), nn.BatchNorm1d(1).double().eval()
    >>> x, (weight, bias) = torch.ones(1, 1, 1, dtype=torch.float64), folded(layer, norm)
    >>> torch.allclose(norm(layer(x)), nn.functional.conv1d(x, weight, bias))
    True
    """
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    shift = shift * scale if norm.bias is None else torch.addcmul(norm.bias, shift, scale)
    return layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1)), shift


def unchanged(x: Tensor) -> Tensor:
    """The forward pass of a BatchNorm layer that was folded away."""
    return x


def ordinary(part: nn.Module) -> bool:
    """Whether a layer has no hook of its own, nor a forward pass put in place of its class's."""
    return "forward" not in vars(part) and not any(getattr(part, name, None) for name in HOOKS)


def plain_convolution(part: nn.Module) -> bool:
    """Whether a layer is a convolution that another forward pass may replace."""
    return type(part) in CONVOLUTIONS and ordinary(part)


def fixed_norm(part: Any) -> bool:
    """Whether a layer is BatchNorm in evaluation mode, on running statistics, that may be folded away."""
    known = type(part) in NORMS and ordinary(part) and not part.training
    return known and part.running_mean is not None and part.running_var is not None


def watched_pass(
    replica: Replica,
    batch: Batch,
    handles: Iterable[RemovableHandle],
    mode: contextlib.AbstractContextManager[None],
) -> Any:
    """What a replica gives for a batch in this mode of autograd, under hooks that are taken off afterwards."""
    try:
        replica.reset_buffers()
        with mode:
            return batch.apply(replica.module)
    finally:
        for handle in handles:
            handle.remove()
