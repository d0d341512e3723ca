"""Which forward pass a grid takes: shortcuts are checked against the plain one, timed, and kept where they win."""

from __future__ import annotations

import dataclasses
import math
import threading
import weakref
from collections.abc import Generator

import torch
from torch import Tensor, nn

from landscape_widgets.compute.clock import clock
from landscape_widgets.compute.convolutions import CONVOLUTIONS, Pair, ordinary
from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.fast_check import (
    Check,
    checked,
    compare,
    displacement,
    distance,
    outputs_of,
    working,
)
from landscape_widgets.compute.fast_forward import (
    BLOCK,
    FastForward,
    FastPlan,
    foldable_pairs,
)
from landscape_widgets.compute.fast_points_choice import LITTLE, points_steps
from landscape_widgets.compute.fast_pooling import plain_poolings
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.rounding import EXACT, first_line

CHECKED, CHECKED_BLOCK, TIMED = 24, 16, 2 * BLOCK
"""Samples a check takes, in blocks of how many, and samples that are timed."""
DISPLACEMENTS = (0.0, 0.1, 0.5)
"""Points of the check: standard deviation of each parameter's displacement, in root mean squares of its tensor."""
PASSES, LARGER, SHARE = 16.0, 4.0, 0.03
"""Cost of a choice in passes over the checked and the timed samples, and the share of a grid's work it may take."""
LONGEST, LONG_SHARE = 0.3, 0.01
"""Seconds a choice may take; more only where they are this share of the work."""
GAIN = 0.95
"""Time of the fast pass, in times of the plain one, below which it is worth it."""
CLEAR = 0.7
"""The same, below which it is timed once only."""

_known: weakref.WeakKeyDictionary[Objective, FastPlan] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def choice_steps(objective: Objective, points: int, single: bool = False) -> Generator[None, None, FastPlan]:
    """Choose the forward pass for evaluating `points` points, yielding between pieces; kept with the objective.

    Every surface of an objective takes the plan chosen first, so that its values differ by rounding at most where a
    grid too small for a choice came before, or a checkpoint of another process is resumed. Which of two
    passes is faster is measured, and may come out otherwise in another run: the same values up to rounding.

    Cost: small problems as `points_steps` says. Models with convolutions: nothing for small grids, else three short
    passes, and where these show enough work (3 % of it pays for everything) about 16 passes over 24 samples and two
    to four over 128.

    Parameters
    ----------
    objective : the loss.
    points : how many are left to evaluate.
    single : time with one intra-op thread, as the threads of an executor work.
    """
    with _lock:
        known = _known.get(objective)
    if known is not None:
        return known
    if reason := _refused(objective):
        return FastPlan(reason=reason)
    threads = torch.get_num_threads() if single else 0
    plan = yield from points_steps(objective, points, threads)
    if not plan.fast and _convolutional(objective):
        chooser = _Chooser(objective, threads)
        if not chooser.pays(points):
            return FastPlan(reason=LITTLE)
        yield
        plan = yield from chooser.steps()
    if plan.reason == LITTLE:
        return plan
    with _lock:
        return _known.setdefault(objective, plan)


def _convolutional(objective: Objective) -> bool:
    with objective.replica() as replica:
        return any(isinstance(part, CONVOLUTIONS) for part in replica.module.modules())


def _refused(objective: Objective) -> str:
    """Why an objective keeps the plain pass, known without running it; "" where nothing speaks against another."""
    with objective.replica() as replica:
        compiled = any(isinstance(part, torch.jit.ScriptModule) for part in replica.module.modules())
    if objective.batch_norm == "recomputed":
        return "BatchNorm statistics recomputed at every point"
    if objective.writes_data:
        return "the model or the loss writes into its inputs"
    if objective._random:
        return "determinism unchecked"
    if objective.dtype not in (torch.float32, torch.float64):
        return f"no check in {str(objective.dtype).removeprefix('torch.')}"
    if compiled:
        return "a compiled model"
    return "" if objective.device.type in ("cpu", "cuda") else f"on {objective.device.type}"


class _Chooser:
    """Checks and times plans on the first samples of an objective."""

    def __init__(self, objective: Objective, threads: int) -> None:
        self.objective = objective
        self.threads = threads
        first = objective.batches.first
        self.few, self.many = first.head(CHECKED), first.head(TIMED)

    def pays(self, points: int) -> bool:
        """Whether the work of so many points is worth a choice: three short passes tell, where the samples do not."""
        objective = self.objective
        if self.few is None or self.many is None or PASSES * self.few.size > SHARE * points * objective.samples:
            return False
        with working(self.threads), objective.replica() as replica:
            _, few, many = (_seconds(objective, replica, batch) for batch in (self.few, self.few, self.many))
        sample = max(0.0, many - few) / max(1, self.many.size - self.few.size)
        overhead = max(0.0, few - sample * self.few.size)
        work = points * (objective.batches.count * overhead + objective.samples * sample)
        return PASSES * few + LARGER * many <= min(SHARE * work, max(LONGEST, LONG_SHARE * work))

    def steps(self) -> Generator[None, None, FastPlan]:
        """The fastest plan that passes the check."""
        with working(self.threads):
            pairs, changed = self._look()
        if changed:
            return FastPlan(reason="buffers change in a pass")
        checks: list[Check] = []
        for number, size in enumerate(DISPLACEMENTS):
            yield
            try:
                with working(self.threads):
                    assert self.few is not None
                    theta = self.objective.center + size * displacement(self.objective, number)
                    checks.append(checked(self.objective, self.few, theta))
            except Exception as error:  # noqa: BLE001 -- a model may refuse float64 in any way
                return FastPlan(reason=f"no check in float64: {first_line(error)}")
        reason = ""
        for plan in candidates(pairs, *self._layers(), self.objective.batches.first.size > BLOCK):
            yield
            try:
                with working(self.threads):
                    self.verify(plan, checks)
            except Exception as error:  # noqa: BLE001 -- whatever fails is dropped, and the plain pass stays
                reason = reason or f"not {plan.words}: {first_line(error)}"
                continue
            yield
            with working(self.threads):
                return self._fastest(dataclasses.replace(plan, reason=reason), checks)
        return FastPlan(reason=reason or "no BatchNorm to fold, no large batch")

    def _look(self) -> tuple[tuple[tuple[str, str], ...], bool]:
        """The pairs to fold, and whether a pass changes a buffer."""
        assert self.few is not None
        with self.objective.replica() as replica:
            replica.reset_buffers()
            before = [(id(buffer), buffer._version) for buffer in replica.module.buffers()]
            pairs = foldable_pairs(replica, self.few)
            changed = before != [(id(buffer), buffer._version) for buffer in replica.module.buffers()]
            return pairs, changed

    def _layers(self) -> tuple[bool, bool]:
        """Whether there are images, and max-pooling that goes by maxima."""
        with self.objective.replica() as replica:
            images = any(isinstance(part, nn.Conv2d) for part in replica.module.modules())
            return images, any(ordinary(layer) for layer, _ in plain_poolings(replica.module))

    def verify(self, plan: FastPlan, checks: list[Check]) -> None:
        """Raise where a plan differs from the plain pass by more than rounding, at any point of the check."""
        assert self.few is not None
        tried = dataclasses.replace(plan, block=CHECKED_BLOCK if plan.block else 0)
        with self.objective.replica() as replica:
            fast = FastForward(replica, tried)
        for check in checks:
            fast.move_to(check.theta)
            found = outputs_of(self.objective.outputs(fast, self.few)[0])
            compare(found, check.plain, check.exact)

    def _fastest(self, plan: FastPlan, checks: list[Check]) -> FastPlan:
        """The plan, or the plain pass where it is no slower; their outputs are compared once more, in full blocks."""
        assert self.many is not None
        with self.objective.replica() as replica:
            best = [math.inf, math.inf]
            found: list[list[Tensor]] = [[], []]
            fast = FastForward(replica, plan)
            for _ in range(2):
                for index, one in enumerate((replica, fast)):
                    started = clock(self.objective.device)
                    one.move_to(self.objective.center)
                    found[index] = outputs_of(self.objective.outputs(one, self.many)[0])
                    best[index] = min(best[index], clock(self.objective.device) - started)
                if best[1] <= CLEAR * best[0]:
                    break
        allowed = max(EXACT, 10 * max(distance(check.plain, check.exact) for check in checks))
        if not distance(found[1], found[0]) <= allowed:
            return FastPlan(reason=f"not {plan.words}: differs on a larger batch")
        return plan if best[1] <= GAIN * best[0] else FastPlan(reason=f"no slower than {plan.words}")


def candidates(pairs: tuple[Pair, ...], images: bool, pooling: bool, large: bool) -> list[FastPlan]:
    """The plans to try, best first: blocks are dropped first, then channels last, then folding, then pooling.

    >>> [plan.words for plan in candidates((("0", "1"),), True, False, True)][:3]
    ['BatchNorm folded, channels last, blocks of 64', 'BatchNorm folded, channels last', 'BatchNorm folded']
    >>> candidates((), False, False, False)
    []
    """
    block = BLOCK if large else 0
    plans = [FastPlan(pairs, images, block, pooling), FastPlan(pairs, images, 0, pooling)]
    plans += [FastPlan(pairs, False, 0, pooling), FastPlan((), images, block, pooling), FastPlan((), False, 0, pooling)]
    plans += [FastPlan(pairs), FastPlan((), False, block)]
    # channels last alone, without folding or blocks, is slower
    return [plan for plan in dict.fromkeys(plans) if plan.pairs or plan.block or plan.pooling]


def _seconds(objective: Objective, replica: Replica, batch: Batch) -> float:
    started = clock(objective.device)
    objective.outputs(replica, batch)
    return clock(objective.device) - started
