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
from landscape_widgets.compute.parameters import array_of
from landscape_widgets.compute.torch_state import normal_vector, one_blas_thread
from landscape_widgets.errors import Outcome

CHUNK = 32
"""Basis vectors allocated at a time."""


SLAB, GROUP = 2**16, 2**10
"""Elements of a vector taken at a time where a sum over all of them is asked for, and elements of a partial sum."""

DROP = 0.7
"""A Gram-Schmidt pass that leaves less of a vector than this is followed by another one."""


def length(vector: Tensor) -> float:
    """|v| from partial sums, these summed in float64: torch's own over millions of float32 is off by a thousandth."""
    body = len(vector) // GROUP * GROUP
    parts = torch.linalg.vector_norm(vector[:body].reshape(-1, GROUP), dim=1).double()
    rest = torch.linalg.vector_norm(vector[body:], dtype=torch.float64)
    found = math.hypot(float(torch.linalg.vector_norm(parts)), float(rest))
    if 1e-12 < found < 1e12:
        return found
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))  # squares may leave the range of float32


@dataclasses.dataclass
class KrylovState:
    """All that a Krylov space is: H Q = Q T + q couplingᵀ, with q the next basis vector.

    `chunks` hold the basis vectors as rows, in the operator's dtype, `count` of them used in T and
    one more, the next one, unless `fresh` says that it must be drawn. `pending` is the product under
    way; `residuals` are those of the Ritz vectors that are being checked, None between checks; `images` are
    products of Ritz vectors that a verification needs; `search` is how far it has come, None before it.
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
    residuals: list[float] | None = None
    images: list[Tensor] | None = None
    search: Search | None = None

    def copy(self) -> KrylovState:
        """A copy that later steps do not change."""
        copied = copy.copy(self)
        copied.projected, copied.coupling = self.projected.copy(), self.coupling.copy()
        copied.chunks = [chunk.clone() for chunk in self.chunks]
        copied.pending = None if self.pending is None else self.pending.copy()
        copied.residuals = None if self.residuals is None else list(self.residuals)
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
        slab = SLAB if operator.device.type == "cpu" else operator.size
        self._slabs = [slice(start, start + slab) for start in range(0, operator.size, slab)]

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
        image = yield from self.product(self._row(state.count))
        following, overlaps = self._recurrence(image)
        before = length(following)
        if not math.isfinite(before):
            return Outcome.NOT_FINITE
        corrections = self._orthogonalize(following, state.count + 1)
        after = length(following)
        if after < DROP * before:
            corrections += self._orthogonalize(following, state.count + 1)
            after = length(following)
        overlaps += corrections
        state.scale = max(state.scale, float(np.abs(overlaps).max()))
        if np.abs(corrections[:-1]).max(initial=0.0) > self._eps**0.5 * state.scale:
            return Outcome.BREAKDOWN
        self._append(overlaps)
        self._set_next(following, after)
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
        rows = self.combine(ritz.coefficients)
        for row in rows:
            row.div_(length(row) * math.copysign(1.0, float(row[row.abs().argmax()])))
        return rows.T

    def combine(self, coefficients: np.ndarray) -> Tensor:
        """Linear combinations of the basis, (k, P) rows."""
        weights = torch.as_tensor(coefficients.T.copy(), dtype=self.operator.dtype, device=self.operator.device)
        total = torch.zeros(weights.shape[0], self.size, dtype=self.operator.dtype, device=self.operator.device)
        for start, chunk in self._used(self.state.count):
            total.addmm_(weights[:, start : start + len(chunk)], chunk)
        return total

    def _draw(self) -> None:
        """Make a fresh random vector, orthogonal to everything, the next one (a start, or after a breakdown)."""
        state = self.state
        for _ in range(5):
            # Seeds of one run are far apart from those of its neighbours: seed, then a large odd stride a draw.
            seed = (state.seed + 0x9E3779B97F4A7C15 * state.draws) % 2**63
            state.draws += 1
            vector = normal_vector(self.size, seed, self.operator.device, self.operator.dtype)
            vector /= length(vector)
            # A draw almost inside the space leaves rounding only: orthogonalise what is left once more.
            for _ in range(2):
                for _ in range(2):
                    self._orthogonalize(vector, state.count)
                left = length(vector)
                vector /= left
            if left > 0.5:
                self._room(state.count).copy_(vector)
                state.coupling = np.zeros(state.count)
                state.fresh = False
                return
        raise FloatingPointError("no vector outside the Krylov space found in five draws")

    def _recurrence(self, image: Tensor) -> tuple[Tensor, np.ndarray]:
        """Hq less what the recurrence knows to lie in the space, in the next row, and the overlaps it took off.

        Large overlaps go first, with q itself and with its neighbours in T, so that what one pass over the whole
        basis then takes off is rounding, and one pass is enough: as two passes, at half their cost.

        Source: G. Golub and C. Van Loan, "Matrix Computations", 4th ed., section 10.3.5.
        """
        state = self.state
        vector = self._row(state.count)
        own = float(self._overlaps(vector[None], image)[0])
        following = torch.sub(image, vector, alpha=own, out=self._room(state.count + 1))
        for index in np.flatnonzero(state.coupling).tolist():
            following.sub_(self._row(index), alpha=float(state.coupling[index]))
        return following, np.append(state.coupling, own)

    def _orthogonalize(self, vector: Tensor, count: int) -> np.ndarray:
        """One Gram-Schmidt pass in place, against the locked rows and the first `count` basis vectors."""
        overlaps = np.zeros(count)
        if self.locked is not None:
            self._remove(self.locked, vector)
        for start, chunk in self._used(count):
            overlaps[start : start + len(chunk)] = self._remove(chunk, vector)
        return overlaps

    def _remove(self, rows: Tensor, vector: Tensor) -> np.ndarray:
        """Take off the components along some rows, in place, and give the overlaps."""
        overlaps = self._overlaps(rows, vector)
        weights = overlaps.to(rows.dtype)
        for piece in self._slabs:
            vector[piece].addmv_(rows[:, piece].T, weights, alpha=-1.0)
        return array_of(overlaps)

    def _overlaps(self, rows: Tensor, vector: Tensor) -> Tensor:
        """Inner products with some rows, float64: slab by slab, since a long sum in float32 loses digits."""
        total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        for piece in self._slabs:
            total += (rows[:, piece] @ vector[piece]).double()
        return total

    def _append(self, overlaps: np.ndarray) -> None:
        """Add a row and a column to the projected matrix."""
        state, count = self.state, self.state.count
        grown = np.zeros((count + 1, count + 1))
        grown[:count, :count] = state.projected
        grown[count, :count] = grown[:count, count] = state.coupling
        grown[count, count] = overlaps[count]
        state.projected, state.count = grown, count + 1

    def _set_next(self, remainder: Tensor, left: float) -> None:
        """Make what is left of the image, of that length, the next basis vector, or ask for a fresh one."""
        state = self.state
        state.coupling = np.zeros(state.count)
        if self.exhausted or left <= 10 * self._eps * state.scale:
            state.fresh = True
            return
        state.coupling[-1] = left
        remainder.div_(left)

    def _restart(self, largest: int, smallest: int) -> None:
        """Keep the best half of the Ritz vectors from both ends, and the next vector."""
        state = self.state
        spare = max(0, self.max_basis // 2 - largest - smallest)
        upper = largest + math.ceil(spare * largest / (largest + smallest))
        lower = min(smallest + spare * smallest // (largest + smallest), state.count - 1 - upper)
        kept = self.ritz(upper, lower)
        coupling = state.coupling @ kept.coefficients
        self._rotate(kept.coefficients)
        if not state.fresh:
            self._row(len(kept.values)).copy_(self._row(state.count))
        state.count = len(kept.values)
        state.projected, state.coupling = np.diag(kept.values), coupling

    def _rotate(self, coefficients: np.ndarray) -> None:
        """Put the first linear combinations of the basis in its place, a slab of every vector at a time."""
        weights = torch.as_tensor(coefficients.T.copy(), dtype=self.operator.dtype, device=self.operator.device)
        for piece in self._slabs:
            rotated = weights @ torch.cat([chunk[:, piece] for _, chunk in self._used(self.state.count)])
            for start, chunk in self._used(len(weights)):
                chunk[:, piece] = rotated[start : start + len(chunk)]

    def _row(self, index: int) -> Tensor:
        return self.state.chunks[index // CHUNK][index % CHUNK]

    def _room(self, index: int) -> Tensor:
        """The row of a basis vector, in memory made for it where there is none yet."""
        chunks, (place, row) = self.state.chunks, divmod(index, CHUNK)
        held = len(chunks[place]) if place < len(chunks) else 0
        if row >= held:  # a new chunk, or one of a checkpoint made with a smaller basis
            rows = max(row + 1, min(CHUNK, self.max_basis + 1 - place * CHUNK))
            # Uninitialised: memory is taken up row by row, as vectors come.
            grown = torch.empty(rows, self.size, dtype=self.operator.dtype, device=self.operator.device)
            for old in chunks[place:]:
                grown[: len(old)] = old
            chunks[place:] = [grown]
        return self._row(index)

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
