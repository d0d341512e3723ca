"""Two interleaved half circles in the plane: two classes that no line separates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from landscape_widgets.errors import InputError


def two_moons(
    samples: int = 200, noise: float = 0.1, dtype: torch.dtype = torch.float32, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return points on two half circles with Gaussian noise, and the half circle each is from.

    (cos t, sin t) for class 0, (1 − cos t, ½ − sin t) for class 1, t evenly spaced in [0, π], plus noise·N(0, 1).

    Parameters
    ----------
    samples : number of points of both classes, an even number of at least 2.
    noise : standard deviation of the noise, in the unit of the coordinates; the radius is 1.
    dtype : dtype of the inputs.
    seed : seed of the noise.

    Returns
    -------
    inputs : (samples, 2), class 0 first.
    targets : (samples,), int64, 0 or 1.

    Raises
    ------
    InputError : an odd or too small number of samples, or negative noise.

    >>> inputs, targets = two_moons(4, noise=0.0)
    >>> (inputs + 0.0).round(decimals=2).tolist(), targets.tolist()
    ([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]], [0, 0, 1, 1])
    """
    if samples < 2 or samples % 2 or not noise >= 0:
        raise InputError(
            f"expected an even number of samples and noise >= 0, got samples={samples}, noise={noise}",
            "pass for example samples=200, noise=0.1",
        )
    t = torch.linspace(0, math.pi, samples // 2, dtype=torch.float64)
    upper = torch.stack([t.cos(), t.sin()], dim=1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], dim=1)
    draw = torch.randn(samples, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    targets = torch.arange(2).repeat_interleave(samples // 2)
    return (torch.cat([upper, lower]) + noise * draw).to(dtype), targets
