"""Many random slices through one point: what they show, how often, and what they show on average."""

from __future__ import annotations

import copy
import dataclasses
import functools
import numbers
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from landscape_widgets.compute import directions
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import PartialProduct, SymmetricOperator
from landscape_widgets.compute.operators.diagonal import DiagonalOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.slice_laws import per_length, principal_curvatures
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import SliceCurvature, SliceSample, SliceStanding, wilson

SEED_BLOCK = 256
"""Slices whose seeds are made together."""


@dataclasses.dataclass
class SampleState:
    """The slices done so far, and the one under way; a checkpoint is a copy."""

    key: tuple[Any, ...]
    forms: np.ndarray
    kappa: np.ndarray
    per_length: np.ndarray
    kinds: np.ndarray
    seeds: np.ndarray
    done: int = 0
    products: int = 0
    gradient_norm: float | None = None
    first_image: Tensor | None = None
    partial: PartialProduct = dataclasses.field(default_factory=PartialProduct)

    def copy(self) -> SampleState:
        """A copy that later steps do not change."""
        return copy.deepcopy(self)

    def grown(self, total: int) -> SampleState:
        """A copy with room for `total` slices."""
        fresh, done = _empty_state(self.key, total), self.done
        for name in ("forms", "kappa", "per_length", "kinds", "seeds"):
            getattr(fresh, name)[:done] = getattr(self, name)[:done]
        kept = {name: getattr(fresh, name) for name in ("forms", "kappa", "per_length", "kinds", "seeds")}
        return dataclasses.replace(self.copy(), **kept)


class RandomSlices(Computation[SliceSample, SampleState]):
    """Draw random slices f(α, β) = L(θ* + αη + βδ) and take the curvature of each at its centre.

    A = ηᵀHη, B = ηᵀHδ, C = δᵀHδ, κ± = ½ [(A + C) ± √((A - C)² + 4B²)]. Slice k is the same whatever `draws`: its
    seeds are those of `slice_seeds(seed, k)`, and `directions.random(objective, that seed, normalize)` is its
    direction. A checkpoint may be resumed with more draws.

    Cost: two Hessian-vector products a slice, and one gradient; none for a `DiagonalOperator`, whose forms are sums
    over coordinates. Memory: 5 vectors of length P and 100 bytes a slice.

    Parameters
    ----------
    operator : H, or an `Objective`, whose Hessian at its centre is taken.
    draws : S, how many slices.
    seed : of the sample.
    normalize : None (raw Gaussian, as the theory has it), "unit", or "filter" (needs an objective).

    Returns
    -------
    SliceSample from `run()`, and after every batch of every product (or block of slices) from `stream()`. A slice
    that is not finite ends the sample with the outcome "not finite", and is left out of it.

    Raises
    ------
    InputError : draws < 1, a negative seed, another normalisation, or "filter" without an objective.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024).

    >>> sample = RandomSlices(DiagonalOperator(np.r_[np.ones(50), -np.ones(50), 0.0]), draws=200).run()
    >>> sample.done, sum(sample.counts.values()), sample.products, str(sample.outcome)
    (200, 200, 0, 'complete')
    """

    def __init__(
        self,
        operator: SymmetricOperator | Objective,
        draws: int = 1000,
        seed: int = 0,
        normalize: str | None = None,
    ) -> None:
        self.operator = HessianOperator(operator) if isinstance(operator, Objective) else operator
        if not isinstance(self.operator, SymmetricOperator):
            raise InputError(
                f"expected a symmetric operator or an Objective, got {type(operator).__name__}",
                "pass lw.HessianOperator(objective)",
            )
        whole = isinstance(draws, numbers.Integral) and isinstance(seed, numbers.Integral)
        if not whole or draws < 1 or seed < 0:
            raise InputError(f"expected whole draws >= 1 and seed >= 0, got {draws} and {seed}", "use the defaults")
        self.objective: Objective | None = getattr(self.operator, "objective", None)
        if normalize not in (None, "unit", "filter") or (normalize == "filter" and self.objective is None):
            raise InputError(
                'expected normalize as None, "unit", or, for an operator of an objective, "filter", '
                f"got {normalize!r} for a {type(self.operator).__name__}",
                'choose one of them; "filter" needs the weights of a model: pass lw.HessianOperator(objective)',
            )
        self.draws, self.seed, self.normalize = draws, seed, normalize

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": "RandomSlices",
            "draws": self.draws,
            "seed": self.seed,
            "normalize": self.normalize or "raw",
            **self.operator.question,
        }

    def stream(self, resume: SampleState | None = None) -> Stream[SliceSample, SampleState]:
        """Yield the sample so far after every bounded piece of work; `resume` may come from a run of fewer draws."""
        key = (self.seed, self.normalize, self.operator.size)
        if resume is not None and (resume.key != key or resume.done > self.draws):
            raise InputError(
                f"expected a checkpoint of at most {self.draws} slices of {key}, got {resume.done} of {resume.key}",
                "resume with the same operator, seed and normalize, and at least as many draws",
            )
        state = _empty_state(key, self.draws) if resume is None else resume.grown(self.draws)
        return Stream(self._steps(state), state.copy)

    def _steps(self, state: SampleState) -> Generator[SliceSample, None, None]:
        if self.objective is not None and state.gradient_norm is None:
            for gradient in _reported(self.objective.gradient_steps(getattr(self.operator, "theta", None))):
                if gradient is not None:
                    state.gradient_norm = float(gradient.double().norm())
                yield self._result(state, Outcome.RUNNING)
        finite = True
        while state.done < self.draws and finite:
            if isinstance(self.operator, DiagonalOperator):
                finite = self._diagonal_block(state, self.operator)
            else:
                finite = yield from self._slice(state)
            if finite and state.done < self.draws:
                yield self._result(state, Outcome.RUNNING)
        yield self._result(state, Outcome.COMPLETE if finite else Outcome.NOT_FINITE)

    def _slice(self, state: SampleState) -> Generator[SliceSample, None, bool]:
        """Take one slice by two products; whether it is finite."""
        seeds = slice_seeds(self.seed, state.done)
        eta, delta = (self._vector(int(seed)) for seed in seeds)
        for number, vector in enumerate((eta, delta)):
            if number == 0 and state.first_image is not None:
                continue
            for image in _reported(self.operator.product_steps(vector, state.partial)):
                if image is None:
                    yield self._result(state, Outcome.RUNNING)
                    continue
                state.products, state.partial = state.products + 1, PartialProduct()
                if number == 0:
                    state.first_image = image
                else:
                    second = image.double()
        first = state.first_image.double()  # type: ignore[union-attr]
        eta, delta, state.first_image = eta.double(), delta.double(), None
        B = 0.5 * ((eta @ second) + (delta @ first))
        lengths = max(float(eta.norm() * first.norm()), float(delta.norm() * second.norm()))
        return _keep(
            state,
            np.array([[float(eta @ first), float(B), float(delta @ second)]]),
            np.array([[float(eta @ eta), float(eta @ delta), float(delta @ delta)]]),
            np.array([16 * torch.finfo(self.operator.dtype).eps * lengths]),
            seeds[None, :],
        )

    def _diagonal_block(self, state: SampleState, diagonal: DiagonalOperator) -> bool:
        """Take a block of slices, Σ d_i η_i² and so on; whether all are finite."""
        stop = min(self.draws, state.done + max(1, min(SEED_BLOCK, 2**18 // diagonal.size)))
        seeds = _seeds_between(self.seed, state.done, stop)
        eta, delta = (self._rows(column) for column in seeds.T)
        d = diagonal.diagonal.double()
        forms = torch.stack([(eta * eta) @ d, (eta * delta) @ d, (delta * delta) @ d], dim=1)
        gram = torch.stack([(v * w).sum(1) for v, w in ((eta, eta), (eta, delta), (delta, delta))], dim=1)
        lengths = [v.norm(dim=1) * (v * d).norm(dim=1) for v in (eta, delta)]
        noise = 16 * torch.finfo(diagonal.dtype).eps * torch.maximum(*lengths)
        return _keep(state, forms.cpu().numpy(), gram.cpu().numpy(), noise.cpu().numpy(), seeds)

    def _rows(self, seeds: np.ndarray) -> Tensor:
        """Directions as the rows of one matrix, float64: those of `_vector`, without the cost of a call each."""
        generator, rows = (
            torch.Generator(device="cpu"),
            torch.empty(len(seeds), self.operator.size, dtype=torch.float32, device="cpu"),
        )
        for row, seed in zip(rows, seeds.tolist(), strict=True):
            torch.randn(len(row), generator=generator.manual_seed(seed), out=row)
        drawn = rows.to(self.operator.device, torch.float64)
        if self.normalize == "unit":
            drawn /= drawn.norm(dim=1, keepdim=True)
        return drawn.to(self.operator.dtype).double()

    def _vector(self, seed: int) -> Tensor:
        """One direction, as `directions.random` draws it."""
        if self.objective is not None:
            vector = directions.random(self.objective, seed, self.normalize).vector
            return torch.as_tensor(vector, dtype=self.operator.dtype, device=self.operator.device)
        drawn = normal_vector(self.operator.size, seed, self.operator.device, torch.float64)
        return (drawn / drawn.norm() if self.normalize == "unit" else drawn).to(self.operator.dtype)

    def _result(self, state: SampleState, outcome: Outcome) -> SliceSample:
        forms, kappa, per_unit, kinds, seeds = (
            _view(rows[: state.done]) for rows in (state.forms, state.kappa, state.per_length, state.kinds, state.seeds)
        )
        return SliceSample(
            A=forms[:, 0],
            B=forms[:, 1],
            C=forms[:, 2],
            kappa=kappa,
            kappa_per_length=per_unit,
            kinds=kinds,
            seeds=seeds,
            total=self.draws,
            products=state.products,
            seed=self.seed,
            normalization=self.normalize or "raw",
            size=self.operator.size,
            outcome=outcome,
            gradient_norm=float("nan") if state.gradient_norm is None else state.gradient_norm,
            question=self.question,
        )


def slice_seeds(seed: int, number: int) -> np.ndarray:
    """The seeds of both directions of slice `number` of a sample, (2,), int64.

    32-bit words of NumPy's SeedSequence, so that samples of neighbouring seeds share no direction.

    >>> slice_seeds(0, 0).tolist() == slice_seeds(0, 0).tolist() != slice_seeds(1, 0).tolist()
    True
    """
    seeds: np.ndarray = _seeds_between(seed, number, number + 1)[0]
    return seeds


def percentile(sample: SliceSample, curvature: SliceCurvature) -> SliceStanding:
    """Where the curvatures of one slice stand among those of a sample, per unit of parameter distance.

    The share of the sample's κ₊ below that of the slice, and of its κ₋, each with a 95 % Wilson interval: how
    surprising the slice would be, had it been drawn as the sample was. Costs nothing.

    Parameters
    ----------
    sample : slices through the same point.
    curvature : of the slice, in any scale.

    Raises
    ------
    InputError : an empty sample, or a slice whose directions are parallel.

    >>> sample = RandomSlices(DiagonalOperator(np.r_[np.ones(9), -np.ones(9)]), draws=500).run()
    >>> from landscape_widgets.compute.slice_curvature import slice_curvature
    >>> ends = slice_curvature(DiagonalOperator(np.r_[np.ones(9), -np.ones(9)]), np.eye(18)[[0, 17]])
    >>> percentile(sample, ends).below.tolist()     # no random slice is as extreme as one along eigenvectors
    [1.0, 0.0]
    """
    kappa = curvature.kappa_per_length
    rows = sample.kappa_per_length[np.isfinite(sample.kappa_per_length).all(axis=1)]
    if not len(rows) or not np.isfinite(kappa).all():
        raise InputError(
            f"expected a slice of two independent directions and a sample, got κ {kappa.tolist()} and {len(rows)}",
            "draw the sample first, and pass a slice along directions that are not parallel",
        )
    counts = (rows < kappa).sum(axis=0) + 0.5 * (rows == kappa).sum(axis=0)
    shares = np.array([wilson(float(count), len(rows)) for count in counts])
    parts = [
        f"{name} is above {100 * share:.3g} % of theirs ({100 * low:.3g} to {100 * high:.3g} %)"
        for name, (share, low, high) in zip(("κ₊", "κ₋"), shares.tolist(), strict=True)
    ]
    words = f"Among {len(rows):,} random slices, {parts[0]} and {parts[1]}."
    return SliceStanding(kappa.copy(), shares[:, 0].copy(), shares[:, 1:].copy(), len(rows), words)


def average_surface(
    sample: SliceSample, alpha: Float[np.ndarray, " n"], beta: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m n"]:
    """The average of all slices so far to second order, above the loss and the slope at the centre.

    ½ mean(A) α² + mean(B) αβ + ½ mean(C) β², which tends to ½ tr(H) (α² + β²) for raw directions. Costs nothing.

    Parameters
    ----------
    alpha, beta : (n,) and (m,), coordinates along η and δ as they were normalised.

    Returns
    -------
    (m, n), value[j, i] at (alpha[i], beta[j]); NaN of an empty sample.
    """
    A, B, C = sample.mean
    a, b = alpha[None, :], beta[:, None]
    surface: np.ndarray = 0.5 * A * a**2 + B * a * b + 0.5 * C * b**2
    return surface


def _view(rows: np.ndarray) -> np.ndarray:
    """Rows that are written once and never again, for reading."""
    view = rows.view()
    view.flags.writeable = False
    return view


def _keep(state: SampleState, forms: np.ndarray, gram: np.ndarray, noise: np.ndarray, seeds: np.ndarray) -> bool:
    """Append slices (A, B, C) with the Gram matrices of their directions, up to the first that is not finite."""
    finite = np.isfinite(forms).all(axis=1) & np.isfinite(gram).all(axis=1)
    count = len(forms) if finite.all() else int(np.argmin(finite))
    rows, forms, gram = slice(state.done, state.done + count), forms[:count], gram[:count]
    kappa = principal_curvatures(*forms.T)
    upper, lower = kappa.T
    limit = noise[:count]
    shows = [lower > limit, upper < -limit, (upper > limit) & (lower < -limit)]
    state.forms[rows], state.kappa[rows], state.seeds[rows] = forms, kappa, seeds[:count]
    state.per_length[rows] = per_length(forms, gram)
    state.kinds[rows] = np.select(shows, [0, 1, 2], default=3)
    state.done += count
    return bool(finite.all())


def _seeds_between(seed: int, start: int, stop: int) -> np.ndarray:
    first = start // SEED_BLOCK
    blocks = [_seeds_of_block(seed, block) for block in range(first, (stop - 1) // SEED_BLOCK + 1)]
    seeds: np.ndarray = np.concatenate(blocks)[start - first * SEED_BLOCK : stop - first * SEED_BLOCK]
    return seeds


@functools.lru_cache(maxsize=64)
def _seeds_of_block(seed: int, block: int) -> np.ndarray:
    words = np.random.SeedSequence(entropy=seed, spawn_key=(block,)).generate_state(2 * SEED_BLOCK)
    return words.astype(np.int64).reshape(SEED_BLOCK, 2)


def _reported(steps: Generator[None, None, Tensor]) -> Generator[Tensor | None, None, None]:
    """None after every step, and the value at the end."""
    value = yield from steps
    yield value


def _empty_state(key: tuple[Any, ...], total: int) -> SampleState:
    return SampleState(
        key,
        forms=np.zeros((total, 3)),
        kappa=np.zeros((total, 2)),
        per_length=np.zeros((total, 2)),
        kinds=np.zeros(total, dtype=np.int8),
        seeds=np.zeros((total, 2), dtype=np.int64),
    )
