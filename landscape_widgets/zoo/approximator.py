"""Networks of one variable that learn `zoo.function_data`."""

from __future__ import annotations

from torch import nn

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.mlp import mlp

SHAPES: dict[str, tuple[int, ...]] = {"wide": (1, 100, 100, 100, 1), "narrow": (1, *([10] * 10), 1)}


def function_approximator(shape: str = "wide", activation: str = "relu", *, seed: int = 0) -> nn.Sequential:
    """Return a seeded fully connected network from one number to one number.

    Parameters
    ----------
    shape : "wide", 1→100→100→100→1 with 20,501 parameters, or "narrow", ten hidden layers of ten with 1,021.
    activation : "relu", "tanh" or "gelu".
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : nn.Sequential in training mode, float32; takes (batch, 1), gives (batch, 1).

    Raises
    ------
    InputError : an unknown shape or activation, or a bad seed.

    Source: L. Böttcher and G. Wheeler, arXiv:2208.13219, the function approximation example.

    >>> [sum(p.numel() for p in function_approximator(shape).parameters()) for shape in ("wide", "narrow")]
    [20501, 1021]
    """
    if shape not in SHAPES:
        raise InputError(f"expected shape in {sorted(SHAPES)}, got {shape!r}", "or build another one with zoo.mlp")
    return mlp(SHAPES[shape], activation, seed=seed)
