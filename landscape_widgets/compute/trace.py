"""The trace of a symmetric operator: Hutchinson's estimator, deflated where eigenpairs are known, and exactly."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

from landscape_widgets.compute.operators.algebra import orthonormal_basis
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.trace_probes import (
    PRODUCT_COST,
    Book,
    Moments,
    SampledTrace,
    TraceState,
    check_count,
    check_operator,
    check_options,
    counted_product,
    due,
    first_result,
    not_finite,
    reported,
    resumed,
    spent,
    student_interval,
    student_name,
)
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Eigenpairs, TraceEstimate

EXACT_LIMIT = 20_000
"""Largest P for which `ExactTrace` takes P products without being told to."""


class HutchinsonTrace(SampledTrace):
    """The mean of vᵀHv over random probes v, with a Student t interval.

    tr(H) = E[vᵀHv] for E[vvᵀ] = I. The variance of one probe is 2‖H‖_F² for Gaussian entries and 2(‖H‖_F² - ΣH_ii²)
    for Rademacher ones (±1), which a diagonal H makes 0. With `deflate`, tr(H) = tr(QᵀHQ) + tr(PHP), P = I - QQᵀ: the
    first part is multiplied out and only the second is sampled. Both are unbiased whatever Q is, so unconverged
    eigenvectors cost accuracy, not truth; they help where few eigenvalues hold most of ‖H‖_F.

    Cost: one product a probe, and one a deflated vector, several at a time where that pays. Memory: the deflated
    vectors.

    Parameters
    ----------
    operator : a symmetric operator.
    probes : how many, at least 2.
    seed : of the probes; the first probes of a longer run are those of a shorter one.
    distribution : "gaussian" or "rademacher".
    deflate : eigenpairs, whose vectors (P, k) span Q.
    confidence : of the interval.
    reuse_values : take the sum of the given eigenvalues for tr(QᵀHQ) and save k products; `exact_part_error` is
        then the sum of the given residuals, a bound on what that may be wrong by.

    Returns
    -------
    TraceEstimate from `run()`, and after every batch of every product from `stream()`.

    Raises
    ------
    InputError : fewer than 2 probes, an unknown distribution, eigenpairs without vectors or of another size.
    ModelError : at a product, when the loss is not twice differentiable.

    Source: M. Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing
    splines" (1990), section 2; A. Gambhir, A. Stathopoulos and K. Orginos, "Deflation as a method of variance
    reduction for estimating the trace of a matrix inverse" (2017), section 2.

    >>> import numpy as np
    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> H = DenseOperator(np.diag([5.0, 3.0, 0.0, -1.0]))
    >>> found = HutchinsonTrace(H, probes=10, distribution="rademacher").run()
    >>> found.value, found.standard_error, found.products, found.interval_kind
    (7.0, 0.0, 10, 'Student t, 95 %')
    """

    method = "Hutchinson"

    def __init__(
        self,
        operator: SymmetricOperator,
        probes: int = 100,
        seed: int = 0,
        distribution: str = "gaussian",
        deflate: Eigenpairs | None = None,
        confidence: float = 0.95,
        *,
        reuse_values: bool = False,
    ) -> None:
        check_operator(operator)
        check_options(distribution, confidence)
        self.operator, self.seed, self.distribution, self.confidence = operator, seed, distribution, confidence
        self.probes = check_count(probes, 2, "probes", "an interval needs two values; 100 is a good start")
        self.deflate, self.reuse_values = deflate, reuse_values
        self._basis = self._check_pairs(deflate)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {**super().question, "probes": self.probes, "deflated": self._basis.shape[1]}

    def _key(self) -> tuple[Any, ...]:
        return (*super()._key(), self._basis.shape[1], self.reuse_values)

    def _steps(self, state: TraceState) -> Generator[TraceEstimate, None, None]:
        book = self._book(state, self.probes + (0 if self.reuse_values else self._basis.shape[1]))
        given, bound = self._given()
        exact = given if self.reuse_values else (yield from self._multiplied_out(state, book, self._basis))
        if exact is not None:
            book.update(exact_part=exact, exact_part_error=bound)
            yield from self._sampled(state, book, self._basis, self.probes, exact)

    def _given(self) -> tuple[float, float]:
        """The sum of the given eigenvalues and of their residuals."""
        if self.deflate is None or not self.reuse_values:
            return 0.0, 0.0
        return math.fsum(self.deflate.values.tolist()), math.fsum(self.deflate.residuals.tolist())

    def _check_pairs(self, pairs: Eigenpairs | None) -> Tensor:
        """An orthonormal basis (P, k) of the deflated space."""
        operator = self.operator
        if pairs is None:
            return torch.zeros(operator.size, 0, dtype=operator.dtype, device=operator.device)
        if pairs.vectors.shape[1] != len(pairs.values) or not len(pairs.values):
            raise InputError(
                "expected finished eigenpairs to deflate, got a partial result without vectors",
                "wait for the last result of the stream, or use .run()",
            )
        basis, overlap = orthonormal_basis(operator, pairs.vectors)
        if self.reuse_values and overlap > 1e-3:
            raise InputError(
                f"expected orthogonal eigenvectors where their values are reused, got a cosine of {overlap:.3g}",
                "pass reuse_values=False, which multiplies the space out",
            )
        return basis


class ExactTrace(Computation[TraceEstimate, TraceState]):
    """The exact trace Σ e_iᵀHe_i over all P unit vectors, in a random order so that it can be watched.

    After n of P entries: P times their mean, with the standard error of a sample without replacement,
    P s/√n · √(1 - n/P), which is 0 at the end; the value is then exact to the rounding of the products.

    Cost: P products.

    Parameters
    ----------
    operator : a symmetric operator.
    block : entries of the diagonal between two entries of the history; None: about 100 entries in all.
    limit : the largest P allowed, against a mistake.
    seed : of the order.
    confidence : of the interval on the way.

    Raises
    ------
    InputError : P above `limit`.

    Source: W. Cochran, "Sampling techniques", 3rd ed. (1977), section 2.6, for the error on the way.

    >>> import numpy as np
    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> found = ExactTrace(DenseOperator(np.diag([5.0, 3.0, -1.0]))).run()
    >>> found.value, found.interval, found.interval_kind, found.products
    (7.0, (7.0, 7.0), 'exact', 3)
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        block: int | None = None,
        *,
        limit: int = EXACT_LIMIT,
        seed: int = 0,
        confidence: float = 0.95,
    ) -> None:
        check_operator(operator)
        check_options("gaussian", confidence)
        if operator.size > limit:
            raise InputError(
                f"expected at most {limit} parameters for the exact trace, got {operator.size}, one product each",
                "estimate it with HutchinsonTrace, or pass a larger limit",
            )
        chosen = max(1, operator.size // 100) if block is None else block
        self.block = check_count(chosen, 1, "block", "leave it out for a good default")
        self.operator, self.seed, self.confidence = operator, seed, confidence

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {"computation": "ExactTrace", **self.operator.question}

    def stream(self, resume: TraceState | None = None) -> Stream[TraceEstimate, TraceState]:
        """Yield the estimate so far after every batch of every product; it is exact at the end."""
        key = ("unit vectors", self.operator.size, self.seed)
        state = TraceState(key) if resume is None else resumed(resume, key)
        return Stream(self._steps(state), state.copy)

    def _steps(self, state: TraceState) -> Generator[TraceEstimate, None, None]:
        size = self.operator.size
        order = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed))
        book = Book(state, first_result("unit vectors", student_name(self.confidence), self.seed, size, self.question))
        moments = Moments()
        for value in state.values:
            moments.add(value)
        while (number := len(state.values)) < size:
            places = order[number : number + due(self.operator, book, size - number)]
            images = yield from reported(counted_product(self.operator, state, self._units(places)), book)
            if wrong := not_finite(images):
                yield book.not_finite(f"The product of unit vector {int(places[wrong - 1])}", **spent(state))
                return
            for value in images.reshape(size, -1)[places, torch.arange(len(places))].tolist():
                state.values.append(value)
                moments.add(value)
                if moments.count % self.block == 0 and moments.count < size:
                    book.update(**self._partial(book, moments))
            if len(state.values) // self.block > number // self.block and len(state.values) < size:
                yield book.update(**book.history, **spent(state))
        yield self._final(state, book)

    def _units(self, places: Tensor) -> Tensor:
        """One unit vector (P,), or several as columns."""
        rows = torch.zeros(len(places), self.operator.size, dtype=self.operator.dtype, device=self.operator.device)
        rows[torch.arange(len(places)), places] = 1.0
        return rows[0] if len(places) == 1 else rows.T

    def _partial(self, book: Book, moments: Moments) -> dict[str, Any]:
        """The estimate from the entries so far, noted in the history."""
        size, count = self.operator.size, moments.count
        value, error = size * moments.mean, size * moments.standard_error * math.sqrt(1.0 - count / size)
        book.note(value, error, PRODUCT_COST * count)
        interval = student_interval(value, error, count, self.confidence)
        return {"value": value, "standard_error": error, "interval": interval}

    def _final(self, state: TraceState, book: Book) -> TraceEstimate:
        value = math.fsum(state.values)
        changes = {"interval": (value, value), "interval_kind": "exact", "exact_part": value, **spent(state)}
        if book.latest.standard_error != 0.0:  # not from the checkpoint of a finished run
            book.enter(value, 0.0, **changes)
        return book.update(value=value, standard_error=0.0, outcome=Outcome.COMPLETE, question=self.question, **changes)


def exact_trace(operator: SymmetricOperator, block: int | None = None, *, limit: int = EXACT_LIMIT) -> TraceEstimate:
    """The exact trace of an operator from P products; `ExactTrace` streams it.

    Cost: P products.

    Parameters
    ----------
    operator : a symmetric operator with at most `limit` rows.
    block : entries of the diagonal between two entries of the history.

    Raises
    ------
    InputError : P above `limit`.

    >>> import numpy as np
    >>> from landscape_widgets.compute.operators.dense import DenseOperator
    >>> exact_trace(DenseOperator(np.array([[2.0, 1.0], [1.0, -3.0]]))).value
    -1.0
    """
    return ExactTrace(operator, block, limit=limit).run()
