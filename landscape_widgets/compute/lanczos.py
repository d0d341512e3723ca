"""Extreme eigenpairs of a symmetric operator by Lanczos with full reorthogonalisation."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from landscape_widgets.compute.krylov import KrylovSpace, KrylovState, Ritz, Search, length
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.parameters import array_of
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.verification import SEED_STRIDE, verification
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Eigenpairs

T = TypeVar("T")

FLOORS = {torch.float32: 1e-5, torch.float64: 1e-8}
"""Default `floor` by dtype: the rounding of the products, all that can be asked of a residual at λ ≈ 0."""


class Lanczos(Computation[Eigenpairs, KrylovState]):
    """The `largest` and `smallest` eigenpairs of H, both ends from one Krylov space.

    H Q = Q T + β q eᵀ with Qᵀ Q = I kept by a Gram-Schmidt pass against the whole basis after the recurrence,
    and by a second one where much was taken off. A pair is
    accepted when its true residual |Hv - λv| ≤ max(tol·|λ|, floor·max|λ|): "converged" claims true
    eigenpairs. A single Krylov vector sees one copy of a multiple eigenvalue, so that they are *the*
    extreme ones counted with multiplicity is claimed only with `verify=True`.

    Cost: one product a step, and one a pair for the true residuals; 20 to 150 steps are usual.
    Memory: the basis, the found vectors and three more, `memory` bytes in all beside the operator's own; where the
    basis is full, a thick restart keeps the best Ritz vectors of both ends. `verify=True` takes up to twice as much.

    Parameters
    ----------
    operator : a symmetric operator.
    largest, smallest : how many pairs from each end, counted algebraically; together at most P.
    tol : relative tolerance of the residual.
    seed : of the start vector, one flat float32 CPU draw.
    verify : search the complement of what was found from a fresh vector, for missed copies and ends.
    floor : the bound on the residual relative to max|λ|; None: 1e-5 in float32, 1e-8 in float64.
    max_products : budget of products in all; reaching it is the outcome "budget spent".
    memory : bytes for vectors of length P; None: 2 GiB, or what the smallest basis takes where that is more.
    max_basis : vectors kept before a thick restart; None: as many as `memory` holds.

    Source: G. Golub and C. Van Loan, "Matrix Computations", 4th ed., section 10.3; K. Wu and H. Simon,
    "Thick-restart Lanczos method for large symmetric eigenvalue problems" (2000), section 2.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> H = DenseOperator(np.diag([5.0, 3.0, 0.0, -1.0, -4.0]))
    >>> pairs = Lanczos(H, largest=1, smallest=1).run()
    >>> [round(float(value), 8) for value in pairs.values], str(pairs.outcome)
    ([5.0, -4.0], 'converged')
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        largest: int = 2,
        smallest: int = 2,
        tol: float = 1e-3,
        seed: int = 0,
        verify: bool = False,
        *,
        floor: float | None = None,
        max_products: int = 1000,
        memory: int | None = None,
        max_basis: int | None = None,
    ) -> None:
        _check_arguments(operator, largest, smallest, tol, max_products)
        self.operator = operator
        self.largest, self.smallest = largest, smallest
        self.tol, self.seed, self.verify = tol, seed, verify
        self.floor = FLOORS.get(operator.dtype, 1e-5) if floor is None else floor
        self.max_products = max_products
        self.max_basis = _most_vectors(operator, largest + smallest, memory, max_basis)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": "Lanczos",
            "largest": self.largest,
            "smallest": self.smallest,
            "tol": self.tol,
            "floor": self.floor,
            "verify": self.verify,
            **self.operator.question,
        }

    def stream(self, resume: KrylovState | None = None) -> Stream[Eigenpairs, KrylovState]:
        """Yield Ritz values and residual estimates after every batch of every product.

        A partial result has no vectors. `checkpoint()` holds the basis; `stream(resume=...)` goes on from it.
        """
        if resume is not None and resume.chunks and resume.chunks[0].shape[1] != self.operator.size:
            raise InputError(
                f"expected a checkpoint of size {self.operator.size}, got {resume.chunks[0].shape[1]}",
                "resume with the operator that made it",
            )
        state = KrylovState(self.seed) if resume is None else resume.copy()
        space = KrylovSpace(self.operator, state, self.max_basis)
        return Stream(self._steps(space), space.state.copy)

    def bounds(self, values: np.ndarray, scale: float) -> tuple[np.ndarray, tuple[str, ...]]:
        """The bound on each residual, and which of the two it is."""
        relative, floor = self.tol * np.abs(values), self.floor * scale
        return np.maximum(relative, floor), tuple("relative" if bound >= floor else "floor" for bound in relative)

    def report(
        self, steps: Generator[None, None, T], space: KrylovSpace, ritz: Ritz, spent: int = 0
    ) -> Generator[Eigenpairs, None, T]:
        """Run the batches of a product, reporting the newest Ritz values after each."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            yield self.result(space, ritz, Outcome.RUNNING, spent=spent)

    def result(
        self,
        space: KrylovSpace,
        ritz: Ritz,
        outcome: Outcome,
        vectors: Tensor | None = None,
        *,
        spent: int = 0,
        checked: bool = False,
    ) -> Eigenpairs:
        """The pairs as they stand; `spent` products of them on verification."""
        bounds, criteria = self.bounds(ritz.values, space.scale)
        none = np.empty((space.size, 0))
        return Eigenpairs(
            values=ritz.values,
            vectors=none if vectors is None else array_of(vectors),
            residuals=ritz.estimates,
            bounds=bounds,
            criteria=criteria,
            products=space.state.products + spent,
            outcome=outcome,
            multiplicity_checked=checked,
            largest=min(self.largest, len(ritz.values)),
            seed=self.seed,
            verification_products=spent,
            question=self.question,
        )

    def _steps(self, space: KrylovSpace) -> Generator[Eigenpairs, None, None]:
        state = space.state
        ritz = space.ritz(self.largest, self.smallest)
        while state.search is None:
            if state.residuals is None:
                if space.exhausted or state.products >= self.max_products:
                    outcome = Outcome.BREAKDOWN if space.exhausted else Outcome.BUDGET_SPENT
                    yield self.result(space, ritz, outcome, space.vectors(ritz))
                    return
                broken = yield from self.report(space.expand(self.largest, self.smallest), space, ritz)
                ritz = space.ritz(self.largest, self.smallest)
                if broken is not None:
                    yield self.result(space, ritz, broken, space.vectors(ritz))
                    return
                if not self._promising(space, ritz):
                    continue
                state.residuals, state.images = [], []
            vectors = space.vectors(ritz)
            if state.products + len(ritz.values) - len(state.residuals) > self.max_products:
                yield self.result(space, ritz, Outcome.BUDGET_SPENT, vectors)
                return
            checked = yield from self._true_residuals(space, ritz, vectors)
            if np.all(checked.estimates <= self.bounds(checked.values, space.scale)[0]):
                if not self.verify:
                    yield self.result(space, checked, Outcome.CONVERGED, vectors)
                    return
                self._begin_search(space, checked, vectors)
            elif not np.isfinite(checked.estimates).all():
                yield self.result(space, checked, Outcome.NOT_FINITE, vectors)
                return
            else:
                state.caution *= 0.5
                state.residuals = state.images = None
        yield from verification(self, space, state.search)

    def _promising(self, space: KrylovSpace, ritz: Ritz) -> bool:
        """Whether all residual estimates meet their bounds, so that true residuals are worth their products."""
        if len(ritz.values) < self.largest + self.smallest:
            return False
        bounds, _ = self.bounds(ritz.values, space.scale)
        return space.exhausted or bool(np.all(ritz.estimates <= space.state.caution * bounds))

    def _true_residuals(self, space: KrylovSpace, ritz: Ritz, vectors: Tensor) -> Generator[Eigenpairs, None, Ritz]:
        """Multiply one Ritz vector after the other; the same pairs with true residuals."""
        residuals, images = space.state.residuals, space.state.images
        assert residuals is not None
        assert images is not None
        while len(residuals) < len(ritz.values):
            vector, value = vectors[:, len(residuals)].contiguous(), float(ritz.values[len(residuals)])
            image = yield from self.report(space.product(vector), space, ritz)
            residuals.append(length(torch.sub(image, vector, alpha=value)))
            if self.verify:
                images.append(image)
        return Ritz(ritz.values, ritz.coefficients, np.array(residuals))

    def _begin_search(self, space: KrylovSpace, checked: Ritz, vectors: Tensor) -> None:
        """Begin the verification; the basis, of no more use, is given up."""
        state = space.state
        complement = KrylovState(self.seed + SEED_STRIDE, scale=space.scale)
        images = torch.stack(state.images or [], dim=1)
        state.search = Search(checked, vectors, vectors, images, complement)
        state.chunks, state.images = [], None


WORKING = 3
"""Vectors in use at a time beside the basis and the found ones."""


def _most_vectors(operator: SymmetricOperator, pairs: int, memory: int | None, max_basis: int | None) -> int:
    """How many basis vectors may be kept, at least enough for a restart to make headway."""
    least, beside = 2 * pairs + 8, pairs + WORKING + 1
    if max_basis is not None:
        return max(least, max_basis)
    vector = operator.size * torch.finfo(operator.dtype).bits // 8
    needed = (least + beside) * vector
    if memory is not None and memory < needed and operator.size > least:
        raise InputError(
            f"expected memory of at least {needed / 2**20:.0f} MiB for {pairs} eigenpairs of size {operator.size}, "
            f"got {memory / 2**20:.0f} MiB",
            "ask for fewer pairs, or allow more memory=",
        )
    return max(least, (2**31 if memory is None else memory) // vector - beside)


def _check_arguments(operator: Any, largest: int, smallest: int, tol: float, max_products: int) -> None:
    if not isinstance(operator, SymmetricOperator):
        raise InputError(
            f"expected a symmetric operator, got {type(operator).__name__}",
            "wrap the objective: lw.HessianOperator(objective)",
        )
    if largest < 0 or smallest < 0 or not 1 <= largest + smallest <= operator.size:
        raise InputError(
            f"expected 1 to {operator.size} eigenpairs of a {operator.size} x {operator.size} operator, "
            f"got largest={largest} and smallest={smallest}",
            "ask for fewer pairs",
        )
    if not tol > 0 or max_products < 1:
        raise InputError(
            f"expected tol > 0 and max_products of at least 1, got {tol} and {max_products}", "use the defaults"
        )
