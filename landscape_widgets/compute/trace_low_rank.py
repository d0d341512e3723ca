"""Trace estimators that first find where most of the matrix is: Hutch++ and XTrace."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import one_blas_thread
from landscape_widgets.compute.trace_basis import inners, orthogonal_block, orthogonal_part, stacked
from landscape_widgets.compute.trace_probes import (
    PRODUCT_COST,
    Book,
    SampledTrace,
    TraceState,
    check_count,
    check_operator,
    check_options,
    counted_product,
    due,
    first_result,
    inner,
    joined,
    not_finite,
    probe_vector,
    reported,
    resumed,
    spent,
)
from landscape_widgets.errors import Outcome
from landscape_widgets.results import TraceEstimate


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
        while (index := state.finished) < self.sketched:  # the first products are those of the sketch
            numbers = range(index, index + due(self.operator, book, self.sketched - index))
            drawn = [probe_vector(self.operator, self.seed, number, self.distribution) for number in numbers]
            images = yield from reported(counted_product(self.operator, state, joined(drawn)), book)
            if wrong := not_finite(images):
                yield book.not_finite(f"The product of sketch vector {index + wrong}", **spent(state))
                return False
            self._widen(state, images)
            yield book.update(**spent(state))
        return True

    @staticmethod
    def _widen(state: TraceState, images: Tensor) -> None:
        """Take what is new in one image, or in several, into the basis."""
        block = orthogonal_block(images, state.vectors) if images.ndim == 2 else None
        if block is not None:
            state.vectors += list(block[0].T)
            return
        for image in images.reshape(len(images), -1).T:
            fresh, _ = orthogonal_part(image, state.vectors)
            if fresh is not None:
                state.vectors.append(fresh)


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
        while len(state.projected) < len(state.vectors) or not self._ended(state):
            known, widening = len(state.projected), len(state.projected) == len(state.vectors)
            vectors = joined(self._next(state, book, known, widening))
            images = yield from reported(counted_product(self.operator, state, vectors), book)
            if wrong := not_finite(images):
                what = f"The product of {'test vector' if widening else 'column'} {known + wrong}"
                yield book.not_finite(what, probes=len(state.tests), **spent(state))
                return
            if widening:
                self._widen(state, vectors, images)
                yield book.update(**spent(state))
            else:
                self._project(state, images)
                found = self._found(state, known)
                for count, estimate in enumerate(found, start=known + 1):
                    book.note(*estimate, 2 * PRODUCT_COST * count)
                yield book.update(**book.history, **self._estimate(state, found[-1]), **spent(state))
        yield book.update(
            outcome=Outcome.CONVERGED if state.exhausted else Outcome.COMPLETE,
            total=state.products,
            question=self.question,
            **self._estimate(state, None if state.exhausted else self._found(state, len(state.projected) - 1)[-1]),
            **spent(state),
        )

    def _ended(self, state: CrossState) -> bool:
        """Whether no further test vector is due."""
        return state.exhausted or len(state.vectors) >= self.vectors

    def _next(self, state: CrossState, book: Book, known: int, widening: bool) -> list[Tensor]:
        """The vectors to multiply next: new test vectors, or the columns of Q that came of them."""
        if not widening:
            return state.vectors[known : known + due(self.operator, book, len(state.vectors) - known)]
        numbers = range(known, known + due(self.operator, book, self.vectors - known))
        return [probe_vector(self.operator, self.seed, number) for number in numbers]

    def _widen(self, state: CrossState, vectors: Tensor, images: Tensor) -> None:
        """Take test vectors and their images into Ω, Q, R and W, up to one whose image is in Q already."""
        block = orthogonal_block(images, state.vectors) if images.ndim == 2 else None
        if block is not None:
            self._take(state, vectors, *block)
            return
        for vector, image in zip(vectors.reshape(len(vectors), -1).T, images.reshape(len(images), -1).T, strict=True):
            fresh, coefficients = orthogonal_part(image, state.vectors)
            if fresh is None:  # the image of a random vector lies in Q: with probability one Q is all of the range
                state.exhausted = True
                rounding = torch.finfo(self.operator.dtype).eps * float(image.norm())
                state.left = math.sqrt(self.operator.size) * max(float(coefficients[-1]), rounding)
                return
            self._take(state, vector[:, None], fresh[:, None], coefficients[:, None])

    @staticmethod
    def _take(state: CrossState, tests: Tensor, fresh: Tensor, coefficients: np.ndarray) -> None:
        """Take test vectors (P, k), the new columns of Q and those of R into the state."""
        before = len(state.tests)
        triangle, overlaps = grown(state.triangle, len(coefficients)), grown(state.overlaps, len(coefficients))
        triangle[:, before:] = coefficients
        overlaps[:before, before:] = inners(state.vectors, tests)
        state.vectors += list(fresh.T)
        state.tests += list(tests.T)
        overlaps[before:] = inners(state.tests, fresh).T
        state.squares += [inner(vector, vector) for vector in tests.T]
        state.triangle, state.overlaps = triangle, overlaps

    @staticmethod
    def _project(state: CrossState, images: Tensor) -> None:
        """Add the columns of Q after those known, whose images these are, to the projection QᵀHQ."""
        images, known = images.reshape(len(images), -1), len(state.projected)
        projected = grown(state.projected, known + images.shape[1])
        projected[:, known:] = inners(state.vectors[: len(projected)], images)
        state.projected = np.triu(projected) + np.triu(projected, 1).T

    def _found(self, state: CrossState, known: int) -> list[tuple[float, float]]:
        """The estimates, each with its error, from `known` + 1 test vectors to all whose columns are projected."""
        alone = 0.0 if self.resphere and self.operator.size == 1 else math.nan
        with one_blas_thread():
            estimates = leave_one_out(state, self.operator.size if self.resphere else None, known)
        return [
            (float(one.mean()), float(one.std(ddof=1)) / math.sqrt(len(one)) if len(one) > 1 else alone)
            for one in estimates
        ]

    @staticmethod
    def _estimate(state: CrossState, found: tuple[float, float] | None) -> dict[str, Any]:
        """Value and error as they stand in a result; `found` is None where the range is exhausted."""
        exact = float(np.trace(state.projected))
        value, error = found if found is not None else (exact, state.left)
        return {
            "value": value,
            "standard_error": error,
            "interval": (value - error, value + error),
            "exact_part": exact,
            "probes": len(state.tests),
        }


def leave_one_out(state: CrossState, size: int | None, known: int) -> list[np.ndarray]:
    """The m estimates of XTrace, (m,), for every m from `known` + 1 to all that is projected, from R, W and QᵀHQ.

    Those of the first m test vectors come from the leading parts of these matrices, and of R⁻ᵀ. `size` is P to take
    out the lengths, else None.
    """
    found, last, squares = [], len(state.projected), np.array(state.squares)
    inverse = scipy.linalg.solve_triangular(state.triangle[:last, :last], np.eye(last), trans="T")
    for count in range(known + 1, last + 1):
        R, W, H = (matrix[:count, :count] for matrix in (state.triangle, state.overlaps, state.projected))
        S = inverse[:count, :count] / np.linalg.norm(inverse[:count, :count], axis=0)
        U = W - S * (S * W).sum(axis=0)  # the coefficients in Q of Q_i Q_iᵀ ω_i
        inside = np.trace(H) - (S * (H @ S)).sum(axis=0)
        outside = ((W - 2.0 * U) * R).sum(axis=0) + (U * (H @ U)).sum(axis=0)
        if size is not None:
            left = squares[:count] - (U * U).sum(axis=0)
            outside = outside * (size - count + 1) / left
        found.append(inside + outside)
    return found


def grown(matrix: np.ndarray, size: int) -> np.ndarray:
    """A square matrix with rows and columns of zeros after its own."""
    wider = np.zeros((size, size))
    wider[: len(matrix), : len(matrix)] = matrix
    return wider
