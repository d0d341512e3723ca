"""A long computation as an iterator of partial results that can be closed, checkpointed and resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar, cast

import torch

from landscape_widgets.errors import Outcome

R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
L = TypeVar("L")


class Stream(Iterator[R], Generic[R, S]):
    """Partial results of one computation, each after a bounded piece of work.

    The consumer owns the loop: it may stop asking (a pause), `close` (a cancel), or take a
    `checkpoint` between two items and hand it to `stream(resume=...)` later.

    Parameters
    ----------
    steps : generator of partial results of the final type; its last item is the result.
    snapshot : makes the resumable state on demand, a copy that later steps do not change.

    >>> total = Stream((n for n in range(3)), snapshot=dict)
    >>> next(total), list(total), total.latest
    (0, [1, 2], 2)
    """

    def __init__(self, steps: Generator[R, None, None], snapshot: Callable[[], S]) -> None:
        self._steps = steps
        self._snapshot = snapshot
        self.latest: R | None = None

    def __next__(self) -> R:
        with torch.inference_mode(False):  # tensors made in a caller's inference mode would be of no use later
            self.latest = next(self._steps)
        return self.latest

    def checkpoint(self) -> S:
        """Return the state to resume from; nothing already computed is computed again."""
        return self._snapshot()

    def close(self) -> None:
        """Stop: the computation's own clean-up runs now, and `latest` keeps what was computed, as cancelled."""
        self._steps.close()
        latest = cast(Any, self.latest)
        if getattr(latest, "outcome", None) is Outcome.RUNNING:
            self.latest = dataclasses.replace(latest, outcome=Outcome.CANCELLED)


def relabelled(steps: Generator[Any, None, T], label: L) -> Generator[L, None, T]:
    """The same steps, each yielding `label` instead; returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        yield label


class Computation(Generic[R, S]):
    """Base of the compute classes: `run` exhausts `stream`.

    `partial` keeps the last partial result, as cancelled, so that an interrupt loses nothing.
    """

    partial: R | None = None

    def stream(self, resume: S | None = None) -> Stream[R, S]:
        """Yield partial results of the final type; the last one is the result."""
        raise TypeError(f"{type(self).__name__} must define stream()")

    def run(self, progress: Callable[[R], object] | None = None) -> R:
        """Compute to the end and return the result.

        Parameters
        ----------
        progress : called with every partial result.
        """
        stream = self.stream()
        try:
            for partial in stream:
                self.partial = partial
                if progress is not None:
                    progress(partial)
        finally:
            stream.close()
            self.partial = stream.latest
        if self.partial is None:
            raise RuntimeError(f"{type(self).__name__}.stream() gave no result")
        return self.partial
