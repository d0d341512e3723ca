"""Directions in parameter space, each with the words and the unit that belong on its axis."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.checkpoints import Architecture, source_of
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.parameters import ParameterLayout, array_of
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.compute.trajectory import TrajectoryProjection
from landscape_widgets.errors import InputError, LandscapeWarning, ModelError
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

    >>> from landscape_widgets.compute.objective import Objective, finished
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
    return f"Hessian {eigenvalue_name(position if position < pairs.largest else position - count)}"


def eigenvalue_name(index: int) -> str:
    """What the eigenvalue of an index is called, from the top (0, 1, …) or from the bottom (-1, -2, …).

    >>> [eigenvalue_name(index) for index in (0, 1, -2, -1)]
    ['λ_max', 'λ_2', 'λ_min+1', 'λ_min']
    """
    if index >= 0:
        return "λ_max" if index == 0 else f"λ_{index + 1}"
    return "λ_min" if index == -1 else f"λ_min+{-index - 1}"


def gradient(objective: Objective, normalize: str | None = "unit") -> Direction:
    """The gradient ∇L at the centre, uphill: L(θ + αd) has slope ‖∇L‖ at α = 0.

    d = ∇L / ‖∇L‖ ("unit"), or d = ∇L (None), along which the slope is ‖∇L‖². Costs one forward and backward pass.

    Parameters
    ----------
    objective : whose gradient is taken.
    normalize : "unit" or None.

    Raises
    ------
    ModelError : the gradient is zero, NaN or infinite, or there is none.
    InputError : another normalisation; `rescale` gives a unit direction any length.

    >>> objective = Objective(torch.nn.Linear(3, 2), torch.nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    >>> d = gradient(objective)
    >>> d.label, bool(d.vector @ objective.gradient().numpy() > 0)
    ('gradient, uphill', True)
    """
    return finished(gradient_steps(objective, normalize))


def gradient_steps(objective: Objective, normalize: str | None = "unit") -> Generator[None, None, Direction]:
    """As `gradient`, yielding after every batch."""
    if normalize not in ("unit", None):
        raise InputError(
            f'expected normalize as "unit" or None, got {normalize!r}', "use rescale(direction, objective, scale)"
        )
    vector = (yield from objective.gradient_steps()).cpu().double()
    largest = float(vector.abs().max())
    if not 0 < largest < float("inf"):
        raise ModelError(
            f"expected a finite gradient other than zero at the centre, got {'zero' if largest == 0 else largest}",
            "use Hessian or random directions: at a stationary point there is no uphill; else check the data",
        )
    length = largest * float((vector / largest).norm())  # squares of tiny elements would vanish
    if normalize == "unit":
        unit = array_of((vector / largest / (length / largest)).to(objective.dtype))
        return Direction(unit, "gradient, uphill", "unit", UNITS["unit"])
    words = f"{length:.3g} × parameter distance, the length of the gradient"
    return Direction(array_of(vector.to(objective.dtype)), "gradient, uphill", "raw", words)


def between(objective: Objective, other: Any, label: str | None = None) -> Direction:
    """The way to another model of the same architecture, d = θ_other - θ: 0 on the axis is this one, 1 the other.

    Buffers (BatchNorm statistics) and parameters that are frozen or not selected stay those of the objective's
    model; where they differ, a `LandscapeWarning` says so and the label ends in "moved parameters only", since
    the loss at 1 is then not that of the other model. Costs no evaluation.

    Parameters
    ----------
    objective : whose centre is 0 on the axis.
    other : flat (P,) vector, module, state dict (parameters checked by name), or path of a safetensors file.
    label : what the other one is called; None describes its form.

    Raises
    ------
    InputError : another architecture (the first parameter that is missing or differs), not finite, or the same point.
    FileNotFoundError : no such file.

    >>> objective = Objective(torch.nn.Linear(3, 2), torch.nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    >>> other = torch.nn.Linear(3, 2)
    >>> d = between(objective, other, "a second seed")
    >>> d.label, bool(torch.allclose(objective.center[:6] + torch.tensor(d.vector[:6]), other.weight.flatten()))
    ('towards a second seed', True)
    """
    source = source_of(other, Architecture.of(objective), "the other model" if label is None else label)
    theirs = np.empty(objective.size)
    source.fill(theirs, 0)
    theirs -= objective.center.cpu().double().numpy()
    vector = torch.from_numpy(theirs).to(objective.dtype)
    length = float(vector.double().norm())
    if not 0 < length < float("inf"):
        raise InputError(
            f"expected {source.label} at another finite point, got "
            + ("the same parameters as the objective's" if length == 0 else f"distance {length}"),
            "pass other parameters; a state_dict() refers to the live model, so clone it before training on",
        )
    words = f"distance to {source.label}, {length:.3g} × parameter distance"
    name = f"towards {source.label}"
    if source.differing:
        name += ", moved parameters only"
        warnings.warn(
            f"{source.label} has other values in {', '.join(source.differing[:3])}, which stay those of the "
            "objective's model, so the loss at 1 is not its own; recompute the statistics, or compare at each end",
            LandscapeWarning,
            stacklevel=2,
        )
    return Direction(array_of(vector), name, "raw", words)


def trajectory(
    objective: Objective, checkpoints: Iterable[Any], components: int = 2, center: str = "objective"
) -> tuple[Direction, ...]:
    """The principal components of a training trajectory, as unit directions.

    Right singular vectors of the displacements θ_i - θ*, with their share of Σ‖θ_i - θ*‖² in the label. Costs two
    passes over the checkpoints and n²P + nkP multiplications; see `TrajectoryProjection` for memory and more.

    Parameters
    ----------
    objective : whose centre θ* displacements are measured from.
    checkpoints : two or more flat (P,) vectors, modules, state dicts or paths of safetensors files, in order.
    components : how many.
    center : "objective" (θ*), "last" or "mean": what displacements are measured from instead.

    Raises
    ------
    InputError : fewer than two checkpoints, too few dimensions, another architecture, all of them equal.

    Source: H. Li et al., "Visualizing the loss landscape of neural nets" (2018), section 7.2.

    >>> objective = Objective(torch.nn.Linear(2, 1), torch.nn.MSELoss(), (torch.ones(4, 2), torch.ones(4, 1)))
    >>> path = [objective.center + torch.tensor([4.0 - t, (t - 2.0) ** 2, 0.0]) for t in range(5)]
    >>> [direction.label for direction in trajectory(objective, path)]
    ['trajectory PC1 (81 % of variance)', 'trajectory PC2 (19 % of variance)']
    """
    return TrajectoryProjection(objective, checkpoints, components=components, center=center).principal_directions()


def orthogonalize(one: Direction, other: Direction, objective: Objective, inner: str = "euclidean") -> Direction:
    """The second direction made orthogonal to the first, at its own Euclidean length.

    b ← b - a⟨a, b⟩ / ⟨a, a⟩ with ⟨a, b⟩ = Σ a_i b_i ("euclidean") or Σ_f a_f·b_f / ‖θ_f‖² over the filters f, a bias
    or norm vector as one ("filter"), then scaled to the ‖b‖ of before. Orthogonalised twice, in float64.

    Parameters
    ----------
    one, other : directions, or flat (P,) vectors; the first is left as it is.
    objective : whose parameters θ weigh the filters.
    inner : "euclidean" or "filter".

    Returns
    -------
    Direction, its label naming the inner product; "unit" stays "unit", any other normalisation becomes "raw".

    Raises
    ------
    InputError : another inner product, parallel directions, or a zero filter that the first one moves.

    >>> objective = Objective(torch.nn.Linear(3, 2), torch.nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    >>> one, other = random(objective, 0), random(objective, 1)
    >>> d = orthogonalize(one, other, objective)
    >>> d.label, round(angle(one, d), 3)
    ('random, seed 1, ⟂ random, seed 0 (euclidean)', 90.0)
    """
    if inner not in ("euclidean", "filter"):
        raise InputError(f'expected inner as "euclidean" or "filter", got {inner!r}', "choose one of them")
    one, other = custom(objective, one), custom(objective, other)
    a, b = (torch.as_tensor(item.vector).cpu().double() for item in (one, other))
    weighted = a if inner == "euclidean" else _over_filter_norms(a, objective)
    before, square = b.norm(), weighted @ a
    for _ in range(2):
        b = b - a * ((weighted @ b) / square)
    if not b.norm() > 100 * torch.finfo(objective.dtype).eps * before:
        raise InputError(
            f"expected directions that are not parallel, got {one.label} and {other.label}", "pass another second one"
        )
    b *= before / b.norm()
    unit = other.normalization == "unit"
    words = UNITS["unit"] if unit else f"{float(before):.3g} × parameter distance"
    label = f"{other.label}, ⟂ {one.label} ({inner})"
    return Direction(array_of(b.to(objective.dtype)), label, "unit" if unit else "raw", words, other.seed)


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


def _over_filter_norms(vector: Tensor, objective: Objective) -> Tensor:
    """A direction with every filter divided by ‖θ_f‖²."""
    weighted, center = vector.clone(), objective.center.cpu().double()
    for block in objective.layout.blocks:
        moved, weights = block.rows(weighted), block.rows(center)
        if not block.is_weight:
            moved, weights = moved.reshape(1, -1), weights.reshape(1, -1)
        squares = weights.square().sum(dim=1, keepdim=True)
        if bool(((squares == 0) & (moved != 0)).any()):
            raise InputError(
                f"expected weights other than zero in every filter that is moved, got a zero one in '{block.name}'",
                'use inner="euclidean"',
            )
        moved.div_(torch.where(squares == 0, 1.0, squares))
    return weighted
