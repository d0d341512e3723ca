"""Regression data from one wavy function of one variable."""

from __future__ import annotations

import torch
from torch import Tensor

from landscape_widgets.errors import InputError


def target_function(x: Tensor) -> Tensor:
    """Return f(x) = log(sin(10x) + 2) + sin(x), elementwise.

    Source: L. Böttcher and G. Wheeler, arXiv:2208.13219, the function approximation example.

    >>> target_function(torch.zeros(1)).item() == torch.tensor(2.0).log().item()
    True
    """
    return torch.log(torch.sin(10 * x) + 2) + torch.sin(x)


def function_data(samples: int = 200, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return evenly spaced points in [-1, 1] and f(x) = log(sin(10x) + 2) + sin(x) there.

    Parameters
    ----------
    samples : number of points, at least 2, both ends included.
    dtype : dtype of inputs and targets.

    Returns
    -------
    inputs : (samples, 1).
    targets : (samples, 1).

    Raises
    ------
    InputError : fewer than two samples.

    >>> inputs, targets = function_data(5)
    >>> inputs.flatten().tolist(), targets.shape
    ([-1.0, -0.5, 0.0, 0.5, 1.0], torch.Size([5, 1]))
    """
    if samples < 2:
        raise InputError(f"expected at least 2 samples, got {samples}", "pass for example samples=200")
    inputs = torch.linspace(-1, 1, samples, dtype=torch.float64)[:, None]
    return inputs.to(dtype), target_function(inputs).to(dtype)
