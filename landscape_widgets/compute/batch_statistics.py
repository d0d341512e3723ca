"""BatchNorm statistics of one point: recomputed over the data there, instead of frozen at the centre."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import evaluation
from landscape_widgets.errors import ModelError

if TYPE_CHECKING:
    from landscape_widgets.compute.objective import Objective

Statistics = list[tuple[Tensor, Tensor]]
"""Running mean and variance, one pair a BatchNorm layer, in the order of `module.modules()`."""


def batch_norm_layers(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The BatchNorm layers that keep running statistics."""
    return [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None
    ]


def statistics_steps(objective: Objective, theta: Tensor) -> Generator[None, None, Statistics]:
    """Recompute the statistics at θ: the average over the batches of each batch's mean and unbiased variance.

    Cost: one forward pass over the data. Yields after every batch; the same as `torch.optim.swa_utils.update_bn`.
    """
    total: Statistics = []
    count = objective.batches.count
    for batch in objective.batches:
        with evaluation(), objective.replica(theta) as replica:
            found = _of_batch(replica, batch.cloned() if objective.writes_data else batch)
        if not total:
            total = [(torch.zeros_like(mean), torch.zeros_like(variance)) for mean, variance in found]
        for (mean, variance), (batch_mean, batch_variance) in zip(total, found, strict=True):
            mean.add_(batch_mean, alpha=1 / count)
            variance.add_(batch_variance, alpha=1 / count)
        yield
    return total


def use_statistics(replica: Replica, statistics: Statistics) -> None:
    """Put statistics into the layers of a replica, until its buffers are reset."""
    with torch.no_grad():
        for layer, (mean, variance) in zip(batch_norm_layers(replica.module), statistics, strict=True):
            layer.running_mean.copy_(mean)  # type: ignore[union-attr]
            layer.running_var.copy_(variance)  # type: ignore[union-attr]


def refuse_recomputed(objective: Objective) -> None:
    """Raise where a derivative is asked of a loss whose statistics move with the point."""
    if objective.batch_norm == "recomputed":
        raise ModelError(
            'expected frozen BatchNorm statistics for a derivative, got batch_norm="recomputed"',
            'use an Objective with batch_norm="frozen" for gradients, Hessians and previews',
        )


def _of_batch(replica: Replica, batch: Batch) -> Statistics:
    """The statistics that one batch alone gives each layer, every layer normalising by the batch meanwhile."""
    replica.reset_buffers()
    layers = batch_norm_layers(replica.module)
    before = [(layer.training, layer.momentum) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.momentum = True, 1.0
        batch.apply(replica.module)
    finally:
        for layer, (training, momentum) in zip(layers, before, strict=True):
            layer.training, layer.momentum = training, momentum
    found = [(layer.running_mean.clone(), layer.running_var.clone()) for layer in layers]  # type: ignore[union-attr]
    replica.reset_buffers()
    return found
