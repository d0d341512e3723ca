"""λ_max, λ_min and trace over checkpoints with the loss at each, computed once a widget."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.spectrum_history import CheckpointSpectrum
from landscape_widgets.compute.stream import Stream
from landscape_widgets.errors import InputError
from landscape_widgets.results import SpectrumHistory


class History:
    """The computation over the checkpoints; leaving it leaves it where it is."""

    def __init__(self, objective: Objective, checkpoints: Iterable[Any] | Mapping[int, Any], tol: float) -> None:
        smallest = 1 if objective.size > 1 else 0
        self._steps: np.ndarray | None = None
        if isinstance(checkpoints, Mapping):
            self._steps, checkpoints = training_steps(checkpoints), checkpoints.values()
        self._objective = objective
        self._run = CheckpointSpectrum(objective, checkpoints, 1, smallest, tol=tol)
        self._stream: Stream[SpectrumHistory, Any] | None = None
        self._measured = 0
        self.losses = np.full(self.total, np.nan)
        self.latest: SpectrumHistory | None = None

    @property
    def total(self) -> int:
        """Checkpoints in all."""
        return self._run.checkpoints.count

    def stream(self) -> Iterator[tuple[SpectrumHistory, np.ndarray]]:
        """Compute what lacks, yielding after every batch."""
        self._stream = self._run.stream() if self._stream is None else self._stream
        while (found := self._next(self._stream)) is not None:
            found = found if self._steps is None else dataclasses.replace(found, steps=self._steps)
            self.latest = found
            while self._measured < found.done:
                for _ in self._loss(self._measured):
                    yield found, self.losses
                self._measured += 1
            yield found, self.losses

    def _next(self, stream: Stream[SpectrumHistory, Any]) -> SpectrumHistory | None:
        try:
            return next(stream, None)
        except Exception:
            self._stream = None  # begins anew when asked for again
            raise

    def _loss(self, index: int) -> Generator[None, None, None]:
        """The loss at a checkpoint, into `losses`."""
        theta = self._objective.vector(self._run.checkpoints.vector(index))
        steps = self._objective.loss_steps(theta)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                self.losses = self.losses.copy()
                self.losses[index] = end.value
                return
            yield


def training_steps(checkpoints: Mapping[Any, Any]) -> np.ndarray:
    """The steps that checkpoints are named by, (n,) int64; raises `InputError` where they do not rise."""
    steps = list(checkpoints)
    whole = all(isinstance(step, (int, np.integer)) and not isinstance(step, bool) for step in steps)
    if not whole or any(later <= step for step, later in itertools.pairwise(steps)):
        raise InputError(
            f"expected checkpoints by rising training steps, got {str(steps)[:80]}",
            "pass {0: …, 100: …} in order, or a plain list",
        )
    return np.array(steps, dtype=np.int64)
