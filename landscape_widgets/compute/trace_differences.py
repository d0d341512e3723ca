"""The trace of the Hessian from loss values alone: second differences along random directions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from typing import Any

import torch

from landscape_widgets.compute.evaluate import PartialPoint, PointEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import array_of
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.trace_kinks import kinks_of
from landscape_widgets.compute.trace_probes import (
    EVALUATION_COST,
    Book,
    Moments,
    TraceState,
    check_count,
    check_options,
    first_result,
    probe,
    reported,
    resumed,
    student_interval,
    student_name,
)
from landscape_widgets.compute.trace_step import NOISE_POINTS, StepChoice, choose_step, noise_of
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import UNITS, Direction, TraceEstimate

TOLERATED = 0.5
"""Share of the standard error above which the errors of the differences are worth a word."""
RELATIVE = 1e-8
"""Share of the value below which they are not, whatever the sampling says."""


@dataclasses.dataclass
class DifferenceState(TraceState):
    """What `LossDifferenceTrace` knows: the loss of every point (probe, h) so far, and the point under way.

    Everything else follows from them, so a resumed run walks through the losses it finds here at no cost.
    """

    losses: dict[tuple[int, float], float] = dataclasses.field(default_factory=dict)
    partial: PartialPoint = dataclasses.field(default_factory=PartialPoint)
    kinks: tuple[str, ...] | None = None
    looked: bool = False


class LossDifferenceTrace(Computation[TraceEstimate, DifferenceState]):
    """The mean of ηᵀHη over random η from loss values alone, no derivative taken.

    ηᵀHη ≈ (L(θ + hη) - 2L(θ) + L(θ - hη)) / h², η ~ N(0, I): a displacement of about h√P. The expansion leaves out
    (h²/4) Σ_ij ∂²_i∂²_j L on average and rounding adds about 4ε|L|/h², so without `step` steps h and 2h are compared
    on the first two probes, against the rounding measured along the first, until the sum of both is least. Their
    estimates stand in the result: the interval speaks of the sampling only.

    **Across kinks this is not the trace of the Hessian.** Where the slope jumps (ReLU, max pooling, absolute values)
    second differences also see the jumps, which the Hessian, zero there, does not. The graph of one forward pass and
    the comparison of steps tell; `caution` in the result says so.

    Cost: two loss evaluations a probe, and about 8 to 40 for the step.

    Parameters
    ----------
    objective : the loss, around its centre.
    probes : how many, at least 2.
    seed : of η; the same probes as `HutchinsonTrace` with this seed.
    step : h; None chooses.
    confidence : of the Student t interval.

    Returns
    -------
    TraceEstimate with `step`, `truncation`, `rounding` and `caution`.

    Raises
    ------
    InputError : fewer than 2 probes, a step that is not positive.

    Source: L. Böttcher and G. Wheeler, "Visualizing high-dimensional loss landscapes with Hessian directions" (2024),
    for the estimator.

    >>> from landscape_widgets.zoo import toy_saddle
    >>> objective = Objective(*toy_saddle(n=20, positive=30))
    >>> found = LossDifferenceTrace(objective, probes=50).run()
    >>> found.interval[0] < 20 < found.interval[1], found.products, found.caution
    (True, 0, '')
    """

    def __init__(
        self,
        objective: Objective,
        probes: int = 100,
        seed: int = 0,
        step: float | None = None,
        confidence: float = 0.95,
    ) -> None:
        if not isinstance(objective, Objective):
            raise InputError(
                f"expected an Objective, got {type(objective).__name__}",
                "pass lw.Objective(model, loss, data); operators have HutchinsonTrace",
            )
        check_options("gaussian", confidence)
        self.probes = check_count(probes, 2, "probes", "an interval needs two values; 100 is a good start")
        if step is not None and not (isinstance(step, (int, float)) and 0 < step < math.inf):
            raise InputError(f"expected step as a positive finite number, got {step!r}", "leave it out to choose it")
        self.objective, self.seed, self.step, self.confidence = objective, seed, step, confidence
        self._eps = torch.finfo(objective.dtype).eps
        self._length = float(objective.center.cpu().double().norm()) or 1.0

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        return {
            "computation": "LossDifferenceTrace",
            "probes": self.probes,
            "step": self.step,
            "confidence": self.confidence,
            "objective": self.objective.question,
        }

    def stream(self, resume: DifferenceState | None = None) -> Stream[TraceEstimate, DifferenceState]:
        """Yield the mean so far after every batch of every loss evaluation; NaN while the step is chosen.

        `stream(resume=...)` goes on from a checkpoint, also of a run of fewer probes.
        """
        key = ("loss differences", self.objective.size, self.seed, self.step)
        state = DifferenceState(key) if resume is None else resumed(resume, key)
        state.latest = None  # made anew from the losses
        return Stream(self._steps(state), state.copy)

    def _steps(self, state: DifferenceState) -> Generator[TraceEstimate, None, None]:
        name, total = student_name(self.confidence), 2 * self.probes
        book = Book(state, first_result("loss differences", name, self.seed, total, self.question))
        walk = _Walk(self.objective, self.seed, state, book)
        if not state.looked:
            state.kinks, state.looked = kinks_of(self.objective), True
            yield book.update(**walk.counts)
        centre = yield from walk.loss(0, 0.0)
        if not math.isfinite(centre):
            yield book.not_finite("The loss at the centre", **walk.counts)
            return
        choice = yield from self._choose(walk)
        best, caution = choice.best, " ".join(_cautions(state.kinks, choice))
        book.update(step=best.step, truncation=best.truncation, rounding=best.rounding, caution=caution)
        book.update(total=walk.counts["evaluations"] + 2 * self.probes)
        moments = Moments()
        for index in range(self.probes):
            number, _ = yield from walk.second(index, best.step)
            if not math.isfinite(number):
                yield book.not_finite(f"The loss along probe {index + 1}", probes=index + 1, **walk.counts)
                return
            moments.add(number)
            value, error = moments.mean, moments.standard_error
            interval = student_interval(value, error, moments.count, self.confidence)
            partial = book.enter(value, error, interval=interval, probes=moments.count, **walk.counts)
            if walk.fresh:
                yield partial
        yield self._finished(book)

    def _choose(self, walk: _Walk) -> Generator[TraceEstimate, None, StepChoice]:
        """Measure the rounding of the loss, then compare steps; of a given step, only its errors."""
        root = math.sqrt(self.objective.size)
        spacing = self._length * math.sqrt(self._eps) / root
        losses = []
        for place in range(-NOISE_POINTS, NOISE_POINTS + 1):
            losses.append((yield from walk.loss(0, place * spacing)))
        noise = noise_of(losses)
        if self.step is not None:
            start, bounds = float(self.step), (float(self.step), float(self.step))
        else:
            start, bounds = self._length * self._eps**0.25 / root, (spacing, self._length / root)
        return (yield from choose_step(walk.second, noise if math.isfinite(noise) else 0.0, self._eps, start, bounds))

    def _finished(self, book: Book) -> TraceEstimate:
        """The last result, with a word where the differences err by more than the sampling."""
        last = book.latest
        wrong, caution = last.truncation + last.rounding, last.caution
        if not wrong <= TOLERATED * last.standard_error and wrong > RELATIVE * abs(last.value):
            words = (
                f"The second differences err by about {wrong:.2g} (truncation {last.truncation:.2g}, rounding "
                f"{last.rounding:.2g}), against a standard error of {last.standard_error:.2g} by sampling."
            )
            if self.objective.dtype != torch.float64:
                words += " In float64 rounding is less and the best step smaller: Objective(..., dtype=torch.float64)."
            elif self.step is not None:
                words += " Leave out step, to have it chosen."
            caution = f"{caution} {words}".strip()
        return book.update(outcome=Outcome.COMPLETE, caution=caution, done=last.done, total=last.done)


class _Walk:
    """The loss at points θ + hη of one run, each evaluated once; `fresh` is whether the last one was new."""

    def __init__(self, objective: Objective, seed: int, state: DifferenceState, book: Book) -> None:
        self.objective, self.seed, self.state, self.book = objective, seed, state, book
        self.fresh = True
        self._used: set[tuple[int, float]] = set()
        self._evaluator: tuple[int, PointEvaluator] | None = None

    @property
    def counts(self) -> dict[str, Any]:
        """Loss evaluations used so far, the look for kinks counted as one, and their cost."""
        evaluations = len(self._used) + self.state.looked
        return {"evaluations": evaluations, "done": evaluations, "cost": EVALUATION_COST * evaluations}

    def loss(self, index: int, step: float) -> Generator[TraceEstimate, None, float]:
        """The loss at θ + hη for probe `index`, yielding after every batch; all probes share the centre."""
        place = (index, step) if step else (0, 0.0)
        losses = self.state.losses
        self.fresh = place not in losses
        if self.fresh:
            values = yield from reported(self._along(place[0]).steps((step,), self.state.partial), self.book)
            self.state.partial = PartialPoint()
            losses[place] = float(values["loss"])
            self._used.add(place)
            yield self.book.update(**self.counts)
        self._used.add(place)
        return losses[place]

    def second(self, index: int, step: float) -> Generator[TraceEstimate, None, tuple[float, float]]:
        """The second difference along probe `index`, and the largest |L| in it."""
        centre = yield from self.loss(index, 0.0)
        above = yield from self.loss(index, step)
        fresh = self.fresh
        below = yield from self.loss(index, -step)
        self.fresh = self.fresh or fresh
        return ((above - centre) + (below - centre)) / step**2, max(abs(above), abs(centre), abs(below))

    def _along(self, index: int) -> PointEvaluator:
        if self._evaluator is None or self._evaluator[0] != index:
            vector = array_of(probe(self.objective.size, self.seed, index))
            direction = Direction(vector, f"probe {index + 1}", "raw", UNITS["raw"], self.seed)
            self._evaluator = (index, PointEvaluator(self.objective, [direction]))
        return self._evaluator[1]


def _cautions(kinks: tuple[str, ...] | None, choice: StepChoice) -> list[str]:
    """What is to be said about the loss and the step, in sentences."""
    words = []
    if kinks:
        words.append(
            f"The loss has kinks ({', '.join(kinks)}): second differences across them are not the trace of the "
            "Hessian, which the interval then need not hold; use HutchinsonTrace on the HessianOperator."
        )
    elif not choice.smooth:
        words.append(
            "Second differences at two steps differ hardly less at the smaller one, as they do across kinks (a ReLU "
            "in a function of your own, a rounding): they may not be the trace of the Hessian."
        )
    if kinks is None:
        words.append("torch cannot follow the loss back to the parameters, so kinks could not be looked for.")
    return words
