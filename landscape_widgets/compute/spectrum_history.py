"""Extreme eigenvalues and trace of the Hessian over the checkpoints of a training run."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

import numpy as np

from landscape_widgets.compute.checkpoints import Checkpoints
from landscape_widgets.compute.krylov import KrylovState
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.algebra import deflate
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.spectrum import SpectralDensity, SpectrumState
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Eigenpairs, SpectrumEstimate, SpectrumHistory

R = TypeVar("R")
S = TypeVar("S")

WORST = (Outcome.NOT_FINITE, Outcome.BREAKDOWN, Outcome.BUDGET_SPENT)
"""Outcomes of a checkpoint that are the outcome of the whole, worst first."""


@dataclasses.dataclass
class HistoryState:
    """How far a history is: the rows so far, and the two computations at the running checkpoint."""

    asked: tuple[int, ...]
    """Numbers that must be the same to go on: size, checkpoints, pairs, probes, seed."""
    values: np.ndarray
    residuals: np.ndarray
    bounds: np.ndarray
    trace: np.ndarray
    trace_error: np.ndarray
    outcomes: list[str]
    products: int = 0
    under_way: int = 0
    """Products of the running computation, beside those of the ended ones."""
    pairs: Eigenpairs | None = None
    """Of the running checkpoint, once they are found."""
    running: Stream[Any, Any] | None = None
    resumed: KrylovState | SpectrumState | None = None
    """Where the computation at the running checkpoint goes on, in a state that was restored."""

    @property
    def index(self) -> int:
        """The running checkpoint: the first that has not ended."""
        return next((number for number, words in enumerate(self.outcomes) if not words), len(self.outcomes))

    def copy(self) -> HistoryState:
        """A copy that later steps do not change."""
        copied = copy.copy(self)
        for name in ("values", "residuals", "bounds", "trace", "trace_error", "outcomes"):
            setattr(copied, name, getattr(self, name).copy())
        if self.running is not None:
            copied.resumed = self.running.checkpoint()
        elif self.resumed is not None:
            copied.resumed = self.resumed.copy()
        copied.running = None
        return copied


class CheckpointSpectrum(Computation[SpectrumHistory, HistoryState]):
    """λ_max, λ_min and the trace of the Hessian at every checkpoint of a training run.

    At each one: the extreme eigenpairs by `Lanczos`, from the same fresh start vector every time (not from the
    last checkpoint's eigenvectors, which could hide that another one has overtaken them); then
    tr H = Σ uᵀHu over the vectors u found + the trace of the rest, sampled by P·vᵀHv: unbiased whatever the
    residuals of the pairs, and with a smaller error, since the outliers take no part in the sampling.

    Cost a checkpoint: 10 to 100 products of the eigenpairs, `trace_probes` of the trace. Memory: one checkpoint and
    the Krylov basis at a time. The model is never touched: checkpoints are read into flat vectors.

    Parameters
    ----------
    objective : whose loss and data; its center takes no part.
    checkpoints : flat vectors, modules, state dicts or safetensors paths, in order of training, at least one.
    largest, smallest : how many eigenvalues from each end.
    trace_probes : random vectors for the trace, at least 2; 0 leaves it out.
    tol, seed, max_products : as for `Lanczos`, at every checkpoint.
    verify : whether to search for missed copies of the extreme eigenvalues too, as in `Lanczos`.

    Raises
    ------
    InputError : no checkpoints, checkpoints of another architecture, or counts out of range.

    Source: J. Cohen et al., "Gradient descent on neural networks typically occurs at the edge of stability" (2021),
    for sharpness over training; A. Gambhir, A. Stathopoulos and K. Orginos, "Deflation as a method of variance
    reduction for estimating the trace of a matrix inverse" (2017), section 3, for the trace.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> objective = Objective(model, torch.nn.MSELoss(), (torch.tensor([[1.0, 2.0]]), torch.zeros(1, 1)))
    >>> history = CheckpointSpectrum(objective, [torch.zeros(2), torch.ones(2)]).run()
    >>> abs(history.values.round(4)).tolist(), history.outcomes, history.trace.round(4).tolist()
    ([[10.0, 0.0], [10.0, 0.0]], ('converged', 'converged'), [10.0, 10.0])
    """

    def __init__(
        self,
        objective: Objective,
        checkpoints: Iterable[Any],
        largest: int = 1,
        smallest: int = 1,
        trace_probes: int = 10,
        *,
        tol: float = 1e-3,
        seed: int = 0,
        max_products: int = 1000,
        verify: bool = False,
    ) -> None:
        if isinstance(trace_probes, bool) or not isinstance(trace_probes, int) or trace_probes < 0 or trace_probes == 1:
            raise InputError(
                f"expected trace_probes of at least 2, or 0 for no trace, got {trace_probes!r}",
                "10 are usual: one alone has no standard error",
            )
        self.objective, self.trace_probes, self.seed = objective, trace_probes, seed
        self.largest, self.smallest = largest, smallest
        self._options: dict[str, Any] = {"tol": tol, "seed": seed, "max_products": max_products, "verify": verify}
        self._lanczos(HessianOperator(objective))  # refuses wrong arguments now
        self.checkpoints = Checkpoints(objective, checkpoints)

    @property
    def question(self) -> dict[str, Any]:
        """What is asked, in plain values."""
        others = self.checkpoints.differing
        note = f"other buffers or frozen parameters ({', '.join(others[:3])}) in the checkpoints; the model's are used"
        return {
            "computation": "CheckpointSpectrum",
            "checkpoints": self.checkpoints.count,
            "largest": self.largest,
            "smallest": self.smallest,
            "trace_probes": self.trace_probes,
            **self._options,
            "notes": [note] if others else [],
            "objective": self.objective.question,
        }

    def stream(self, resume: HistoryState | None = None) -> Stream[SpectrumHistory, HistoryState]:
        """Yield all checkpoints so far, and the Ritz values of the running one, after every batch of every product."""
        n, k = self.checkpoints.count, self.largest + self.smallest
        asked = (self.objective.size, n, self.largest, self.smallest, self.trace_probes, self.seed)
        if resume is not None and resume.asked != asked:
            raise InputError(
                "expected a state of (size, checkpoints, largest, smallest, trace_probes, seed) = "
                f"{asked}, got {resume.asked}",
                "resume with the arguments that made it",
            )
        table, row = np.full((n, k), np.nan), np.full(n, np.nan)
        fresh = HistoryState(asked, table, table.copy(), table.copy(), row, row.copy(), [""] * n)
        state = fresh if resume is None else resume.copy()
        return Stream(self._partials(state), state.copy)

    def _partials(self, state: HistoryState) -> Generator[SpectrumHistory, None, None]:
        while state.index < self.checkpoints.count:
            theta = self.objective.vector(self.checkpoints.vector(state.index))
            operator = HessianOperator(self.objective, theta)
            if state.pairs is None:
                state.pairs = yield from self._eigenpairs(state, operator)
            if self.trace_probes and state.pairs.outcome is not Outcome.NOT_FINITE:
                yield from self._trace(state, operator, state.pairs)
            state.outcomes[state.index], state.pairs = str(state.pairs.outcome), None
            if state.index < self.checkpoints.count:
                yield self._result(state, Outcome.RUNNING)
        worst = [outcome for outcome in WORST if str(outcome) in state.outcomes]
        yield self._result(state, worst[0] if worst else Outcome.COMPLETE)

    def _eigenpairs(
        self, state: HistoryState, operator: HessianOperator
    ) -> Generator[SpectrumHistory, None, Eigenpairs]:
        """Run the eigenpairs of the running checkpoint to their end, keeping its row up to date."""
        stream = self._started(state, self._lanczos(operator))
        pairs: Eigenpairs | None = None
        for pairs in stream:
            count, state.under_way = len(pairs.values), pairs.products
            row = state.index, self._places(count, pairs.largest)
            state.values[row], state.residuals[row], state.bounds[row] = pairs.values, pairs.residuals, pairs.bounds
            if pairs.outcome is Outcome.RUNNING:
                yield self._result(state, Outcome.RUNNING)
        self._ended(state)
        assert pairs is not None
        return pairs

    def _trace(
        self, state: HistoryState, operator: HessianOperator, pairs: Eigenpairs
    ) -> Generator[SpectrumHistory, None, None]:
        """Sample the trace of what the eigenpairs leave."""
        rest = deflate(operator, pairs.vectors)
        stream = self._started(state, SpectralDensity(rest, steps=1, probes=self.trace_probes, seed=self.seed))
        found: SpectrumEstimate | None = None
        for found in stream:
            state.under_way = found.products
            value, error = found.trace
            state.trace[state.index], state.trace_error[state.index] = value + float(pairs.values.sum()), error
            if found.outcome is Outcome.RUNNING:
                yield self._result(state, Outcome.RUNNING)
        self._ended(state)
        if found is not None and not found.outcome.succeeded:
            state.pairs = dataclasses.replace(pairs, outcome=found.outcome)

    def _started(self, state: HistoryState, computation: Computation[R, S]) -> Stream[R, S]:
        """Begin a computation at the running checkpoint, or go on with the one that was restored."""
        resumed: Any = state.resumed
        stream = computation.stream(resumed)
        state.running, state.resumed = stream, None
        return stream

    def _ended(self, state: HistoryState) -> None:
        state.products, state.under_way, state.running = state.products + state.under_way, 0, None

    def _lanczos(self, operator: HessianOperator) -> Lanczos:
        return Lanczos(operator, self.largest, self.smallest, **self._options)

    def _places(self, count: int, upper: int) -> np.ndarray:
        """The columns of `count` eigenvalues of which `upper` are from the top end."""
        k = self.largest + self.smallest
        return np.concatenate([np.arange(upper), np.arange(k - count + upper, k)])

    def _result(self, state: HistoryState, outcome: Outcome) -> SpectrumHistory:
        return SpectrumHistory(
            steps=self.checkpoints.steps,
            labels=self.checkpoints.labels,
            values=state.values.copy(),
            residuals=state.residuals.copy(),
            bounds=state.bounds.copy(),
            trace=state.trace.copy(),
            trace_error=state.trace_error.copy(),
            outcomes=tuple(state.outcomes),
            largest=self.largest,
            size=self.objective.size,
            products=state.products + state.under_way,
            outcome=outcome,
            seed=self.seed,
            question=self.question,
        )
