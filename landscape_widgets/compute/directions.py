"""Directions in parameter space, each with the words and the unit that belong on its axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import ParameterLayout, array_of
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.errors import InputError
from landscape_widgets.results import UNITS, Direction, Eigenpairs

TINY = 1e-10
"""Added to the norm of a drawn filter, as in Li et al."""


def random(objective: Objective, seed: int = 0, normalize: str | None = "filter", *, biases: bool = False) -> Direction:
    """A random Gaussian direction, normalised.

    d_f ← d_f ‖θ_f‖ / (‖d_f‖ + 1e-10) for every filter f ("filter") or every weight tensor ("layer");
    d ← d / ‖d‖ ("unit"); nothing for None, so that ‖d‖ ≈ √P. Costs no evaluation of the model.

    Parameters
    ----------
    objective : whose parameters θ are at the centre.
    seed : one flat float32 CPU draw, so a seed means the same direction on every device and dtype.
    normalize : "filter", "layer", "unit" or None.
    biases : with "filter" and "layer", move biases and norm vectors too, each as one block; else they stay put.

    Returns
    -------
    Direction of P elements in the objective's dtype.

    Raises
    ------
    InputError : for an unknown normalisation.

    Source: H. Li et al., "Visualizing the loss landscape of neural nets" (2018), section 4.

    >>> from landscape_widgets.compute.objective import Objective
    >>> objective = Objective(torch.nn.Linear(3, 2), torch.nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    >>> d = random(objective, seed=1)
    >>> d.label, d.unit, d.vector.shape
    ('random, seed 1', 'filter norms', (8,))
    """
    if normalize not in ("filter", "layer", "unit", None):
        raise InputError(
            f'expected normalize as "filter", "layer", "unit" or None, got {normalize!r}', "choose one of them"
        )
    vector = normal_vector(objective.size, seed, objective.center.device, torch.float64)
    if normalize == "unit":
        vector /= vector.norm()
    elif normalize is not None:
        _normalize_blocks(vector, objective, per_filter=normalize == "filter", biases=biases)
    name = normalize or "raw"
    array = array_of(vector.to(objective.dtype))
    return Direction(array, f"random, seed {seed}", name, UNITS[name], seed)


def hessian(pairs: Eigenpairs, which: Sequence[int] = (0, -1)) -> tuple[Direction, ...]:
    """Eigenvectors as unit directions; index 0 is λ_max, -1 is λ_min.

    Parameters
    ----------
    pairs : a finished result of `Lanczos`.
    which : indices into the values, counted from either end.

    Raises
    ------
    InputError : for an index beyond what was computed, or a partial result without vectors.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024).

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> from landscape_widgets.compute.lanczos import Lanczos
    >>> pairs = Lanczos(DenseOperator(np.diag([3.0, 1.0, -2.0])), 1, 1).run()
    >>> [direction.label for direction in hessian(pairs)]
    ['Hessian λ_max', 'Hessian λ_min']
    """
    count = len(pairs.values)
    if pairs.vectors.shape[1] != count:
        raise InputError(
            "expected finished eigenpairs, got a partial result without vectors",
            "wait for the last result of the stream, or use .run()",
        )
    directions = []
    for index in which:
        if not -count <= index < count:
            raise InputError(
                f"expected an eigenpair index within the {count} computed, got {index}",
                f"compute more: Lanczos(H, largest={max(index + 1, pairs.largest)}, ...)",
            )
        directions.append(Direction(pairs.vectors[:, index].copy(), eigen_label(pairs, index), "unit", UNITS["unit"]))
    return tuple(directions)


def eigen_label(pairs: Eigenpairs, index: int) -> str:
    """What an eigenvector is called: "Hessian λ_max", "Hessian λ_2", "Hessian λ_min"."""
    count = len(pairs.values)
    position = index % count
    if position < pairs.largest:
        return "Hessian λ_max" if position == 0 else f"Hessian λ_{position + 1}"
    from_bottom = count - position
    return "Hessian λ_min" if from_bottom == 1 else f"Hessian λ_min+{from_bottom - 1}"


def rescale(direction: Direction, objective: Objective, scale: str) -> Direction:
    """The same direction at the length that a random one has under a scale; it is never bent.

    "unit" has length 1, "filter" the length ‖θ‖ of the weights that filter normalisation moves, "raw" √P.
    A random direction should be drawn with that normalisation instead.
    """
    if scale not in ("unit", "filter", "raw"):
        raise InputError(f'expected scale as "unit", "filter" or "raw", got {scale!r}', "choose one of them")
    length = np.linalg.norm(direction.vector.astype(np.float64))
    if not length > 0:
        raise InputError(
            f"expected a direction of positive length, got {direction.label} of length {length}", "pass another"
        )
    wanted = {"unit": 1.0, "filter": weight_norm(objective), "raw": float(np.sqrt(objective.size))}[scale]
    units = {
        "unit": UNITS["unit"],
        "filter": f"{wanted:.3g} × parameter distance, the length of a filter-normalised direction",
        "raw": f"{wanted:.3g} × parameter distance, the length of a raw Gaussian direction",
    }
    vector = (direction.vector * (wanted / length)).astype(direction.vector.dtype)
    return Direction(vector, direction.label, scale, units[scale], direction.seed)


def weight_norm(objective: Objective) -> float:
    """‖θ‖ over the weights that filter normalisation moves (all parameters where there are only vectors)."""
    blocks = [block for block in objective.layout.blocks if block.is_weight] or list(objective.layout.blocks)
    squares = sum(objective.center[block.start : block.stop].double().square().sum().item() for block in blocks)
    return float(np.sqrt(squares)) or 1.0


def custom(objective: Objective, value: Any, label: str = "custom") -> Direction:
    """A given vector, or a `Direction`, checked against the objective; a bare vector is labelled raw."""
    what = f"direction '{value.label}'" if isinstance(value, Direction) else "a direction"
    vector = objective.vector(value.vector if isinstance(value, Direction) else value, what)
    if not torch.isfinite(vector).all() or not vector.norm() > 0:
        raise InputError(
            f"expected {what} to be finite and of positive length, got zero, NaN or infinity",
            "check the vector, and that the weights it was normalised by are not all zero",
        )
    if isinstance(value, Direction):
        return value
    return Direction(array_of(vector.clone()), f"{label}, raw", "raw", UNITS["unit"] + " × its length")


def angle(one: Direction, other: Direction) -> float:
    """The angle between two directions in degrees, 0 to 180."""
    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _normalize_blocks(vector: Tensor, objective: Objective, *, per_filter: bool, biases: bool) -> None:
    layout: ParameterLayout = objective.layout
    center = objective.center.double()
    only_vectors = not any(block.is_weight for block in layout.blocks)
    for block in layout.blocks:
        drawn, weights = block.rows(vector), block.rows(center)
        if not block.is_weight:
            if not (biases or only_vectors):
                drawn.zero_()
                continue
            drawn, weights = drawn.reshape(1, -1), weights.reshape(1, -1)
        elif not per_filter:
            drawn, weights = drawn.reshape(1, -1), weights.reshape(1, -1)
        drawn.mul_(weights.norm(dim=1, keepdim=True) / (drawn.norm(dim=1, keepdim=True) + TINY))
