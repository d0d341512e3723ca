"""The same loss with the model's forward pass in bfloat16, and whether that is faster here."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Generator
from typing import Any

import torch

from landscape_widgets.compute.batch_statistics import Statistics
from landscape_widgets.compute.clock import clock
from landscape_widgets.compute.data import Batch, in_dtype
from landscape_widgets.compute.fast_check import working
from landscape_widgets.compute.fast_forward import FastForward, FastPlan
from landscape_widgets.compute.objective import HALVES, Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.rounding import first_line

HALF = torch.bfloat16
TIMED = (8, 128)
"""Samples that are timed first: a processor without instructions for bfloat16 takes up to 100 times as long."""
HOPELESS = 0.5
"""Speed, in times of the exact pass, below which more samples are not timed."""
TURNS = 3
"""Turns of a timing, of which the best count."""
WORTH = 1.0
"""Seconds of exact work from which a preview is noticed."""


class HalfObjective(Objective):
    """A loss as another objective has it, but for the model, which computes in bfloat16: for losses only.

    A point θ + α d1 + β d2 is formed in the objective's own dtype and rounded once. Formed in bfloat16, which tells
    apart what differs by 2⁻⁸, all points within 2⁻⁹ of a parameter would be the centre: terraces. Inputs are rounded
    too; outputs go back to the objective's dtype, in which loss and targets stay. No metric is evaluated.

    Raises
    ------
    Whatever copying the model and converting it to bfloat16 raises.

    >>> exact = Objective(torch.nn.Linear(1, 1, bias=False), torch.nn.MSELoss(), (torch.ones(1, 1), torch.zeros(1, 1)))
    >>> half, theta = HalfObjective(exact), torch.tensor([1.001])
    >>> round(exact.loss(theta), 4), half.loss(theta), half.center.dtype
    (1.002, 1.0, torch.float32)
    """

    def __init__(self, objective: Objective) -> None:
        vars(self).update(vars(objective))
        self._lock, self._idle = threading.Lock(), []
        self.metrics = {}
        with torch.inference_mode(False):
            self._master = Replica(objective._master.module, objective._names, HALF, objective.device)

    def outputs(self, replica: Replica, batch: Batch, statistics: Statistics | None = None) -> tuple[Any, Any]:
        """What the model gives for one batch in bfloat16, in the objective's dtype, and the targets."""
        rounded = dataclasses.replace(batch, inputs=in_dtype(batch.inputs, HALF))
        outputs, targets = super().outputs(replica, rounded, statistics)
        return in_dtype(outputs, self.dtype), targets


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a trial found: the loss in bfloat16 where it is worth it, and what is to be said."""

    half: HalfObjective | None
    words: str


def half_plan(plan: FastPlan) -> FastPlan:
    """The plan of a pass in bfloat16: points go one by one, as what they share is overhead, not arithmetic."""
    return FastPlan(plan.pairs, plan.channels_last, plan.block, plan.pooling)


def trial_steps(
    objective: Objective, plan: FastPlan, points: int, gain: float, single: bool
) -> Generator[None, None, Trial]:
    """Time one pass in bfloat16 against one by the path chosen, yielding between pieces.

    Cost: a few exact passes over 8, 128 and all samples of the first batch; in bfloat16 as many, up to the first that
    takes more than twice as long.

    Parameters
    ----------
    objective : the loss.
    plan : the exact path.
    points : how many are left to evaluate.
    gain : speed, in times of the exact pass, from which bfloat16 is worth it; 0 takes it untimed.
    single : time with one intra-op thread, as the threads of an executor work.
    """
    if reason := _refused(objective, plan, gain):
        return Trial(None, reason)
    try:
        half = HalfObjective(objective)
        if not gain:
            return Trial(half, "untimed")
        threads = torch.get_num_threads() if single else 0
        return (yield from _timed(_Race(objective, half, plan, threads), half, points, gain))
    except Exception as error:  # noqa: BLE001 -- a model may refuse bfloat16 in any way
        return Trial(None, f"the model refuses bfloat16: {first_line(error)}")


def _refused(objective: Objective, plan: FastPlan, gain: float) -> str:
    """Why a pass in bfloat16 is not tried; "" where nothing speaks against it."""
    if objective.dtype in HALVES:
        return f"the model is in {str(objective.dtype).removeprefix('torch.')} already"
    if objective.batch_norm == "recomputed":
        return "BatchNorm statistics recomputed at every point"
    if plan.points > 1 and gain:
        return "points share their passes, which are mostly overhead"
    return ""


class _Race:
    """An exact pass and one in bfloat16, at the centre, in turn."""

    def __init__(self, objective: Objective, half: HalfObjective, plan: FastPlan, threads: int) -> None:
        self.objective, self.threads = objective, threads
        self._lanes = [(one, _replica(one, half_plan(plan))) for one in (objective, half)]

    def exact(self, batch: Batch) -> float:
        """Seconds of an exact pass."""
        with working(self.threads):
            return self._pass(*self._lanes[0], batch)

    def speed_steps(self, batch: Batch) -> Generator[None, None, float]:
        """How many times as fast the pass in bfloat16 is: the best of a few turns, one where it is hopeless."""
        best = [math.inf, math.inf]
        for turn in range(TURNS):
            if turn:
                yield
            with working(self.threads):
                for index, lane in enumerate(self._lanes):
                    best[index] = min(best[index], self._pass(*lane, batch))
            if best[0] < HOPELESS**2 * best[1]:
                break
        return best[0] / best[1]

    def _pass(self, objective: Objective, replica: Replica, batch: Batch) -> float:
        started = clock(objective.device)
        replica.move_to(objective.center)
        objective.loss_of(*objective.outputs(replica, batch))
        return clock(objective.device) - started


def _replica(objective: Objective, plan: FastPlan) -> Replica:
    replica = objective.own_replica()
    return FastForward(replica, plan) if plan.reshaped else replica


def _timed(race: _Race, half: HalfObjective, points: int, gain: float) -> Generator[None, None, Trial]:
    first = race.objective.batches.first
    parts = [first.head(size) for size in TIMED if size < first.size]
    batches = [part for part in parts if part is not None] + [first]
    if None in parts:
        return Trial(None, "no part of a batch can be timed alone")
    race.exact(batches[0])
    yield
    seconds = race.exact(first) * race.objective.samples / first.size * points
    if seconds < WORTH:
        return Trial(None, f"all points take less than {WORTH:g} s")
    speed, samples = 0.0, 0
    for batch in batches:
        yield
        speed, samples = (yield from race.speed_steps(batch)), batch.size
        if speed < HOPELESS:
            break
    if speed >= gain:
        return Trial(half, f"{speed:.1f} times as fast")
    return Trial(None, f"a bfloat16 pass over {samples} samples {_slow(speed, gain)} the exact one here")


def _slow(speed: float, gain: float) -> str:
    """A speed in words.

    >>> _slow(1.1, 1.3), _slow(0.03, 1.3)
    ('is 1.1 times as fast, not 1.3 times, as', 'takes 33 times as long as')
    """
    if speed < 1:
        return f"takes {1 / speed:.2g} times as long as"
    return f"is {speed:.2g} times as fast, not {gain:g} times, as"
