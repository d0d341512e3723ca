"""Trace estimators that first find where most of the matrix is: Hutch++ and XTrace."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import one_blas_thread
from landscape_widgets.compute.trace_probes import (
    Book,
    SampledTrace,
    TraceState,
    check_count,
    check_operator,
    check_options,
    counted_product,
    first_result,
    inner,
    probe_vector,
    reported,
    resumed,
    spent,
)
from landscape_widgets.errors import Outcome
from landscape_widgets.results import TraceEstimate

DEPENDENT = 10.0
"""An image whose part outside the basis is below this many rounding errors lies in the basis."""


BLOCK = 2**18
"""Numbers of a basis that are multiplied at a time: small vectors together, large ones alone."""


class HutchPlusPlusTrace(SampledTrace):
    """Hutch++: the trace on a sketch of the range of H, multiplied out, plus Hutchinson on its complement.

    tr(H) = tr(QᵀHQ) + E[vᵀPHPv], Q = orth(HS) for k = ⌊products/3⌋ random vectors S, P = I - QQᵀ, and
    products - 2k probes v independent of S. Unbiased; for a positive semidefinite H the error falls like 1/products,
    instead of 1/√products. Its interval is the Student t interval of the probes, given Q: they are few, and far from
    normal where one eigenvalue is left over, so it holds the truth a little less often than it says.

    Cost: `products` products, fewer where the rank of H is below k. Memory: k vectors of length P.

    Parameters
    ----------
    operator : a symmetric operator.
    products : the budget, at least 4 (a sketch of one, and two probes).
    seed : of the sketch and the probes.
    distribution : "gaussian" or "rademacher".
    confidence : of the interval.

    Returns
    -------
    TraceEstimate; its history begins with the first probe, after 2k products.

    Raises
    ------
    InputError : fewer than 4 products, an unknown distribution.
    ModelError : at a product, when the loss is not twice differentiable.

    Source: R. Meyer, C. Musco, C. Musco and D. Woodruff, "Hutch++: optimal stochastic trace estimation" (2021),
    algorithm 1.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> H = DenseOperator(np.diag([5.0, 3.0] + [0.0] * 48))
    >>> found = HutchPlusPlusTrace(H, products=12).run()
    >>> round(found.value, 10), found.products, found.standard_error < 1e-12
    (8.0, 10, True)
    """

    method = "Hutch++"

    def __init__(
        self,
        operator: SymmetricOperator,
        products: int = 99,
        seed: int = 0,
        distribution: str = "gaussian",
        confidence: float = 0.95,
    ) -> None:
        check_operator(operator)
        check_options(distribution, confidence)
        self.operator, self.seed, self.distribution, self.confidence = operator, seed, distribution, confidence
        self.products = check_count(products, 4, "products", "one third of them are probes, and two are needed")
        self.sketched = min(self.products // 3, operator.size)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {**super().question, "products": self.products}

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self.sketched)

    def _steps(self, state: TraceState) -> Generator[TraceEstimate, None, None]:
        book = self._book(state, self.products)
        finite = yield from self._sketch(state, book)
        if not finite:
            return
        basis = stacked(state.vectors, self.operator)
        exact = yield from self._multiplied_out(state, book, basis)
        if exact is not None:
            book.update(exact_part=exact)
            probes = self.products - 2 * self.sketched
            yield from self._sampled(state, book, basis, probes, exact, first=self.sketched)

    def _sketch(self, state: TraceState, book: Book) -> Generator[TraceEstimate, None, bool]:
        """Grow the basis Q of HS one image a product; False after a product that is not finite."""
        while (index := self._multiplied(state)) < self.sketched:
            vector = probe_vector(self.operator, self.seed, index, self.distribution)
            image = yield from reported(counted_product(self.operator, state, vector), book)
            if not bool(torch.isfinite(image).all()):
                yield book.not_finite(f"The product of sketch vector {index + 1}", **spent(state))
                return False
            fresh, _ = orthogonal_part(image, state.vectors)
            if fresh is not None:
                state.vectors.append(fresh)
            yield book.update(**spent(state))
        return True

    @staticmethod
    def _multiplied(state: TraceState) -> int:
        """Products finished; the first ones are those of the sketch."""
        return state.products - (0 if state.pending is None else 1)


@dataclasses.dataclass
class CrossState(TraceState):
    """What XTrace knows after m test vectors Ω: HΩ = QR, W = QᵀΩ, the projection QᵀHQ and the lengths |ω|².

    `vectors` are the columns of Q, `tests` those of Ω; `exhausted` is whether Q holds the range of H, with a bound on
    the trace that is left.
    """

    tests: list[Tensor] = dataclasses.field(default_factory=list)
    squares: list[float] = dataclasses.field(default_factory=list)
    triangle: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    overlaps: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    projected: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    exhausted: bool = False
    left: float = 0.0


class XTrace(Computation[TraceEstimate, CrossState]):
    """XTrace: every test vector serves both to find the range of H and to sample its complement.

    With m = ⌊products/2⌋ test vectors ω_i and Q_i = orth(HΩ without ω_i), the estimate is the mean over i of
    tr(Q_iᵀHQ_i) + (P - m + 1) ω_i'ᵀHω_i' / |ω_i'|², ω_i' = (I - Q_iQ_iᵀ) ω_i: unbiased, and the length of ω_i' taken
    out, which Gaussian vectors allow ("resphering"). All Q_i come from one QR decomposition HΩ = QR: Q_i spans
    Q(I - s_i s_iᵀ), s_i ∝ R⁻ᵀe_i. Its error estimate, the spread of these m dependent numbers over √m, is no
    confidence interval.

    Cost: 2m products; 2mP numbers of memory, O(m²P) operations and O(m⁴) small ones for all the partial results.

    Parameters
    ----------
    operator : a symmetric operator.
    products : the budget, at least 4; an odd one is left over. More than 2P are never needed.
    seed : of the Gaussian test vectors; a longer run begins as a shorter one does.
    resphere : False takes ω_i'ᵀHω_i' as it is.

    Returns
    -------
    TraceEstimate; its history has an entry every second product. Outcome "converged" where the range of H was
    exhausted: the value is then exact up to `standard_error`, a bound by rounding.

    Raises
    ------
    InputError : fewer than 4 products.
    ModelError : at a product, when the loss is not twice differentiable.

    Source: E. Epperly, J. Tropp and R. Webber, "XTrace: making the most of every sample in stochastic trace
    estimation" (2024), sections 2.1 to 2.3.

    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> H = DenseOperator(np.diag(np.r_[0.5 ** np.arange(20.0), np.zeros(30)]))
    >>> found = XTrace(H, products=24).run()
    >>> bool(abs(found.value - H.to_dense().trace()) < 2e-3), found.interval_kind, found.products
    (True, 'error estimate', 24)
    """

    def __init__(
        self, operator: SymmetricOperator, products: int = 100, seed: int = 0, *, resphere: bool = True
    ) -> None:
        check_operator(operator)
        self.operator, self.seed, self.resphere = operator, seed, resphere
        self.products = check_count(products, 4, "products", "two test vectors are needed, with two products each")
        self.vectors = min(self.products // 2, operator.size)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        asked = {"computation": "XTrace", "products": self.products, "resphere": self.resphere}
        return {**asked, **self.operator.question}

    def stream(self, resume: CrossState | None = None) -> Stream[TraceEstimate, CrossState]:
        """Yield the estimate so far after every batch of every product.

        `stream(resume=...)` goes on from a checkpoint, also of a run of fewer products.
        """
        key = ("XTrace", self.operator.size, self.seed, self.resphere)
        state = CrossState(key) if resume is None else resumed(resume, key)
        return Stream(self._steps(state), state.copy)

    def _steps(self, state: CrossState) -> Generator[TraceEstimate, None, None]:
        first = first_result("XTrace", "error estimate", self.seed, 2 * self.vectors, self.question)
        book = Book(state, first)
        while not state.exhausted and len(state.projected) < self.vectors:
            kind, number = (
                ("test vector", len(state.tests)) if self._between(state) else ("column", len(state.tests) - 1)
            )
            vector = probe_vector(self.operator, self.seed, number) if self._between(state) else state.vectors[-1]
            image = yield from reported(counted_product(self.operator, state, vector), book)
            if not bool(torch.isfinite(image).all()):
                yield book.not_finite(f"The product of {kind} {number + 1}", probes=len(state.tests), **spent(state))
                return
            if kind == "test vector":
                self._widen(state, vector, image)
                yield book.update(**spent(state))
            else:
                self._project(state, image)
                yield book.enter(**self._estimate(state), **spent(state))
        yield book.update(
            outcome=Outcome.CONVERGED if state.exhausted else Outcome.COMPLETE,
            total=state.products,
            **self._estimate(state),
            **spent(state),
        )

    @staticmethod
    def _between(state: CrossState) -> bool:
        """Whether every column of Q has been multiplied, so that a new test vector is due."""
        return len(state.vectors) == len(state.projected)

    def _widen(self, state: CrossState, vector: Tensor, image: Tensor) -> None:
        """Take a test vector and its image into Ω, Q, R and W."""
        fresh, coefficients = orthogonal_part(image, state.vectors)
        if fresh is None:  # the image of a random vector lies in Q: with probability one Q is all of the range
            state.exhausted = True
            rounding = torch.finfo(self.operator.dtype).eps * float(image.norm())
            state.left = math.sqrt(self.operator.size) * max(float(coefficients[-1]), rounding)
            return
        count = len(state.tests)
        triangle, overlaps = np.zeros((count + 1, count + 1)), np.zeros((count + 1, count + 1))
        triangle[:count, :count], overlaps[:count, :count] = state.triangle, state.overlaps
        triangle[:, count] = coefficients
        overlaps[:count, count] = inners(state.vectors, vector)
        state.vectors.append(fresh)
        state.tests.append(vector)
        overlaps[count] = inners(state.tests, fresh)
        state.squares.append(inner(vector, vector))
        state.triangle, state.overlaps = triangle, overlaps

    def _project(self, state: CrossState, image: Tensor) -> None:
        """Add the newest column of Q to the projection QᵀHQ."""
        column = inners(state.vectors, image)
        projected = np.zeros((len(column), len(column)))
        projected[:-1, :-1] = state.projected
        projected[-1], projected[:, -1] = column, column
        state.projected = projected

    def _estimate(self, state: CrossState) -> dict[str, Any]:
        """Value and error from the small matrices."""
        exact = float(np.trace(state.projected))
        if state.exhausted:
            value, error = exact, state.left
        else:
            with one_blas_thread():
                numbers = leave_one_out(state, self.operator.size if self.resphere else None)
            value, count = float(numbers.mean()), len(numbers)
            alone = 0.0 if self.resphere and self.operator.size == 1 else math.nan
            error = float(numbers.std(ddof=1)) / math.sqrt(count) if count > 1 else alone
        return {
            "value": value,
            "standard_error": error,
            "interval": (value - error, value + error),
            "exact_part": exact,
            "probes": len(state.tests),
        }


def leave_one_out(state: CrossState, size: int | None) -> np.ndarray:
    """The m estimates of XTrace, (m,), from R, W and QᵀHQ; `size` P to take out the lengths, else None."""
    R, W, H = state.triangle, state.overlaps, state.projected
    count = len(R)
    S = scipy.linalg.solve_triangular(R, np.eye(count), trans="T")
    S /= np.linalg.norm(S, axis=0)
    U = W - S * (S * W).sum(axis=0)  # the coefficients in Q of Q_i Q_iᵀ ω_i
    inside = np.trace(H) - (S * (H @ S)).sum(axis=0)
    outside = ((W - 2.0 * U) * R).sum(axis=0) + (U * (H @ U)).sum(axis=0)
    if size is not None:
        left = np.array(state.squares) - (U * U).sum(axis=0)
        outside = outside * (size - count + 1) / left
    numbers: np.ndarray = inside + outside
    return numbers


def orthogonal_part(image: Tensor, basis: list[Tensor]) -> tuple[Tensor | None, np.ndarray]:
    """The unit vector of what is new in an image, and its coefficients in the basis with that one, (m + 1,).

    Two Gram-Schmidt passes; None where the image lies in the basis to rounding.
    """
    whole = float(image.norm())
    left, coefficients = image.clone(), np.zeros(len(basis) + 1)
    for _ in range(2):
        for first, rows in blocks(basis):
            parts = rows @ left
            left -= parts @ rows
            coefficients[first : first + len(rows)] += parts.cpu().double().numpy()
    length = float(left.norm())
    coefficients[-1] = length
    if length <= DEPENDENT * torch.finfo(image.dtype).eps * whole:
        return None, coefficients
    return left / length, coefficients


def inners(vectors: list[Tensor], other: Tensor) -> np.ndarray:
    """Inner products of some vectors with another one, (k,), summed in float64 where the device has it."""
    wide = torch.float32 if other.device.type == "mps" else torch.float64
    other = other.to(wide)
    found = [rows.to(wide) @ other for _, rows in blocks(vectors)]
    return torch.cat(found).cpu().double().numpy() if found else np.zeros(0)


def blocks(vectors: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Vectors as rows (k, P) with the number of the first one, at most `BLOCK` numbers at a time."""
    count = max(1, BLOCK // max(1, len(vectors[0]))) if vectors else 1
    for first in range(0, len(vectors), count):
        yield first, vectors[first][None] if count == 1 else torch.stack(vectors[first : first + count])


def stacked(vectors: list[Tensor], operator: SymmetricOperator) -> Tensor:
    """Vectors as columns (P, k); (P, 0) for none."""
    if not vectors:
        return torch.zeros(operator.size, 0, dtype=operator.dtype, device=operator.device)
    return torch.stack(vectors, dim=1)
