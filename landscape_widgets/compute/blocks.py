"""Points of a plane evaluated in blocks by an executor, a few at a time, results as they come."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import time
from collections.abc import Generator, Iterator, Sequence

import torch

from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.torch_state import one_thread
from landscape_widgets.results import Direction

BLOCK_SECONDS = 0.02
"""Work in a block, where a point takes less: long enough to hide the hand-over, short enough to stay responsive."""

Place = tuple[int, ...]
Values = dict[str, float]
Answers = list[tuple[Place, Values]]


class BlockEvaluator:
    """Evaluates points in the threads of an executor, one intra-op thread each.

    Two Python threads with one intra-op thread each beat one with two, and do not spin against busy neighbours.

    Parameters
    ----------
    objective, directions : as for `PointEvaluator`; every worker has one of its own.
    executor : runs the blocks; its workers share this process's memory.
    workers : blocks under way at a time.
    plan : shortcuts of the forward pass; None: the plain pass.
    idle : evaluators of an earlier block evaluator of the same three, to go on with; kept up to date.
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Direction],
        executor: concurrent.futures.Executor,
        workers: int,
        plan: FastPlan | None = None,
        idle: list[PointEvaluator] | None = None,
    ) -> None:
        self._objective, self._directions, self._plan = objective, directions, plan
        self._executor, self._workers = executor, workers
        self._idle: list[PointEvaluator] = [] if idle is None else idle
        self._stop = threading.Event()
        self._threads = torch.get_num_threads()
        self._seconds = BLOCK_SECONDS

    def stream(self, points: Sequence[tuple[Place, Sequence[float]]]) -> Generator[Answers, None, None]:
        """Yield the answers of the blocks as they end, at least every `BLOCK_SECONDS` an empty list.

        Closing it lets every worker end the batch it is in, and waits for that.
        """
        waiting = iter(points)
        running: set[concurrent.futures.Future[Answers]] = set()
        try:
            while True:
                while len(running) < self._workers and (block := self._next_block(waiting)):
                    running.add(self._executor.submit(self._evaluate, block))
                if not running:
                    return
                ended, running = concurrent.futures.wait(
                    running, BLOCK_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED
                )
                yield [answer for future in ended for answer in future.result()]
        finally:
            self._stop.set()
            concurrent.futures.wait(running)

    def _next_block(self, waiting: Iterator[tuple[Place, Sequence[float]]]) -> list[tuple[Place, Sequence[float]]]:
        return list(itertools.islice(waiting, block_length(self._seconds, self._plan)))

    def _evaluate(self, block: Sequence[tuple[Place, Sequence[float]]]) -> Answers:
        """Run one block in a worker; a stop is seen between two batches, and the points ended so far are kept."""
        try:  # asking first whether one is idle would race with the other workers
            evaluator = self._idle.pop()
        except IndexError:
            evaluator = PointEvaluator(self._objective, self._directions, self._plan)
        answers: Answers = []
        started = time.perf_counter()
        with one_thread(self._threads):
            if evaluator.together:
                parts = in_one_go(evaluator, block)
                while not self._stop.is_set() and (part := next(parts, None)) is not None:
                    answers += part
            else:
                self._one_by_one(evaluator, block, answers)
        if answers:
            self._seconds = (time.perf_counter() - started) / len(answers)
        self._idle.append(evaluator)
        return answers

    def _one_by_one(
        self, evaluator: PointEvaluator, block: Sequence[tuple[Place, Sequence[float]]], answers: Answers
    ) -> None:
        for place, point in block:
            steps = evaluator.steps(point)
            while not self._stop.is_set():
                try:
                    next(steps)
                except StopIteration as end:
                    answers.append((place, end.value))
                    break


def block_length(seconds: float, plan: FastPlan | None) -> int:
    """Points of a block that takes about `BLOCK_SECONDS`, whole passes where a pass takes several points.

    >>> block_length(0.001, None), block_length(1.0, None), block_length(0.0001, FastPlan(points=64))
    (20, 1, 192)
    """
    count = max(1, int(BLOCK_SECONDS / max(seconds, 1e-9)))
    return count if plan is None or plan.points == 1 else max(1, count // plan.points) * plan.points


def in_one_go(
    evaluator: PointEvaluator, block: Sequence[tuple[Place, Sequence[float]]]
) -> Generator[Answers, None, None]:
    """Evaluate a block of points together: empty answers between passes, then all of them."""
    steps = evaluator.many([point for _, point in block])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            yield [(place, values) for (place, _), values in zip(block, end.value, strict=True)]
            return
        yield []


def in_turn(
    evaluator: PointEvaluator, points: Sequence[tuple[Place, Sequence[float]]]
) -> Generator[Answers, None, None]:
    """Evaluate points together in the caller's thread, a block of about `BLOCK_SECONDS` after another."""
    waiting, seconds = iter(points), BLOCK_SECONDS
    while block := list(itertools.islice(waiting, block_length(seconds, evaluator.plan))):
        started = time.perf_counter()
        yield from in_one_go(evaluator, block)
        seconds = (time.perf_counter() - started) / len(block)
