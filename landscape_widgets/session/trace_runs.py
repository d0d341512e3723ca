"""Trace estimators that are taken as far as a budget allows: a larger budget goes on and computes nothing twice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.trace import HutchinsonTrace
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace, XTrace
from landscape_widgets.compute.trace_probes import PRODUCT_COST, TraceState, student_interval, student_name
from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.labs import TraceMethod
from landscape_widgets.results import Eigenpairs, TraceEstimate

S = TypeVar("S", bound=TraceState)

CONFIDENCE = 0.95
MOST_VECTORS = 500
"""Vectors kept by one estimator at most: the arithmetic of XTrace beside its products grows with their fourth power."""
VECTOR_MEMORY = 2**30
"""Bytes that the vectors of one estimator may take."""

DEFLATED = 5
"""Largest eigenvalues that are deflated where no pairs are given."""
LANCZOS_PRODUCTS = 60
LANCZOS_TOLERANCE = 1e-2
"""Products that may be spent on them, and how well they are to be known: a poor one costs accuracy, not truth."""


class Run(Generic[S]):
    """One estimator of a seed, stepped towards a budget of gradient evaluations.

    A subclass gives `_next`: the computation to go on with and the state to resume from, or None where the budget
    is spent. `aim` sets the budget; a smaller one than before shows less and forgets nothing.
    """

    method: TraceMethod
    name: str
    needed = 0.0
    """Cost before there can be a value, as far as it is known."""

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
        return self.error is not None or self._reached or (self._stream is None and not self._open())

    def step(self) -> None:
        """Do one bounded piece of work; what the estimator raises is kept as its error."""
        try:
            if self._stream is None and not self._open():
                return
            self._advance()
        except LandscapeError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - one method's failure must not end the others
            self.error = LandscapeError(f"{type(error).__name__}: {error}", "look at the model and the loss")

    def result(self) -> TraceEstimate | None:
        """The estimate within the budget, None before there is one."""
        if self._found is None:
            return None
        return within(shifted(self._found, self._extra), self.budget, self.done)

    def details(self) -> str:
        """What else is to be said of it, in a few words."""
        return ""

    @property
    def _reached(self) -> bool:
        return False

    def _open(self) -> bool:
        """Open the stream that goes on; False where there is none to open."""
        following = self._next()
        if following is None:
            return False
        computation, state = following
        self._stream = computation.stream(resume=state)
        return True

    def _next(self) -> tuple[Computation[TraceEstimate, S], S | None] | None:
        raise NotImplementedError

    def _advance(self) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            self._found = next(stream)
        except StopIteration:
            self._ended(stream)

    def _ended(self, stream: Stream[TraceEstimate, S]) -> None:
        self._stream = None


class ProbedRun(Run[S]):
    """An estimator whose longer run begins as a shorter one does: Hutchinson's and XTrace."""

    def __init__(
        self, method: TraceMethod, name: str, make: Callable[[int], Computation[TraceEstimate, S]], most: int
    ) -> None:
        super().__init__()
        self.method, self.name = method, name
        self._make, self._most = make, most
        self._state: S | None = None
        self._aimed = 0
        self._over = False

    @property
    def products(self) -> int:
        """Products that the estimator may take within the budget."""
        return min(int(self.budget // PRODUCT_COST) - self._extra, self._most)

    def aim(self, budget: float) -> None:
        """Go for this budget, keeping all that is known."""
        super().aim(budget)
        if self._stream is not None and self.products > self._aimed:
            self._state = self._stream.checkpoint()
            self._stream.close()
            self._stream = None

    @property
    def _reached(self) -> bool:
        return self._found is not None and (self._over or self._found.products >= self.products) and self._entered

    @property
    def _entered(self) -> bool:
        """Whether the last product begun is in the estimate: of a longer run the next one may be under way."""
        found = self._found
        if found is None or found.outcome is not Outcome.RUNNING:
            return True
        costs = found.cost_history
        return len(costs) > 0 and costs[-1] >= PRODUCT_COST * self.products

    def _next(self) -> tuple[Computation[TraceEstimate, S], S | None] | None:
        if self._over or self.products <= self._aimed:
            return None
        self._aimed = self.products
        return self._make(self.products), self._state

    def _ended(self, stream: Stream[TraceEstimate, S]) -> None:
        super()._ended(stream)
        self._state = stream.checkpoint()
        outcome = self._found.outcome if self._found is not None else Outcome.COMPLETE
        self._over = outcome is not Outcome.COMPLETE

    def details(self) -> str:
        """Whether it stops before the budget."""
        return "" if self.products < self._most else f"stops at {self._most:,} products, to save memory and time"


def hutchinson_run(operator: SymmetricOperator, seed: int, method: TraceMethod) -> ProbedRun[TraceState]:
    """Hutchinson's estimator with Gaussian or Rademacher probes."""

    def make(products: int) -> HutchinsonTrace:
        return HutchinsonTrace(operator, max(2, products), seed, method, confidence=CONFIDENCE)

    name = "Hutchinson, Gaussian" if method == "gaussian" else "Hutchinson, Rademacher"
    return ProbedRun(method, name, make, 10**9)


def crossed_run(operator: SymmetricOperator, seed: int) -> ProbedRun[Any]:
    """XTrace."""
    most = 2 * max(2, most_vectors(operator, 2))
    return ProbedRun("xtrace", "XTrace", lambda products: XTrace(operator, max(4, products // 2 * 2), seed), most)


class DeflatedRun(ProbedRun[TraceState]):
    """Hutchinson's estimator beside known eigenpairs: the given ones, or those that Lanczos finds first."""

    def __init__(self, operator: SymmetricOperator, seed: int, known: KnownPairs) -> None:
        super().__init__("deflated", "Hutchinson, deflated", self._probed, 10**9)
        self._operator, self._seed, self._known = operator, seed, known
        self._extra = known.products

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do within the budget."""
        if self.error is not None or self._known.pairs is not None:
            return super().done
        return PRODUCT_COST * self._known.products >= self.budget

    @property
    def products(self) -> int:
        """Products of the probes and of the deflated vectors; 0 where they are too few for two probes."""
        rest = super().products
        return rest if rest >= self._deflated + 2 else 0

    @property
    def needed(self) -> float:  # type: ignore[override]
        """Cost before there can be a value."""
        return PRODUCT_COST * (self._known.products + self._deflated + 2)

    @property
    def _deflated(self) -> int:
        return 0 if self._known.pairs is None else len(self._known.pairs.values)

    def step(self) -> None:
        """A product of Lanczos while the pairs are not there, then as the others."""
        if self._known.pairs is None:
            try:
                self._known.step()
            except LandscapeError as error:
                self.error = error
            self._extra = self._known.products
        else:
            super().step()

    def details(self) -> str:
        """Which pairs, and what they cost."""
        return self._known.words

    def _probed(self, products: int) -> HutchinsonTrace:
        pairs = self._known.pairs
        return HutchinsonTrace(
            self._operator, products - self._deflated, self._seed, deflate=pairs, confidence=CONFIDENCE
        )


class KnownPairs:
    """Eigenpairs to deflate, whatever the seed of the probes: given, or found by Lanczos when first needed."""

    def __init__(self, operator: SymmetricOperator, given: Eigenpairs | None = None) -> None:
        self._operator, self.pairs, self._given = operator, given, given is not None
        self.products = 0
        self._stream: Stream[Eigenpairs, Any] | None = None

    def step(self) -> None:
        """One batch of one product."""
        if self._stream is None:
            largest = min(DEFLATED, self._operator.size)
            self._stream = Lanczos(
                self._operator, largest, 0, LANCZOS_TOLERANCE, max_products=max(LANCZOS_PRODUCTS, largest + 1)
            ).stream()
        try:
            latest = next(self._stream)
        except StopIteration:
            self._settle(self._stream.latest)
            return
        self.products = latest.products

    def _settle(self, found: Eigenpairs | None) -> None:
        if found is None or not found.vectors.shape[1] or found.outcome is Outcome.NOT_FINITE:
            outcome = Outcome.NOT_FINITE if found is None else found.outcome
            raise LandscapeError(f"Lanczos gave no eigenpairs to deflate ({outcome})", outcome.advice)
        self.pairs = found

    @property
    def words(self) -> str:
        """Which pairs, and what they cost."""
        if self.pairs is None:
            return f"looks for the {DEFLATED} largest eigenvalues, {self.products} products of Lanczos so far"
        count = len(self.pairs.values)
        if self._given:
            return f"{count} given eigenpairs, at no cost here"
        return f"{count} largest eigenvalues, {self.products} products of Lanczos counted"


class SketchedRun(Run[TraceState]):
    """Hutch++, whose sketch grows with the budget: a longer run takes over the sketch, not the probes beside it."""

    method: TraceMethod = "hutch++"
    name = "Hutch++"

    def __init__(self, operator: SymmetricOperator, seed: int) -> None:
        super().__init__()
        self._operator, self._seed = operator, seed
        self._known: dict[int, TraceEstimate] = {}
        self._richest: Sketch | None = None
        self._now: HutchPlusPlusTrace | None = None

    def aim(self, budget: float) -> None:
        """Go for this budget, keeping the sketch."""
        super().aim(budget)
        if self._now is not None and self._now.products == self._products:
            return
        if self._stream is not None:
            self._keep(self._stream)
            self._stream.close()
            self._stream = None
        self._now, self._extra = None, 0
        self._found = self._known.get(self._products)

    @property
    def _products(self) -> int:
        most = 3 * max(2, most_vectors(self._operator, 1))
        return max(4, min(int(self.budget // PRODUCT_COST), most))

    @property
    def _reached(self) -> bool:
        return self._products in self._known

    def _next(self) -> tuple[Computation[TraceEstimate, TraceState], TraceState | None]:
        self._now = HutchPlusPlusTrace(self._operator, self._products, self._seed, confidence=CONFIDENCE)
        if self._richest is None:
            return self._now, None
        state = self._richest.grown(self._now)
        self._extra = len(state.inside)
        return self._now, state

    def _ended(self, stream: Stream[TraceEstimate, TraceState]) -> None:
        self._keep(stream)
        self._stream = self._now = None
        if self._found is not None:
            self._found = self._known[self._products] = shifted(self._found, self._extra)
            self._extra = 0

    def _keep(self, stream: Stream[TraceEstimate, TraceState]) -> None:
        """Keep the sketch, where it is the largest so far."""
        if self._now is not None:
            sketch = Sketch.of(stream.checkpoint(), self._now.sketched)
            if self._richest is None or sketch.size > self._richest.size:
                self._richest = sketch


@dataclasses.dataclass(frozen=True, eq=False)
class Sketch:
    """The part of a run of Hutch++ that a run of another length begins with.

    `state` as it was; of its products the first `multiplied` made the sketch; `open` is whether one more was under way.
    """

    state: TraceState
    multiplied: int
    open: bool

    @classmethod
    def of(cls, state: TraceState, sketched: int) -> Sketch:
        """The sketch in a state of a run that sketches with so many vectors."""
        finished = state.products - (0 if state.pending is None else 1)
        return cls(state, min(finished, sketched), state.pending is not None and finished < sketched)

    @property
    def size(self) -> tuple[int, int]:
        """How much is in it."""
        return self.multiplied, len(self.state.inside)

    def grown(self, estimator: HutchPlusPlusTrace) -> TraceState:
        """The state of a new run that has multiplied what is known here; what is multiplied out it does not count."""
        state, taken = estimator.stream().checkpoint(), min(self.multiplied, estimator.sketched)
        state.vectors, state.inside = self.state.vectors[:taken], self.state.inside[:taken]
        state.products = taken
        if self.open and self.multiplied < estimator.sketched and self.state.pending is not None:
            state.pending, state.products = self.state.pending.copy(), taken + 1
        return state


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
