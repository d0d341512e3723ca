"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.seeding import seeded

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def mlp(sizes: Sequence[int] = (64, 300, 256, 10), activation: str = "relu", *, seed: int = 0) -> nn.Sequential:
    """Return a seeded fully connected network.

    f(x) = W_k φ(W_{k-1} … φ(W_1 x + b_1) … + b_{k-1}) + b_k, torch's default initialisation.

    Parameters
    ----------
    sizes : width of every layer, input and output included; at least two, each at least 1.
    activation : φ, one of "relu", "tanh", "gelu".
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : nn.Sequential in training mode, float32; takes (batch, sizes[0]), gives (batch, sizes[-1]).

    Raises
    ------
    InputError : fewer than two sizes, a size below 1, an unknown activation, or a bad seed.

    >>> sum(p.numel() for p in mlp((64, 300, 256, 10)).parameters())
    99126
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            f"expected at least two layer sizes, each at least 1, got {tuple(sizes)}",
            "pass for example (64, 300, 256, 10)",
        )
    if activation not in ACTIVATIONS:
        raise InputError(f"expected activation in {sorted(ACTIVATIONS)}, got {activation!r}", "pass one of these names")
    layers: list[nn.Module] = []
    with seeded(seed):
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])
