"""Probes at construction: is the loss deterministic, finite, and a mean over samples?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import preserved_random_state
from landscape_widgets.errors import ModelError

if TYPE_CHECKING:
    from landscape_widgets.compute.objective import Objective

PROBE_SAMPLES = 32
"""Samples of the first batch that the probe runs."""


def probe(objective: Objective, replica: Replica, *, check_determinism: bool, check_mean: bool) -> None:
    """Run the first samples twice, then doubled, and raise `ModelError` for what does not agree."""
    if check_determinism:
        _refuse_training_layers(replica.module)
    batch = objective.batches.first
    batch = batch.head(PROBE_SAMPLES) or batch
    with preserved_random_state():
        loss = _loss(objective, replica, batch)
        if not math.isfinite(loss):
            raise ModelError(
                f"expected a finite loss at the centre, got {loss} on the first {batch.size} samples",
                "check the inputs for NaN, the learning rate that trained the model, or use dtype=torch.float64",
            )
        if check_determinism:
            _check_repeat(objective, replica, batch, loss)
        if check_mean and (twice := batch.doubled()) is not None:
            _check_doubled(objective, loss, _loss(objective, replica, twice))


def _refuse_training_layers(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if not layer.training:
            continue
        probability = getattr(layer, "p", None) if isinstance(layer, nn.modules.dropout._DropoutNd) else None
        if probability is None and isinstance(layer, (nn.MultiheadAttention, nn.RNNBase)):
            probability = layer.dropout
        if probability:
            raise ModelError(
                f"expected a deterministic model, got dropout left on in '{name}' (p={probability})",
                "call model.eval() first, or pass check_determinism=False to draw one random loss",
            )
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ModelError(
                f"expected frozen BatchNorm statistics, got BatchNorm in train mode in '{name}'",
                "call model.eval() first, or pass check_determinism=False to use each batch's own statistics",
            )


def _check_repeat(objective: Objective, replica: Replica, batch: Batch, loss: float) -> None:
    one = objective.batch_gradient(replica, batch)
    other = objective.batch_gradient(replica, batch)
    again = _loss(objective, replica, batch)
    tolerance = 64 * torch.finfo(objective.dtype).eps
    moved = (one - other).norm().item() > 64 * tolerance * one.norm().item()
    if abs(again - loss) > tolerance * max(abs(loss), abs(again)) or moved:
        raise ModelError(
            f"expected the same loss and gradient twice on the same batch, got losses {loss:.9g} and {again:.9g}",
            "make the model deterministic (model.eval(), a fixed seed inside), or pass check_determinism=False",
        )


def _check_doubled(objective: Objective, loss: float, doubled: float) -> None:
    # Reductions over twice the samples round differently: a mean must agree to a few hundred ulps only.
    tolerance = 4096 * torch.finfo(objective.dtype).eps * max(abs(loss), abs(doubled), torch.finfo(objective.dtype).eps)
    if abs(doubled - loss) <= tolerance:
        return
    if abs(doubled - 2 * loss) <= 2 * tolerance:
        raise ModelError(
            f"expected the mean over samples, got a sum: every sample twice gave {doubled:.6g} instead of {loss:.6g}",
            'use reduction="mean", or pass check_mean=False if the sum is meant',
        )
    raise ModelError(
        f"expected the mean over samples, got a loss that changes from {loss:.6g} to {doubled:.6g} "
        "when every sample comes twice",
        "average over the samples of the batch, or pass check_mean=False if this is meant (a contrastive loss, say)",
    )


def _loss(objective: Objective, replica: Replica, batch: Batch) -> float:
    with torch.no_grad():
        return objective.forward(replica, batch)[0].item()
