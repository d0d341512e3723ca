"""Trace estimators whose longer run is more than a shorter one with further probes."""

from __future__ import annotations

import dataclasses
from typing import Any

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.trace import ExactTrace, HutchinsonTrace
from landscape_widgets.compute.trace_differences import DifferenceState, LossDifferenceTrace
from landscape_widgets.compute.trace_low_rank import HutchPlusPlusTrace
from landscape_widgets.compute.trace_probes import EVALUATION_COST, PRODUCT_COST, TraceState
from landscape_widgets.errors import LandscapeError, Outcome
from landscape_widgets.protocol.labs import TraceMethod
from landscape_widgets.results import Eigenpairs, TraceEstimate
from landscape_widgets.session.trace_runs import CONFIDENCE, ProbedRun, Run, most_vectors, shifted

DEFLATED = 5
"""Largest eigenvalues that are deflated where no pairs are given."""
LANCZOS_PRODUCTS = 60
LANCZOS_TOLERANCE = 1e-2
"""Products that may be spent on them, and how well they are to be known: a poor one costs accuracy, not truth."""


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


class DeflatedRun(ProbedRun[TraceState]):
    """Hutchinson's estimator beside known eigenpairs: the given ones, or those that Lanczos finds first."""

    def __init__(self, operator: SymmetricOperator, seed: int, known: KnownPairs) -> None:
        super().__init__("deflated", "Hutchinson, deflated", self._probed)
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
    def needed(self) -> float:
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

    def details(self) -> str:
        """When values come, while it only sketches."""
        sketching = self._found is None or not len(self._found.cost_history)
        return f"sketches first: values from a cost of {self.needed:,.0f} on" if sketching and not self.done else ""

    @property
    def _products(self) -> int:
        most = 3 * max(2, most_vectors(self._operator, 1))
        return max(4, min(int(self.budget // PRODUCT_COST), most))

    @property
    def needed(self) -> float:
        """Cost of the sketch, its products multiplied out, and two probes."""
        return PRODUCT_COST * (2 * min(self._products // 3, self._operator.size) + 2)

    @property
    def _reached(self) -> bool:
        return self._products in self._known

    @property
    def _more(self) -> bool:
        return True

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

    `state` as it was; of its products the first `multiplied` made the sketch; `open` of more were under way.
    """

    state: TraceState
    multiplied: int
    open: int

    @classmethod
    def of(cls, state: TraceState, sketched: int) -> Sketch:
        """The sketch in a state of a run that sketches with so many vectors."""
        return cls(state, min(state.finished, sketched), state.together if state.finished < sketched else 0)

    @property
    def size(self) -> tuple[int, int]:
        """How much is in it."""
        return self.multiplied, len(self.state.inside)

    def grown(self, estimator: HutchPlusPlusTrace) -> TraceState:
        """The state of a new run that has multiplied what is known here; what is multiplied out it does not count."""
        state, taken = estimator.stream().checkpoint(), min(self.multiplied, estimator.sketched)
        state.vectors, state.inside = self.state.vectors[:taken], self.state.inside[:taken]
        state.products = taken
        if self.open and self.multiplied + self.open <= estimator.sketched and self.state.pending is not None:
            state.pending, state.together = self.state.pending.copy(), self.open
            state.products = taken + self.open
        return state


class DifferenceRun(Run[DifferenceState]):
    """Loss differences: two probes first, which tells what choosing the step has cost, then as many as can be had."""

    method: TraceMethod = "differences"
    name = "Loss differences"

    def __init__(self, objective: Objective, seed: int) -> None:
        super().__init__()
        self._objective, self._seed = objective, seed
        self._state: DifferenceState | None = None
        self._aimed = 0
        self._base: int | None = None  # evaluations of two probes
        self._over = False

    @property
    def probes(self) -> int:
        """How many probes the budget holds; two until it is known what they cost."""
        if self._base is None:
            return 2
        return 2 + max(0, int(self.budget / EVALUATION_COST + 1e-9) - self._base) // 2

    @property
    def needed(self) -> float:
        """Cost of choosing the step and two probes, once known."""
        return 0.0 if self._base is None else EVALUATION_COST * self._base

    def aim(self, budget: float) -> None:
        """Go for this budget, keeping every loss."""
        super().aim(budget)
        if self._stream is not None and self._base is not None and self.probes > self._aimed:
            self._state = self._stream.checkpoint()
            self._stream.close()
            self._stream = None

    def details(self) -> str:
        """The step and its errors."""
        found = self._found
        if found is None or found.step != found.step:
            return "compares steps" if found is not None else ""
        return f"step {found.step:.2g}: truncation {found.truncation:.1g}, rounding {found.rounding:.1g}"

    @property
    def _reached(self) -> bool:
        known = 0 if self._found is None else len(self._found.cost_history)
        there = self._base is not None and known >= self.probes
        return self._over or (there and (self._stream is None or self._aimed > self.probes))

    @property
    def _more(self) -> bool:
        return self.probes > self._aimed

    def _next(self) -> tuple[Computation[TraceEstimate, DifferenceState], DifferenceState | None]:
        self._aimed = self.probes
        estimator = LossDifferenceTrace(self._objective, self.probes, self._seed, confidence=CONFIDENCE)
        return estimator, self._state

    def _ended(self, stream: Stream[TraceEstimate, DifferenceState]) -> None:
        super()._ended(stream)
        self._state = stream.checkpoint()
        if self._found is None or self._found.outcome is not Outcome.COMPLETE:
            self._over = True
        elif self._base is None:
            self._base = self._found.evaluations


class ExactRun(Run[TraceState]):
    """All unit vectors, whatever the budget: what the others are measured against."""

    method: TraceMethod = "exact"
    name = "Unit vectors"

    def __init__(self, operator: SymmetricOperator, limit: int) -> None:
        super().__init__()
        self._operator, self._limit, self._over = operator, limit, False

    @property
    def planned(self) -> float:
        """Two gradient evaluations a parameter."""
        return self.cost if self.done else PRODUCT_COST * self._operator.size

    def result(self) -> TraceEstimate | None:
        """The sum so far, scaled up; exact at the end."""
        return None if self.error is not None else self._found

    def details(self) -> str:
        """How many there are."""
        return f"all {self._operator.size:,}, beyond the budget"

    @property
    def _reached(self) -> bool:
        return self._over

    @property
    def _more(self) -> bool:
        return True

    def _next(self) -> tuple[Computation[TraceEstimate, TraceState], TraceState | None]:
        return ExactTrace(self._operator, limit=self._limit, confidence=CONFIDENCE), None

    def _ended(self, stream: Stream[TraceEstimate, TraceState]) -> None:
        super()._ended(stream)
        self._over = True
