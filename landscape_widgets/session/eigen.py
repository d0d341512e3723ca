"""The Hessian's ends of one widget: a background job, reported while it moves, kept when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.protocol.messages import Pair, Progress
from landscape_widgets.results import Eigenpairs
from landscape_widgets.session.pace import Pace
from landscape_widgets.session.scheduler import Job, JobEnd, Scheduler

MAX_PRODUCTS = 1000
"""Budget of Hessian-vector products for the eigenpairs of one widget."""

REPORT_SECONDS = 0.1
"""Least time between two reports of moving eigenpairs."""


def lanczos_of(operator: SymmetricOperator, indices: Sequence[int], tol: float, seed: int) -> Lanczos:
    """What finds these eigenpairs: 0 and up from the largest, -1 and down from the smallest."""
    largest = sum(index >= 0 for index in indices)
    return Lanczos(operator, largest, len(indices) - largest, tol=tol, seed=seed, max_products=MAX_PRODUCTS)


class EigenWork:
    """Runs Lanczos on the scheduler; its methods run on the scheduler's thread.

    Parameters
    ----------
    lanczos : what finds the pairs.
    scheduler, key : who steps it, and under which key.
    moved, ended : called with partial results, at most every `REPORT_SECONDS`, and once with the end.
    known : pairs that were computed before; then nothing is run.
    """

    def __init__(
        self,
        lanczos: Lanczos,
        scheduler: Scheduler,
        key: Hashable,
        *,
        moved: Callable[[Eigenpairs], object],
        ended: Callable[[JobEnd[Eigenpairs]], object],
        known: Eigenpairs | None = None,
    ) -> None:
        self._lanczos, self._scheduler, self._key = lanczos, scheduler, key
        self._moved, self._ended = moved, ended
        self.pairs = self.newest = known
        self.job: Job[Eigenpairs] | None = None
        self._pace = Pace(REPORT_SECONDS)

    def request(self, *, interactive: bool = False) -> None:
        """Compute the pairs, unless that is done or under way."""
        if self.job is not None:
            self.job.interactive = self.job.interactive or interactive
            return
        if self.pairs is not None and self.pairs.outcome.succeeded:
            return
        job: Job[Eigenpairs] = Job(
            self._key, self._lanczos.stream, interactive=interactive, on_step=self._step, on_end=self._end
        )
        self.job = self._scheduler.submit(job)

    def _step(self, pairs: Eigenpairs) -> None:
        before = self.newest
        if before is not None and before.products == pairs.products and not pairs.vectors.shape[1]:
            return
        self.newest = pairs
        if self._pace.due():
            self._moved(pairs)

    def _end(self, end: JobEnd[Eigenpairs]) -> None:
        self.job = None
        if end.state != "failed" and end.last is not None and end.last.vectors.shape[1]:
            self.pairs = self.newest = end.last
        self._ended(end)


def pair_progress(pairs: Eigenpairs) -> Progress:
    """How far the pairs are, as a message."""
    stage = f"{pairs.products} products"
    return Progress("eigenpairs", "eigenpairs", stage, pairs.products, None, None, pair_messages(pairs))


def pair_messages(pairs: Eigenpairs) -> tuple[Pair, ...]:
    """Eigenvalues with residuals as messages; a pair of the bottom end is counted from there."""
    rows = []
    for position, (value, residual, accepted) in enumerate(
        zip(pairs.values, pairs.residuals, pairs.accepted, strict=True)
    ):
        index = position if position < pairs.largest else position - len(pairs.values)
        rows.append(Pair(index, _finite(value), _finite(residual), bool(accepted)))
    return tuple(rows)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
