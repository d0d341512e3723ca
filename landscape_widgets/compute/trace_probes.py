"""What trace estimators share: probe vectors, counted products, running moments and the partial results."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

from landscape_widgets.compute.operators.base import PartialProduct, Steps, SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import normal_vector
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import TraceEstimate

T = TypeVar("T")

PRODUCT_COST = 2.0
"""Cost of a Hessian-vector product in gradient evaluations, by convention."""
EVALUATION_COST = 1.0 / 3.0
"""Cost of a loss evaluation in gradient evaluations, by convention: forward : backward ≈ 1 : 2."""

HISTORY = ("cost_history", "value_history", "error_history")
DISTRIBUTIONS = ("gaussian", "rademacher")
STREAM, STRIDE = 0x7472616365, 0x9E3779B97F4A7C15
"""Probes are seeded far from each other, and from the vectors that Lanczos and directions draw from the same seed:
a probe must not depend on eigenvectors that are deflated. (torch uses the lower 32 bits of a seed.)"""


@dataclasses.dataclass
class TraceState:
    """What a trace estimator knows: enough to go on and to compute nothing twice.

    `key` says whose state it is; `vectors` are an orthonormal basis being built and `inside` its qᵀHq multiplied out;
    `values` are those of every finished probe, `pending` is the product under way, with `together` vectors at a time,
    all counted in `products`; `latest` is the last partial result.
    """

    key: tuple[Any, ...]
    products: int = 0
    vectors: list[Tensor] = dataclasses.field(default_factory=list)
    inside: list[float] = dataclasses.field(default_factory=list)
    values: list[float] = dataclasses.field(default_factory=list)
    pending: PartialProduct | None = None
    together: int = 0
    latest: TraceEstimate | None = None

    @property
    def finished(self) -> int:
        """Products that are not under way."""
        return self.products - self.together

    def copy(self: S) -> S:
        """A copy that later steps do not change; tensors are replaced in it, never written into."""
        copied = copy.copy(self)
        for name, value in vars(self).items():
            if callable(getattr(value, "copy", None)):  # lists, arrays, what is under way
                setattr(copied, name, value.copy())
        return copied


S = TypeVar("S", bound=TraceState)


class Moments:
    """Mean and standard error of numbers that come one by one.

    >>> moments = Moments()
    >>> for number in (1.0, 2.0, 6.0):
    ...     moments.add(number)
    >>> moments.mean, round(moments.standard_error, 6)
    (3.0, 1.527525)
    """

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Take one more number (Welford's update)."""
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self._squares += before * (value - self.mean)

    @property
    def standard_error(self) -> float:
        """Sample standard deviation over √count; NaN for fewer than two numbers."""
        return math.sqrt(self._squares / (self.count - 1) / self.count) if self.count > 1 else math.nan


class Book:
    """The history of one run, and its partial results made from it.

    Parameters
    ----------
    state : of the run, whose `latest` is kept up to date.
    first : the result before anything is known; later ones differ from the one before.
    """

    def __init__(self, state: TraceState, first: TraceEstimate) -> None:
        self.state, before = state, state.latest
        self._table, self._count = np.empty((3, 0)), 0
        self.latest = first
        if before is not None:
            self._table = np.array([getattr(before, name) for name in HISTORY])
            self._count = self._table.shape[1]
            asked = {
                name: getattr(first, name) for name in ("outcome", "interval_kind", "caution", "total", "question")
            }
            self.latest = dataclasses.replace(before, **asked)

    def note(self, value: float, standard_error: float, cost: float) -> None:
        """Note a new estimate in the history alone; `history` brings it into a partial result."""
        if self._count == self._table.shape[1]:  # views of a full table stay as they are
            self._table = np.concatenate([self._table, np.empty((3, max(16, self._count)))], axis=1)
        self._table[:, self._count] = cost, value, standard_error
        self._count += 1

    def enter(self, value: float, standard_error: float, cost: float, **changes: Any) -> TraceEstimate:
        """Note a new estimate in the history; the partial result with it."""
        self.note(value, standard_error, cost)
        return self.update(value=value, standard_error=standard_error, cost=cost, **self.history, **changes)

    def update(self, **changes: Any) -> TraceEstimate:
        """Change the partial result."""
        self.latest = self.state.latest = dataclasses.replace(self.latest, **changes)
        return self.latest

    def not_finite(self, what: str, **changes: Any) -> TraceEstimate:
        """The result of a run that met NaN or infinity: no value, and where it was."""
        nan = math.nan
        words = f"{what} gave NaN or infinity, so there is no estimate."
        caution = f"{self.latest.caution} {words}".strip()
        outcome = Outcome.NOT_FINITE
        nothing = {"value": nan, "standard_error": nan, "interval": (nan, nan)}
        return self.update(**nothing, outcome=outcome, caution=caution, **self.history, **changes)

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Read-only views of what is known: entries are added, never changed."""
        views = [row[: self._count] for row in self._table]
        for view in views:
            view.flags.writeable = False
        return dict(zip(HISTORY, views, strict=True))


def first_result(method: str, kind: str, seed: int, total: int, question: dict[str, Any]) -> TraceEstimate:
    """A running result before anything is known."""
    nan = math.nan
    return TraceEstimate(
        nan, nan, (nan, nan), kind, method, 0, 0, 0, 0.0, Outcome.RUNNING, seed, total=total, question=question
    )


def student_interval(value: float, error: float, count: int, confidence: float) -> tuple[float, float]:
    """The two-sided Student t interval of a mean over `count` independent numbers; NaN for fewer than two.

    >>> [round(end, 3) for end in student_interval(10.0, 1.0, 5, 0.95)]
    [7.224, 12.776]
    """
    if count < 2:
        return (math.nan, math.nan)
    half = float(stdtrit(count - 1, (1.0 + confidence) / 2.0)) * error
    return (value - half, value + half)


def student_name(confidence: float) -> str:
    """What a Student t interval is called.

    >>> student_name(0.95)
    'Student t, 95 %'
    """
    return f"Student t, {100 * confidence:g} %"


def probe_vector(operator: SymmetricOperator, seed: int, index: int, distribution: str = "gaussian") -> Tensor:
    """Draw probe number `index` of a seed, (P,) of the operator's dtype: E[vvᵀ] = I."""
    return probe(operator.size, seed, index, distribution).to(device=operator.device, dtype=operator.dtype)


def probe(size: int, seed: int, index: int, distribution: str = "gaussian") -> Tensor:
    """Draw probe number `index` of a seed, (P,) float32 on the CPU; a Rademacher one is the signs of a Gaussian."""
    vector = normal_vector(size, (seed + STREAM + STRIDE * index) % 2**63, "cpu", torch.float32)
    return vector if distribution == "gaussian" else torch.where(vector >= 0, 1.0, -1.0)


def inner(one: Tensor, other: Tensor) -> float:
    """The inner product, summed in float64 where the device has it."""
    if one.device.type != "mps":
        one, other = one.double(), other.double()
    return float(one @ other)


def forms(vectors: Tensor, images: Tensor) -> list[float]:
    """The quadratic forms vᵀHv of one vector (P,) or of the columns of a matrix (P, k), from their images."""
    if vectors.ndim == 1:
        return [inner(vectors, images)]
    return [inner(*pair) for pair in zip(vectors.T, images.T, strict=True)]


def joined(vectors: list[Tensor]) -> Tensor:
    """One vector (P,) as it is, several as the columns of a matrix (P, k)."""
    return vectors[0] if len(vectors) == 1 else torch.stack(vectors).T


def not_finite(images: Tensor) -> int:
    """The number, from 1 on, of the first of one or several images that is not finite; 0 where all are.

    >>> not_finite(torch.tensor([[1.0, math.nan, 3.0]])), not_finite(torch.ones(4))
    (2, 0)
    """
    finite = torch.isfinite(images).all(dim=0).reshape(-1)
    return 0 if bool(finite.all()) else int(finite.int().argmin()) + 1


def outside(vector: Tensor, basis: Tensor) -> Tensor:
    """The part of a vector (P,), or of columns (P, n), orthogonal to orthonormal columns (P, k)."""
    return vector - basis @ (basis.T @ vector) if basis.shape[1] else vector


def due(operator: SymmetricOperator, book: Book, left: int) -> int:
    """How many of the vectors left to multiply next: those under way, or as many as pay at a time, evenly shared."""
    wide = operator.width(max(left, book.latest.total - book.state.products))
    return book.state.together or math.ceil(left / math.ceil(left / wide))


def counted_product(operator: SymmetricOperator, state: TraceState, vectors: Tensor) -> Steps:
    """Multiply one vector or several together, each counted once, yielding after every batch.

    What is under way is taken up again.
    """
    if state.pending is None:
        state.together = 1 if vectors.ndim == 1 else vectors.shape[1]
        state.products += state.together
        state.pending = PartialProduct()
    images = yield from operator.product_steps(vectors, state.pending)
    state.pending, state.together = None, 0
    return images


def reported(steps: Generator[None, None, T], book: Book) -> Generator[TraceEstimate, None, T]:
    """Run the batches of a product or of a loss, giving the newest estimate after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield book.latest


class SampledTrace(Computation[TraceEstimate, TraceState]):
    """Base of estimators that multiply out tr(QᵀHQ) and sample the trace on the complement of Q."""

    method: str
    operator: SymmetricOperator
    seed: int
    distribution: str
    confidence: float

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": type(self).__name__,
            "distribution": self.distribution,
            "confidence": self.confidence,
            **self.operator.question,
        }

    def stream(self, resume: TraceState | None = None) -> Stream[TraceEstimate, TraceState]:
        """Yield the estimate so far after every batch of every product; NaN before the first probe."""
        state = TraceState(self._key()) if resume is None else resumed(resume, self._key())
        return Stream(self._steps(state), state.copy)

    def _key(self) -> tuple[Any, ...]:
        return (self.method, self.operator.size, self.seed, self.distribution)

    def _steps(self, state: TraceState) -> Generator[TraceEstimate, None, None]:
        raise TypeError(f"{type(self).__name__} must define _steps()")

    def _book(self, state: TraceState, total: int) -> Book:
        return Book(state, first_result(self.method, student_name(self.confidence), self.seed, total, self.question))

    def _multiplied_out(
        self, state: TraceState, book: Book, basis: Tensor
    ) -> Generator[TraceEstimate, None, float | None]:
        """Multiply out tr(QᵀHQ), as many columns at a time as pay; None after a product that is not finite."""
        columns = basis.T.contiguous()
        while (index := len(state.inside)) < len(columns):
            count = due(self.operator, book, len(columns) - index)
            vectors = joined(list(columns[index : index + count]))
            images = yield from reported(counted_product(self.operator, state, vectors), book)
            if wrong := not_finite(images):
                yield book.not_finite(f"The product of basis vector {index + wrong}", **spent(state))
                return None
            state.inside += forms(vectors, images)
            yield book.update(**spent(state))
        return math.fsum(state.inside)

    def _sampled(
        self, state: TraceState, book: Book, basis: Tensor, probes: int, exact: float, first: int = 0
    ) -> Generator[TraceEstimate, None, None]:
        """Sample the trace on the complement of a basis and add the exact part; probes are numbered from `first`."""
        moments = Moments()
        for value in state.values:
            moments.add(value)
        while (index := len(state.values)) < probes:
            numbers = range(first + index, first + index + due(self.operator, book, probes - index))
            drawn = [probe_vector(self.operator, self.seed, number, self.distribution) for number in numbers]
            vectors = outside(joined(drawn), basis)
            images = yield from reported(counted_product(self.operator, state, vectors), book)
            wrong = not_finite(images)
            for value in forms(vectors, images)[: wrong - 1 if wrong else None]:
                state.values.append(value)
                moments.add(value)
                later = index + len(numbers) - moments.count
                book.note(exact + moments.mean, moments.standard_error, PRODUCT_COST * (state.products - later))
            if wrong:
                yield book.not_finite(f"The product of probe {index + wrong}", probes=index + wrong, **spent(state))
                return
            yield book.update(**book.history, probes=moments.count, **self._mean(moments, exact), **spent(state))
        ended = {"outcome": Outcome.COMPLETE, "question": self.question}
        yield book.update(**ended, probes=moments.count, **self._mean(moments, exact), **spent(state))

    def _mean(self, moments: Moments, exact: float) -> dict[str, Any]:
        value, error = exact + moments.mean, moments.standard_error
        interval = student_interval(value, error, moments.count, self.confidence)
        return {"value": value, "standard_error": error, "interval": interval}


def spent(state: TraceState) -> dict[str, Any]:
    """Products so far, and their cost."""
    return {"products": state.products, "done": state.products, "cost": PRODUCT_COST * state.products}


def check_operator(operator: Any) -> None:
    """Refuse what is no symmetric operator."""
    if not isinstance(operator, SymmetricOperator):
        raise InputError(
            f"expected a symmetric operator, got {type(operator).__name__}",
            "wrap the objective: lw.HessianOperator(objective)",
        )


def check_count(value: Any, least: int, what: str, advice: str) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"expected {what} as a whole number of at least {least}, got {value!r}", advice)
    return int(value)


def check_options(distribution: Any, confidence: Any) -> None:
    """Refuse an unknown distribution, and a confidence that is no probability strictly between 0 and 1."""
    if distribution not in DISTRIBUTIONS:
        raise InputError(
            f'expected distribution as "gaussian" or "rademacher", got {distribution!r}', "choose one of them"
        )
    if not isinstance(confidence, (float, int)) or not 0 < confidence < 1:
        raise InputError(f"expected a confidence between 0 and 1, got {confidence!r}", "pass 0.95 for 95 %")


def resumed(state: S, key: tuple[Any, ...]) -> S:
    """A copy of a checkpoint, checked to be of the same question."""
    if state.key != key:
        raise InputError(
            f"expected a checkpoint of {key}, got one of {state.key}", "resume with the arguments that made it"
        )
    return state.copy()
