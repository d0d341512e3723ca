"""Trace estimators that are taken as far as a budget allows: a larger budget goes on and computes nothing twice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.trace import HutchinsonTrace
from landscape_widgets.compute.trace_low_rank import XTrace
from landscape_widgets.compute.trace_probes import PRODUCT_COST, TraceState, student_interval, student_name
from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.labs import TraceMethod
from landscape_widgets.results import TraceEstimate

S = TypeVar("S", bound=TraceState)

CONFIDENCE = 0.95
MOST_VECTORS = 500
"""Vectors kept by one estimator at most: the arithmetic of XTrace beside its products grows with their fourth power."""
VECTOR_MEMORY = 2**30
"""Bytes that the vectors of one estimator may take."""


class Run(Generic[S]):
    """One estimator of a seed, stepped towards a budget of gradient evaluations.

    A subclass gives `_next`, the computation to go on with and the state to resume from, `_more`, whether there is
    one, and `_reached`, whether the budget is. A smaller budget than before shows less and forgets nothing.
    """

    method: TraceMethod
    name: str

    def __init__(self) -> None:
        self.budget = 0.0
        self.error: LandscapeError | None = None
        self._stream: Stream[TraceEstimate, S] | None = None
        self._found: TraceEstimate | None = None
        self._extra = 0  # products spent beside those that the estimator counts

    def aim(self, budget: float) -> None:
        """Go for this budget."""
        self.budget = budget

    @property
    def cost(self) -> float:
        """Gradient evaluations spent on what is shown."""
        return PRODUCT_COST * self._extra + (0.0 if self._found is None else self._found.cost)

    @property
    def planned(self) -> float:
        """What `cost` will be at the end."""
        return self.cost if self.done else max(self.budget, self.cost)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do within the budget."""
        return self.error is not None or self._reached or (self._stream is None and not self._more)

    @property
    def needed(self) -> float:
        """Cost before there can be a value, as far as it is known."""
        return 0.0

    def step(self) -> None:
        """Do one bounded piece of work; what the estimator raises is kept as its error."""
        try:
            self._advance()
        except LandscapeError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - one method's failure must not end the others
            self.error = LandscapeError(f"{type(error).__name__}: {error}", "look at the model and the loss")

    def result(self) -> TraceEstimate | None:
        """The estimate within the budget, None before there is one."""
        if self._found is None or (self.error is not None and not len(self._found.cost_history)):
            return None
        return within(shifted(self._found, self._extra), self.budget, self.done)

    def details(self) -> str:
        """What else is to be said of it, in a few words."""
        return ""

    @property
    def _reached(self) -> bool:
        return False

    @property
    def _more(self) -> bool:
        raise NotImplementedError

    def _next(self) -> tuple[Computation[TraceEstimate, S], S | None]:
        raise NotImplementedError

    def _advance(self) -> None:
        if self._stream is None:
            computation, state = self._next()
            self._stream = computation.stream(resume=state)
        try:
            self._found = next(self._stream)
        except StopIteration:
            self._ended(self._stream)

    def _ended(self, stream: Stream[TraceEstimate, S]) -> None:
        self._stream = None


class ProbedRun(Run[S]):
    """An estimator whose longer run begins as a shorter one does: Hutchinson's and XTrace."""

    def __init__(
        self,
        method: TraceMethod,
        name: str,
        make: Callable[[int], Computation[TraceEstimate, S]],
        most: int = 10**9,
        a_probe: int = 1,
    ) -> None:
        super().__init__()
        self.method, self.name = method, name
        self._make, self._most, self._a_probe = make, most, a_probe
        self._state: S | None = None
        self._aimed = 0
        self._over = False

    @property
    def products(self) -> int:
        """Products that the estimator may take within the budget."""
        affordable = min(int(self.budget // PRODUCT_COST) - self._extra, self._most)
        return affordable // self._a_probe * self._a_probe

    @property
    def needed(self) -> float:
        """Cost of two probes."""
        return PRODUCT_COST * 2 * self._a_probe

    def aim(self, budget: float) -> None:
        """Go for this budget, keeping all that is known."""
        super().aim(budget)
        if self._stream is not None and self.products > self._aimed:
            self._state = self._stream.checkpoint()
            self._stream.close()
            self._stream = None

    @property
    def _reached(self) -> bool:
        costs = np.zeros(0) if self._found is None else self._found.cost_history
        there = len(costs) > 0 and bool(costs[-1] >= PRODUCT_COST * self.products)
        return self._over or (there and (self._stream is None or self._aimed > self.products))

    @property
    def _more(self) -> bool:
        return self.products > self._aimed

    def _next(self) -> tuple[Computation[TraceEstimate, S], S | None]:
        self._aimed = self.products
        return self._make(self.products), self._state

    def _ended(self, stream: Stream[TraceEstimate, S]) -> None:
        super()._ended(stream)
        self._state = stream.checkpoint()
        self._over = self._found is None or self._found.outcome is not Outcome.COMPLETE

    def details(self) -> str:
        """Whether it stops before the budget."""
        return "" if self.products < self._most else f"stops at {self._most:,} products, to save memory and time"


def hutchinson_run(operator: SymmetricOperator, seed: int, method: TraceMethod) -> ProbedRun[TraceState]:
    """Hutchinson's estimator with Gaussian or Rademacher probes."""

    def make(products: int) -> HutchinsonTrace:
        return HutchinsonTrace(operator, products, seed, method, confidence=CONFIDENCE)

    return ProbedRun(method, "Hutchinson, Gaussian" if method == "gaussian" else "Hutchinson, Rademacher", make)


def crossed_run(operator: SymmetricOperator, seed: int) -> ProbedRun[Any]:
    """XTrace."""
    most = 2 * max(2, most_vectors(operator, 2))
    return ProbedRun("xtrace", "XTrace", lambda products: XTrace(operator, products, seed), most, 2)


def most_vectors(operator: SymmetricOperator, a_vector: int) -> int:
    """How many vectors an estimator may keep that keeps `a_vector` of length P for each."""
    size = operator.size * (8 if str(operator.dtype).endswith("64") else 4)
    return min(MOST_VECTORS, VECTOR_MEMORY // (size * a_vector))


def shifted(found: TraceEstimate, products: int) -> TraceEstimate:
    """The same estimate after so many more products."""
    if products == 0:
        return found
    cost = PRODUCT_COST * products
    return dataclasses.replace(
        found,
        products=found.products + products,
        cost=found.cost + cost,
        done=found.done + products,
        total=found.total + products,
        cost_history=found.cost_history + cost,
    )


def within(found: TraceEstimate, budget: float, done: bool) -> TraceEstimate | None:
    """What was known of an estimate at a budget, from its history; None where it had no value yet."""
    count = int(np.searchsorted(found.cost_history, budget * (1 + 1e-12), side="right"))
    if count == len(found.cost_history):
        ended = found.outcome is not Outcome.RUNNING or not done
        return found if ended else dataclasses.replace(found, outcome=Outcome.COMPLETE)
    if count == 0:
        return None
    value, error = float(found.value_history[count - 1]), float(found.error_history[count - 1])
    cost, mean = float(found.cost_history[count - 1]), found.interval_kind == student_name(CONFIDENCE)
    interval = student_interval(value, error, count, CONFIDENCE) if mean else (value - error, value + error)
    counted = math.isnan(found.step)
    return dataclasses.replace(
        found,
        value=value,
        standard_error=error,
        interval=interval,
        probes=count,
        products=round(cost / PRODUCT_COST) if counted else 0,
        evaluations=0 if counted else round(3 * cost),
        cost=cost,
        outcome=Outcome.COMPLETE,
        cost_history=found.cost_history[:count],
        value_history=found.value_history[:count],
        error_history=found.error_history[:count],
        exact_part=found.exact_part if mean else math.nan,
        done=found.done,
        total=found.done,
    )
