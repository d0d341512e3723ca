"""Results that a user brings along: checked against the objective before anything is drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import InputError
from landscape_widgets.results import Eigenpairs, Surface

AGREEMENT = 1e-3
"""Relative difference up to which a loss or an eigenvalue counts as that of this objective."""


def ready_made(objective: Objective, results: Sequence[Any] | Any) -> tuple[Eigenpairs | None, tuple[Surface, ...]]:
    """The eigenpairs and the surfaces among results that were computed before.

    Cost: one Hessian-vector product for eigenpairs, one loss for surfaces: a result of another model or of other data
    is refused, never drawn.

    Raises
    ------
    InputError : something else than `Eigenpairs` or `Surface`, or a result that is not of this objective.
    """
    items = [results] if isinstance(results, (Eigenpairs, Surface)) else list(results or ())
    pairs: Eigenpairs | None = None
    surfaces = []
    for item in items:
        if isinstance(item, Eigenpairs):
            pairs = _checked_pairs(objective, item)
        elif isinstance(item, Surface):
            surfaces.append(item)
        else:
            raise InputError(
                f"expected Eigenpairs or Surface in results, got {type(item).__name__}",
                "pass directions as directions=, other models as models=, a path as checkpoints=",
            )
    if surfaces:
        loss = objective.loss()
        for surface in surfaces:
            _check_surface(surface, loss)
    return pairs, tuple(surfaces)


def _checked_pairs(objective: Objective, pairs: Eigenpairs) -> Eigenpairs:
    if pairs.vectors.shape != (objective.size, len(pairs.values)) or not len(pairs.values):
        raise InputError(
            f"expected finished eigenpairs of {objective.size} parameters, got vectors of shape {pairs.vectors.shape}",
            "pass the result of Lanczos(H, ...).run() of this model",
        )
    vector = pairs.vectors[:, 0].astype(np.float64)
    image = np.asarray(HessianOperator(objective) @ objective.vector(vector)).astype(np.float64)
    residual = float(np.linalg.norm(image - pairs.values[0] * vector))
    allowed = 2 * float(pairs.residuals[0]) + AGREEMENT * float(np.abs(pairs.values).max())
    if not residual <= allowed:
        raise InputError(
            f"expected eigenpairs of this objective, got a first pair with |Hv - λv| = {residual:.3g} here",
            "compute them for this model, loss and data",
        )
    return pairs


def _check_surface(surface: Surface, loss: float) -> None:
    centre = [np.flatnonzero(axis == 0) for axis in (surface.alpha, surface.beta) if axis is not None]
    found = surface.loss[np.ix_(*reversed(centre))].reshape(-1)
    known = surface.known[np.ix_(*reversed(centre))].reshape(-1)
    if len(found) != 1 or not known.all():
        raise InputError(
            "expected a surface whose centre is known, got one without a value there", "pass one that covers the model"
        )
    if not np.isclose(found[0], loss, rtol=AGREEMENT, equal_nan=True):
        raise InputError(
            f"expected a surface of this objective, got one with loss {found[0]:.6g} at its centre, here {loss:.6g}",
            "pass a surface of this model, loss and data",
        )
