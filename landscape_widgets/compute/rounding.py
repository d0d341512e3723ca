"""How far a computation in another order may be from the plain one."""

from __future__ import annotations

import torch

EXACT = 1e-12
"""Largest relative difference from the plain computation in float64."""
TIMES_PLAIN = 3.0
"""Largest error in float32, in errors of the plain computation; both against float64."""


def allowed(plain: float, single: bool) -> float:
    """The relative error that rounding explains, where the plain computation has this one.

    >>> allowed(0.0, single=False), allowed(1e-6, single=True) > 3e-6
    (1e-12, True)
    """
    return TIMES_PLAIN * plain + torch.finfo(torch.float32).eps if single else EXACT


def first_line(error: Exception) -> str:
    """An error in a few words, as the reason why a check failed."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
