"""Curvature at the centre of a slice, from two Hessian-vector products."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.parameters import real_tensor
from landscape_widgets.errors import InputError
from landscape_widgets.results import UNITS, Axis, Direction, SliceCurvature


def slice_curvature(
    operator: SymmetricOperator, directions: Sequence[Direction | Tensor | np.ndarray] | Tensor | np.ndarray
) -> SliceCurvature:
    """The 2×2 Hessian of a slice at its centre: A = ηᵀHη, B = ηᵀHδ, C = δᵀHδ.

    κ± = ½ [(A + C) ± √((A - C)² + 4B²)]. Cost: two Hessian-vector products, and one gradient where the
    operator knows its objective.

    Parameters
    ----------
    operator : H, for example `HessianOperator(objective)`.
    directions : two, each a `Direction` or a flat (P,) vector.

    Returns
    -------
    SliceCurvature in the coordinates of the slice, and per unit of raw parameter distance.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024).

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> found = slice_curvature(DenseOperator(np.diag([2.0, -1.0])), np.eye(2))
    >>> found.A, found.B, found.C, found.kind
    (2.0, 0.0, -1.0, 'saddle')
    """
    return finished(slice_curvature_steps(operator, directions))


def slice_curvature_steps(
    operator: SymmetricOperator, directions: Sequence[Direction | Tensor | np.ndarray] | Tensor | np.ndarray
) -> Generator[None, None, SliceCurvature]:
    """The same in bounded steps: yields after every batch, returns the result."""
    if len(directions) != 2:
        raise InputError(f"expected two directions, got {len(directions)}", "pass (d1, d2)")
    objective: Objective | None = getattr(operator, "objective", None)
    vectors = [_vector(operator, direction) for direction in directions]
    images = []
    for vector in vectors:
        images.append((yield from operator.product_steps(vector)))
    first, second = (vector.double() for vector in vectors)
    image1, image2 = (image.double() for image in images)
    a, c = (first @ image1).item(), (second @ image2).item()
    b = 0.5 * ((first @ image2).item() + (second @ image1).item())
    noise = (
        16
        * torch.finfo(operator.dtype).eps
        * max((first.norm() * image1.norm()).item(), (second.norm() * image2.norm()).item())
    )
    slope, loss, length = np.full(2, np.nan), float("nan"), float("nan")
    if objective is not None:
        theta = getattr(operator, "theta", None)
        gradient = (yield from objective.gradient_steps(theta)).double()
        slope = np.array([(gradient @ first).item(), (gradient @ second).item()])
        loss, length = (yield from objective.loss_steps(theta)), gradient.norm().item()
    gram = np.array([[(first @ first).item(), (first @ second).item()], [0.0, (second @ second).item()]])
    kappa = curvatures(a, b, c)
    return SliceCurvature(
        a,
        b,
        c,
        kappa,
        _per_length(a, b, c, gram),
        kind_of(kappa, noise),
        tuple(_axis(item) for item in directions),
        slope,
        loss,
        length,
        operator.question,
    )


def curvatures(a: float, b: float, c: float) -> np.ndarray:
    """κ₊ ≥ κ₋, the eigenvalues of [[a, b], [b, c]].

    >>> curvatures(2.0, 0.0, -1.0)
    array([ 2., -1.])
    """
    radius = np.hypot(a - c, 2 * b) / 2
    return np.array([(a + c) / 2 + radius, (a + c) / 2 - radius])


def kind_of(kappa: np.ndarray, noise: float = 0.0) -> str:
    """What a slice with these curvatures shows; one within ± noise of zero makes it "flat".

    Curvatures that are NaN or infinite show nothing: "not finite".
    """
    upper, lower = float(kappa.max()), float(kappa.min())
    if not (np.isfinite(upper) and np.isfinite(lower)):
        return "not finite"
    if lower > noise:
        return "minimum"
    if upper < -noise:
        return "maximum"
    return "saddle" if upper > noise and lower < -noise else "flat"


def _per_length(a: float, b: float, c: float, gram: np.ndarray) -> np.ndarray:
    """Eigenvalues of [[a, b], [b, c]] against the Gram matrix; NaN where not finite, or the directions parallel."""
    gram[1, 0] = gram[0, 1]
    scaled = gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    if not np.isfinite([a, b, c]).all() or np.linalg.cond(scaled) > 1e12:
        return np.full(2, np.nan)
    values: np.ndarray = scipy.linalg.eigh(np.array([[a, b], [b, c]]), gram, eigvals_only=True)
    return values[::-1].copy()


def _vector(operator: SymmetricOperator, direction: Any) -> Tensor:
    value = real_tensor(direction.vector if isinstance(direction, Direction) else direction, "a direction")
    if value.shape != (operator.size,) or not value.is_floating_point():
        raise InputError(
            f"expected a direction of shape ({operator.size},), got {tuple(value.shape)} of {value.dtype}",
            "draw it for the objective of this operator",
        )
    if not torch.isfinite(value).all() or not value.norm() > 0:
        raise InputError("expected a finite direction of positive length, got zero, NaN or infinity", "check it")
    return value.to(dtype=operator.dtype, device=operator.device)


def _axis(direction: Any) -> Axis:
    if isinstance(direction, Direction):
        return direction.axis
    length = float(real_tensor(direction, "a direction").double().norm())
    return Axis("custom, raw", "raw", UNITS["unit"] + " × its length", None, length)
