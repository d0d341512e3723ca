"""The trace lab: estimators of one trace side by side, at equal cost at any moment."""

from __future__ import annotations

import dataclasses
import math
import time
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

import numpy as np

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.trace import EXACT_LIMIT, HutchinsonTrace
from landscape_widgets.compute.trace_probes import PRODUCT_COST, student_interval, student_name
from landscape_widgets.errors import InputError, LandscapeError, Outcome
from landscape_widgets.protocol.codec import pack
from landscape_widgets.protocol.labs import TraceCurve, TraceMethod, TraceOffer, TraceSettings, TraceState
from landscape_widgets.protocol.limits import MAX_BUDGET, MAX_SEED, MIN_SEED
from landscape_widgets.protocol.messages import Error
from landscape_widgets.results import Eigenpairs, TraceEstimate
from landscape_widgets.session.trace_runs import CONFIDENCE, Run, crossed_run, hutchinson_run
from landscape_widgets.session.trace_runs_more import DeflatedRun, DifferenceRun, ExactRun, KnownPairs, SketchedRun
from landscape_widgets.session.trace_words import plain, sentence

METHODS: tuple[TraceMethod, ...] = typing.get_args(TraceMethod)

LEAST_BUDGET = 8
"""Gradient evaluations: four products, without which Hutch++ and XTrace give nothing."""
EXACT_AT_ONCE = 2_000
"""Largest P whose exact trace is computed without being asked for."""
MOST_POINTS = 300
"""Points of one curve on the page."""

NAMES: Mapping[TraceMethod, str] = {
    "gaussian": "Hutchinson, Gaussian",
    "rademacher": "Hutchinson, Rademacher",
    "deflated": "Hutchinson, deflated",
    "hutch++": "Hutch++",
    "xtrace": "XTrace",
    "differences": "Loss differences",
    "exact": "Unit vectors",
}
_NOTES: Mapping[TraceMethod, str] = {
    "gaussian": "mean of vᵀHv, normal probes",
    "rademacher": "mean of vᵀHv, probes of ±1",
    "deflated": "known eigenpairs taken out first",
    "hutch++": "a sketch of the range, probes beside it",
    "xtrace": "every vector both sketches and probes",
    "differences": "from loss values alone, no derivative",
    "exact": "the exact value",
}


class TraceListener(Protocol):
    """What the widget around a trace lab does; on the scheduler's thread."""

    def begun(self, settings: TraceSettings) -> None:
        """A run with these settings begins."""

    def traced(self, now: TraceNow, finished: bool) -> None:
        """The estimates have moved, or the run has ended with these."""

    def failed(self, error: Error) -> None:
        """A request has failed."""


@dataclasses.dataclass(frozen=True, eq=False)
class TraceNow:
    """Where a run stands, in the widget's own words; a method that raised has an error, and perhaps no result."""

    results: Mapping[str, TraceEstimate]
    failures: Mapping[str, LandscapeError]
    exact: float | None
    sentence: str
    status: str
    progress: float


@dataclasses.dataclass(frozen=True)
class Spent:
    """Gradient evaluations of a run: spent by all, planned, spent by the one that has spent least; seconds left."""

    done: float
    planned: float
    least: float
    seconds_left: float | None


class Traces:
    """A `Lab` of trace estimators; everything runs on the scheduler's thread.

    At every step the estimator that has spent least goes on, so that they are compared at equal cost at any moment;
    those of the newest seed are kept, with all they know.

    Parameters
    ----------
    operator : whose trace.
    objective : for loss differences; None where there is only a matrix.
    listener : the widget.
    caption : of the model or the matrix.
    pairs : eigenpairs to deflate; None has Lanczos find the largest ones, at a cost that is counted.
    """

    purpose: Literal["trace"] = "trace"

    def __init__(
        self,
        operator: SymmetricOperator,
        objective: Objective | None,
        listener: TraceListener,
        caption: str = "",
        pairs: Eigenpairs | None = None,
    ) -> None:
        if pairs is not None:
            HutchinsonTrace(operator, 2, deflate=pairs)  # refuses pairs of another size
        self.operator, self.objective, self._listener, self._caption = operator, objective, listener, caption
        self._pairs = KnownPairs(operator, pairs)
        self._runs: dict[tuple[TraceMethod, int], Run[Any]] = {}
        self._began = (0.0, 0.0)

    # ------------------------------------------------------------ what may be asked

    @property
    def offered(self) -> tuple[TraceOffer, ...]:
        """Every estimator, and whether it can be had here."""
        return tuple(self._offer(method) for method in METHODS)

    @property
    def usual(self) -> tuple[TraceMethod, ...]:
        """What is estimated where nothing else is asked for."""
        small = self.operator.size <= EXACT_AT_ONCE
        return tuple(offer.method for offer in self.offered if offer.available and (offer.method != "exact" or small))

    def _offer(self, method: TraceMethod) -> TraceOffer:
        note, available = _NOTES[method], True
        if method == "differences" and self.objective is None:
            note, available = "needs an objective, not a matrix alone", False
        elif method == "deflated":
            note = self._pairs.words if self._pairs.pairs is not None else note
        elif method == "exact":
            size = self.operator.size
            note = f"{size:,} products = {PRODUCT_COST * size:,.0f} gradient evaluations"
            available = size <= EXACT_LIMIT
            note = note if available else f"{note}: too many"
        return TraceOffer(method, NAMES[method], note, available)

    def check(self, settings: TraceSettings) -> None:
        """Raise `InputError` for settings that cannot be."""
        check_budget(settings.budget)
        check_seed(settings.seed)
        check_methods(settings.methods)
        for offer in self.offered:
            if offer.method in settings.methods and not offer.available:
                raise InputError(
                    f'expected methods that can be had here, got "{offer.method}": {offer.note}', "leave it out"
                )

    # ------------------------------------------------------------ the run

    def steps(self, settings: TraceSettings) -> Iterator[TraceSettings]:
        """Step the estimator that has spent least, until each has spent its budget."""
        runs = self._aimed(settings)
        self._began = (time.monotonic(), sum(run.cost for run in runs))
        yield settings
        while True:
            waiting = [run for run in runs if not run.done]
            if not waiting:
                break
            min(waiting, key=lambda run: run.cost).step()
            yield settings
        errors = [run.error for run in runs if run.error is not None]
        if len(errors) == len(runs):
            raise errors[0]

    def _aimed(self, settings: TraceSettings) -> list[Run[Any]]:
        """The runs of these settings, aimed at their budget; those of another seed are forgotten."""
        self._runs = {key: run for key, run in self._runs.items() if key == _key(key[0], settings.seed)}
        for method in settings.methods:
            key = _key(method, settings.seed)
            failed = key in self._runs and self._runs[key].error is not None
            if key not in self._runs or failed:
                self._runs[key] = self._run(method, settings.seed)
        for run in self._runs.values():
            run.aim(settings.budget)
        return self._chosen(settings)

    def _chosen(self, settings: TraceSettings) -> list[Run[Any]]:
        keys = [_key(method, settings.seed) for method in METHODS if method in settings.methods]
        return [self._runs[key] for key in keys if key in self._runs]

    def _run(self, method: TraceMethod, seed: int) -> Run[Any]:
        if method == "deflated":
            return DeflatedRun(self.operator, seed, self._pairs)
        if method == "hutch++":
            return SketchedRun(self.operator, seed)
        if method == "xtrace":
            return crossed_run(self.operator, seed)
        if method == "exact":
            return ExactRun(self.operator, EXACT_LIMIT)
        if method == "differences" and self.objective is not None:
            return DifferenceRun(self.objective, seed)
        return hutchinson_run(self.operator, seed, method)

    # ------------------------------------------------------------ what is told

    def now(self, settings: TraceSettings, finished: bool) -> TraceNow:
        """The estimates as they stand, by method; those that a stop has left behind are called cancelled."""
        runs = self._chosen(settings)
        found: dict[str, TraceEstimate] = {run.method: result for run in runs if (result := run.result()) is not None}
        if finished:
            found = {method: _stopped(result) for method, result in found.items()}
        spent, exact = self._spent(runs), self._exact()
        status = f"{len([run for run in runs if run.done])} of {len(runs)} methods done"
        if spent.planned > spent.done:
            status = f"{spent.least:,.0f} of {settings.budget:,} gradient evaluations each"
        progress = 1.0 if spent.planned <= 0 else min(1.0, spent.done / spent.planned)
        failures: dict[str, LandscapeError] = {run.method: run.error for run in runs if run.error is not None}
        return TraceNow(found, failures, exact, self._sentence(settings, spent), status, progress)

    def message(self, state: TraceSettings, id: str, run: int, seq: int) -> tuple[TraceState, list[memoryview]]:
        """The newest estimates of these settings."""
        runs = self._chosen(state)
        results = [(run, run.result()) for run in runs]
        arrays: dict[str, np.ndarray] = {}
        for estimator, found in results:
            if found is not None:
                arrays.update({f"{estimator.method}-{name}": row for name, row in thinned(found).items()})
        headers, buffers = pack(arrays)
        spent = self._spent(runs)
        message = TraceState(
            id=id,
            run=run,
            seq=seq,
            settings=state,
            offered=self.offered,
            exact=self._exact(),
            size=self.operator.size,
            sentence=self._sentence(state, spent),
            caption=self._caption,
            done=round(spent.done),
            total=max(round(spent.planned), 1),
            seconds_left=spent.seconds_left,
            curves=tuple(_curve(estimator, found) for estimator, found in results),
            arrays=headers,
        )
        return message, buffers

    def on_begin(self, settings: TraceSettings) -> None:
        """A run begins."""
        self._listener.begun(settings)

    def on_state(self, state: TraceSettings, finished: bool) -> None:
        """The estimates have moved."""
        self._listener.traced(self.now(state, finished), finished)

    def on_error(self, error: Error) -> None:
        """A request has failed."""
        self._listener.failed(error)

    def _exact(self) -> float | None:
        run = self._runs.get(_key("exact", 0))
        found = None if run is None else run.result()
        return found.value if found is not None and found.interval_kind == "exact" else None

    def _spent(self, runs: list[Run[Any]]) -> Spent:
        done, planned = sum(run.cost for run in runs), sum(run.planned for run in runs)
        least = min((run.cost for run in runs if not run.done and run.method != "exact"), default=0.0)
        began, before = self._began
        rate = (done - before) / max(time.monotonic() - began, 1e-9)
        return Spent(done, planned, least, (planned - done) / rate if rate > 0 else None)

    def _sentence(self, settings: TraceSettings, spent: Spent) -> str:
        runs = [run for run in self._chosen(settings) if run.method != "exact"]
        found: dict[str, Any] = {run.method: (run.name, result) for run in runs if (result := run.result()) is not None}
        running = any(not run.done for run in runs)
        if not runs:
            exact = self._exact()
            return "" if exact is None else f"The exact trace is {plain(exact, 5)}."
        return sentence(found, self._exact(), settings.budget, spent.least, running)


def _key(method: TraceMethod, seed: int) -> tuple[TraceMethod, int]:
    """Under which a run is kept: the exact value knows no seed."""
    return method, 0 if method == "exact" else seed


def _stopped(found: TraceEstimate) -> TraceEstimate:
    running = found.outcome is Outcome.RUNNING
    return dataclasses.replace(found, outcome=Outcome.CANCELLED) if running else found


def _curve(run: Run[Any], found: TraceEstimate | None) -> TraceCurve:
    nan = math.nan
    low, high = (nan, nan) if found is None else found.interval
    outcome, advice, caution = _outcome(run, found)
    return TraceCurve(
        method=run.method,
        name=run.name,
        value=nan if found is None else found.value,
        error=nan if found is None else found.standard_error,
        lower=low,
        upper=high,
        interval_kind="" if found is None else found.interval_kind,
        cost=run.cost if found is None else found.cost,
        probes=0 if found is None else found.probes,
        products=round(run.cost / PRODUCT_COST) if found is None else found.products,
        evaluations=0 if found is None else found.evaluations,
        outcome=outcome,
        advice=advice,
        caution=caution,
        details=run.details(),
    )


def _outcome(run: Run[Any], found: TraceEstimate | None) -> tuple[str, str, str]:
    """Outcome, advice and caution of one method."""
    if run.error is not None:
        return "failed", run.error.advice, run.error.message
    if found is None:
        if not run.done:
            return "running", "", ""
        need = f"It needs at least {math.ceil(run.needed):,} gradient evaluations." if run.needed > run.budget else ""
        return "budget spent", need or "Raise the budget.", ""
    outcome = found.outcome
    return str(outcome), "" if outcome is Outcome.RUNNING else outcome.advice, found.caution


def thinned(found: TraceEstimate) -> dict[str, np.ndarray]:
    """The history of an estimate, with half the width of the interval and the probes, at no more than can be drawn."""
    count = len(found.cost_history)
    chosen = np.arange(count)
    if count > MOST_POINTS:
        even = np.linspace(0, count - 1, MOST_POINTS // 2)
        dense_first = np.geomspace(1, count, MOST_POINTS // 2) - 1
        chosen = np.unique(np.round(np.concatenate([even, dense_first])).astype(int))
    error, half = found.error_history[chosen], found.error_history[chosen]
    if found.interval_kind == student_name(CONFIDENCE):
        ends = [student_interval(0.0, one, int(at) + 1, CONFIDENCE)[1] for at, one in zip(chosen, error, strict=True)]
        half = np.array(ends, dtype=float)
    return {
        "cost": found.cost_history[chosen],
        "value": found.value_history[chosen],
        "error": error,
        "half": half,
        "probes": (chosen + 1).astype(float),
    }


# ---------------------------------------------------------------- what users pass


def operator_of(model: Any, make: Any) -> tuple[SymmetricOperator, Objective | None]:
    """The operator whose trace is asked for, and the objective behind it: of an operator as it is, or of a model."""
    if isinstance(model, SymmetricOperator):
        return model, None
    objective: Objective = make()
    return HessianOperator(objective), objective


def check_budget(budget: Any) -> int:
    """A budget that can be; raises `InputError`."""
    whole = isinstance(budget, (int, np.integer)) and not isinstance(budget, bool)
    if not whole or not LEAST_BUDGET <= budget <= MAX_BUDGET:
        raise InputError(
            f"expected a budget of {LEAST_BUDGET} to {MAX_BUDGET:,} gradient evaluations, got {budget!r}",
            "200 is a good start: 100 Hessian-vector products",
        )
    return int(budget)


def check_seed(seed: Any) -> int:
    """A seed that can be; raises `InputError`."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not MIN_SEED <= seed <= MAX_SEED:
        raise InputError(f"expected a seed from {MIN_SEED} to {MAX_SEED}, got {seed!r}", "use for example 0")
    return int(seed)


def check_methods(methods: Any) -> tuple[TraceMethod, ...]:
    """Known methods, each once and in the order of `METHODS`; raises `InputError`."""
    given = (methods,) if isinstance(methods, str) else tuple(methods) if hasattr(methods, "__iter__") else (methods,)
    unknown = [method for method in given if method not in METHODS]
    if unknown or not given:
        raise InputError(
            f"expected at least one of {', '.join(METHODS)}, got {', '.join(map(repr, given)) or 'none'}",
            'pass for example methods=("gaussian", "hutch++", "xtrace")',
        )
    return tuple(method for method in METHODS if method in given)
