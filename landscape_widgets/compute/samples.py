"""The loss of every sample by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from landscape_widgets.compute.data import slice_tensors, tensors_of
from landscape_widgets.compute.torch_state import evaluation
from landscape_widgets.errors import InputError

if TYPE_CHECKING:
    from landscape_widgets.compute.objective import Objective


def sample_losses(objective: Objective, theta: Tensor | None = None) -> Float[Tensor, " N"]:
    """The loss of each sample, in the order of the batches: `loss(outputs[i:i+1], targets[i:i+1])`.

    Cost: one forward pass over the data, and one call of the loss a sample. Works for any loss, since every
    loss takes a batch of one.

    Raises `InputError` where outputs or targets do not have the samples in their first dimension.
    """
    parts = []
    for batch in objective.batches:
        with evaluation(), objective.replica(theta) as replica:
            outputs, targets = objective.outputs(replica, batch)
            _check_samples(outputs, targets, batch.size)
            losses = [
                objective.loss_of(slice_tensors(outputs, one), slice_tensors(targets, one))
                for one in (slice(i, i + 1) for i in range(batch.size))
            ]
            parts.append(torch.stack(losses))
    return torch.cat(parts)


def _check_samples(outputs: Any, targets: Any, size: int) -> None:
    for tensor in tensors_of((outputs, targets)):
        if tensor.ndim == 0 or len(tensor) != size:
            raise InputError(
                f"expected outputs and targets with {size} samples in their first dimension, "
                f"got a tensor of shape {tuple(tensor.shape)}",
                "give every sample a row, or compute its loss from objective.loss with data of one sample",
            )
