"""What functions of the parameters alone need to be a model with a loss and data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Data = tuple[Tensor, Tensor]
ValueLoss = Callable[[Tensor, Tensor], Tensor]


def mean_output(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of the outputs, whatever the targets: the loss of a model that gives its own value.

    >>> mean_output(torch.tensor([[2.0], [4.0]]), torch.zeros(2, 1))
    tensor(3.)
    """
    return outputs.mean()


def one_sample(dtype: torch.dtype) -> Data:
    """Return a single sample that carries nothing, (1, 1) inputs and (1, 1) targets."""
    return torch.zeros(1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
