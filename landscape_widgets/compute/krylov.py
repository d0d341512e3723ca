"""A Krylov space of a symmetric operator: expansion, full reorthogonalisation, thick restart, Ritz pairs."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.torch_state import normal_vector, one_blas_thread
from landscape_widgets.errors import Outcome

CHUNK = 32
"""Basis vectors allocated at a time."""


def column_lengths(vectors: Tensor) -> Tensor:
    """|v| (of each column), summed in float64: torch's own over millions of float32 is off by up to a thousandth."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=0, dtype=torch.float64)
    return lengths.to(vectors.dtype)


@dataclasses.dataclass
class KrylovState:
    """All that a Krylov space is: H Q = Q T + q couplingᵀ, with q the next basis vector.

    `chunks` hold the basis vectors as rows, in the operator's dtype, `count` of them used in T and
    one more, the next one, unless `fresh` says that it must be drawn. `pending` is the product under
    way; `images` are the products of the Ritz vectors that are being checked, None between checks;
    `search` is how far the verification of this space has come, None before it.
    """

    seed: int
    draws: int = 0
    count: int = 0
    fresh: bool = True
    products: int = 0
    scale: float = 0.0
    caution: float = 1.0
    projected: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    coupling: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    chunks: list[Tensor] = dataclasses.field(default_factory=list)
    pending: PartialProduct | None = None
    images: list[Tensor] | None = None
    search: Search | None = None

    def copy(self) -> KrylovState:
        """A copy that later steps do not change."""
        copied = copy.copy(self)
        copied.projected, copied.coupling = self.projected.copy(), self.coupling.copy()
        copied.chunks = [chunk.clone() for chunk in self.chunks]
        copied.pending = None if self.pending is None else self.pending.copy()
        copied.images = None if self.images is None else list(self.images)
        copied.search = None if self.search is None else self.search.copy()
        return copied


@dataclasses.dataclass(frozen=True, eq=False)
class Ritz:
    """Ritz pairs at the wanted ends: values descending, coefficients in the basis, residual estimates."""

    values: np.ndarray
    coefficients: np.ndarray
    estimates: np.ndarray


@dataclasses.dataclass
class Search:
    """How far a verification has come: what is found so far, and the Krylov space of its complement.

    `vectors` are those of the found pairs, (P, k); `basis` and `images` all orthonormal vectors taken so
    far and their products, (P, j); `taken` the steps in this complement, `spent` the products in earlier ones.
    """

    found: Ritz
    vectors: Tensor
    basis: Tensor
    images: Tensor
    complement: KrylovState
    attempt: int = 1
    taken: int = 0
    spent: int = 0
    settled: bool = False

    @property
    def products(self) -> int:
        """Products spent on verification in all."""
        return self.spent + self.complement.products

    def copy(self) -> Search:
        """A copy that later steps do not change; tensors are replaced in them, never written into."""
        return dataclasses.replace(self, complement=self.complement.copy())


class KrylovSpace:
    """Grows a Krylov space one product at a time.

    Parameters
    ----------
    operator : the symmetric operator.
    state : where to start, or to go on; owned and changed by this space.
    max_basis : basis vectors kept before a thick restart.
    locked : (j, P) orthonormal rows that the space stays orthogonal to (deflation).
    """

    def __init__(
        self, operator: SymmetricOperator, state: KrylovState, max_basis: int, locked: Tensor | None = None
    ) -> None:
        self.operator, self.state, self.max_basis, self.locked = operator, state, max_basis, locked
        self.size = operator.size
        self.dimension = operator.size - (0 if locked is None else len(locked))
        self._eps = torch.finfo(operator.dtype).eps

    @property
    def scale(self) -> float:
        """The largest |Ritz value| seen, an estimate of max|λ| from below."""
        return self.state.scale

    @property
    def exhausted(self) -> bool:
        """Whether the space is everything there is, so that nothing more can be learnt."""
        return self.state.count >= self.dimension

    def product(self, vector: Tensor) -> Steps:
        """A counted product, yielding after every batch; the one under way is taken up again."""
        if self.state.pending is None:
            self.state.products += 1
            self.state.pending = PartialProduct()
        image = yield from self.operator.product_steps(vector, self.state.pending)
        self.state.pending = None
        return image

    def multiply(
        self, vectors: Tensor, report: Callable[[Steps], Generator[Any, None, Tensor]]
    ) -> Generator[Any, None, Tensor]:
        """The images (P, k) of some vectors (P, k); those in `state.images` already are not computed again."""
        state = self.state
        state.images = [] if state.images is None else state.images
        while len(state.images) < vectors.shape[1]:
            image = yield from report(self.product(vectors[:, len(state.images)].contiguous()))
            state.images.append(image)
        return torch.stack(state.images, dim=1)

    def expand(self, largest: int, smallest: int) -> Generator[None, None, Outcome | None]:
        """Add one vector to the basis; returns an outcome if the space broke, else None."""
        state = self.state
        if state.count >= self.max_basis:
            self._restart(largest, smallest)
        if state.fresh:
            self._draw()
        vector = self._row(state.count)
        image = yield from self.product(vector)
        if not torch.isfinite(image).all():
            return Outcome.NOT_FINITE
        image, overlaps = self._orthogonalize(image.clone(), state.count + 1)
        expected = state.coupling
        self.state.scale = max(state.scale, abs(float(overlaps[-1])), float(np.abs(overlaps).max()))
        if np.abs(overlaps[:-1] - expected).max(initial=0.0) > self._eps**0.5 * state.scale:
            return Outcome.BREAKDOWN
        self._append(overlaps)
        self._set_next(image)
        return None

    def ritz(self, largest: int, smallest: int) -> Ritz:
        """The Ritz pairs at both ends of the space so far."""
        with one_blas_thread():
            values, coefficients = np.linalg.eigh(self.state.projected)
        values, coefficients = values[::-1], coefficients[:, ::-1]
        self.state.scale = max(self.state.scale, float(np.abs(values).max(initial=0.0)))
        chosen = select_ends(len(values), largest, smallest)
        picked = coefficients[:, chosen]
        return Ritz(values[chosen].copy(), picked, np.abs(self.state.coupling @ picked))

    def vectors(self, ritz: Ritz) -> Tensor:
        """The Ritz vectors, (P, k) unit columns, the largest component of each positive."""
        vectors = self.combine(ritz.coefficients).T
        vectors = vectors / column_lengths(vectors)
        largest = vectors.abs().argmax(dim=0)
        signs = torch.sign(vectors[largest, torch.arange(vectors.shape[1], device=vectors.device)])
        oriented: Tensor = vectors * signs
        return oriented

    def combine(self, coefficients: np.ndarray) -> Tensor:
        """Linear combinations of the basis, (k, P) rows."""
        weights = torch.as_tensor(coefficients.T.copy(), dtype=self.operator.dtype, device=self.operator.device)
        total = torch.zeros(weights.shape[0], self.size, dtype=self.operator.dtype, device=self.operator.device)
        for start, chunk in self._used(self.state.count):
            total += weights[:, start : start + len(chunk)] @ chunk
        return total

    def _draw(self) -> None:
        """Make a fresh random vector, orthogonal to everything, the next one (a start, or after a breakdown)."""
        state = self.state
        for _ in range(5):
            # Seeds of one run are far apart from those of its neighbours: seed, then a large odd stride a draw.
            seed = (state.seed + 0x9E3779B97F4A7C15 * state.draws) % 2**63
            state.draws += 1
            vector = normal_vector(self.size, seed, self.operator.device, self.operator.dtype)
            length = column_lengths(vector).item()
            vector, _ = self._orthogonalize(vector, state.count)
            # A draw almost inside the space leaves rounding only: orthogonalise what is left once more.
            vector, _ = self._orthogonalize(vector / column_lengths(vector), state.count)
            if column_lengths(vector).item() > 0.5 and length > 0:
                self._store(state.count, vector / column_lengths(vector))
                state.coupling = np.zeros(state.count)
                state.fresh = False
                return
        raise FloatingPointError("no vector outside the Krylov space found in five draws")

    def _orthogonalize(self, vector: Tensor, count: int) -> tuple[Tensor, np.ndarray]:
        """Two Gram-Schmidt passes against the locked rows and the first `count` basis vectors."""
        overlaps = np.zeros(count)
        for _ in range(2):
            if self.locked is not None:
                vector = vector - self.locked.T @ (self.locked @ vector)
            for start, chunk in self._used(count):
                part = chunk @ vector
                vector.addmv_(chunk.T, part, alpha=-1.0)
                overlaps[start : start + len(chunk)] += part.cpu().numpy().astype(np.float64)
        return vector, overlaps

    def _append(self, overlaps: np.ndarray) -> None:
        """Add a row and a column to the projected matrix."""
        state, count = self.state, self.state.count
        grown = np.zeros((count + 1, count + 1))
        grown[:count, :count] = state.projected
        grown[count, :count] = grown[:count, count] = state.coupling
        grown[count, count] = overlaps[count]
        state.projected, state.count = grown, count + 1

    def _set_next(self, remainder: Tensor) -> None:
        """Normalise what is left of the image into the next basis vector, or ask for a fresh one."""
        state, length = self.state, column_lengths(remainder).item()
        state.coupling = np.zeros(state.count)
        if self.exhausted or length <= 10 * self._eps * state.scale:
            state.fresh = True
            return
        state.coupling[-1] = length
        self._store(state.count, remainder / length)

    def _restart(self, largest: int, smallest: int) -> None:
        """Keep the best half of the Ritz vectors from both ends, and the next vector."""
        state = self.state
        spare = max(0, self.max_basis // 2 - largest - smallest)
        upper = largest + math.ceil(spare * largest / (largest + smallest))
        lower = min(smallest + spare * smallest // (largest + smallest), state.count - 1 - upper)
        kept = self.ritz(upper, lower)
        coupling = state.coupling @ kept.coefficients
        following = None if state.fresh else self._row(state.count).clone()
        rows = self.combine(kept.coefficients)
        for index, row in enumerate(rows):
            self._store(index, row)
        state.count = len(rows)
        state.projected, state.coupling = np.diag(kept.values), coupling
        if following is not None:
            self._store(state.count, following)

    def _row(self, index: int) -> Tensor:
        return self.state.chunks[index // CHUNK][index % CHUNK]

    def _store(self, index: int, vector: Tensor) -> None:
        if index // CHUNK == len(self.state.chunks):
            shape = (min(CHUNK, self.max_basis + 1), self.size)
            self.state.chunks.append(torch.zeros(shape, dtype=self.operator.dtype, device=self.operator.device))
        self.state.chunks[index // CHUNK][index % CHUNK].copy_(vector)

    def _used(self, count: int) -> list[tuple[int, Tensor]]:
        """The first `count` basis vectors, chunk by chunk, each with the index of its first."""
        starts = range(0, count, CHUNK)
        return [(start, self.state.chunks[start // CHUNK][: count - start]) for start in starts]


def select_ends(count: int, largest: int, smallest: int) -> np.ndarray:
    """Indices of the wanted ends among `count` values in descending order.

    >>> select_ends(5, 2, 1), select_ends(2, 2, 2)
    (array([0, 1, 4]), array([0, 1]))
    """
    upper = min(largest, count)
    lower = min(smallest, count - upper)
    return np.array([*range(upper), *range(count - lower, count)], dtype=int)
