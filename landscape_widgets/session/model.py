"""From what a user passes to a widget to the objective that it explores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from landscape_widgets.compute.objective import Loss, Objective
from landscape_widgets.errors import InputError

__all__ = ["OBJECTIVE_OPTIONS", "Loss", "Objective", "objective_of"]

OBJECTIVE_OPTIONS = (
    "parameters",
    "metrics",
    "weight",
    "batch_size",
    "dtype",
    "device",
    "data_memory",
    "batch_norm",
    "check_determinism",
    "check_mean",
    "name",
)
"""Keywords of `Objective` that a widget passes on."""


def objective_of(
    model: nn.Module | Objective, loss: Loss | None, data: Any, options: Mapping[str, Any] | None = None
) -> Objective:
    """The objective of a model with its loss and data, or the given one; raises `InputError` where a part lacks."""
    if isinstance(model, Objective):
        return model
    if loss is None or data is None:
        raise InputError("expected explore(model, loss, data), got no loss or no data", "pass all three")
    return Objective(model, loss, data, **(options or {}))
