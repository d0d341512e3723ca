"""Which forward pass a grid takes: shortcuts are checked against the plain one, timed, and kept where they win."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from landscape_widgets.compute.data import Batch, tensors_of
from landscape_widgets.compute.fast_forward import BLOCK, CONVOLUTIONS, FastForward, FastPlan, foldable_pairs
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.parameters import Replica
from landscape_widgets.compute.torch_state import evaluation, normal_vector, one_thread

EXACT = 1e-12
"""Largest difference from the plain pass in float64, relative to the largest output."""
TIMES_PLAIN = 3.0
"""Largest error in float32, in errors of the plain pass; both against float64."""
CHECKED, CHECKED_BLOCK, TIMED = 24, 16, 2 * BLOCK
"""Samples a check takes, in blocks of how many, and samples that are timed."""
DISPLACEMENTS = (0.0, 0.1, 0.5)
"""Points of the check: standard deviation of each parameter's displacement, in root mean squares of its tensor."""
SETUP, SHARE = 45.0, 0.03
"""Cost of a choice in passes over the checked samples, and the share of a grid's work it may take."""
LONGEST, LONG_SHARE = 0.3, 0.005
"""Seconds a choice may take; more only where they are this share of the work."""
GAIN = 0.95
"""Time of the fast pass, in times of the plain one, below which it is worth it."""

_known: weakref.WeakKeyDictionary[Objective, FastPlan] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class _UnequalError(Exception):
    """A pass that differs from the plain one."""


def choice_steps(objective: Objective, points: int, single: bool = False) -> Generator[None, None, FastPlan]:
    """Choose the forward pass for evaluating `points` points, yielding between pieces; kept with the objective.

    Every surface of an objective takes the plan chosen first, so that its values differ by rounding at most where a
    grid too small for a choice came before, or a checkpoint of another process is resumed. Which of two
    passes is faster is measured, and may come out otherwise in another run: the same values up to rounding.

    Cost: nothing for models without convolutions and for small grids; else three short passes, and where these show
    enough work (3 % of it pays for everything) about as much as 45 passes over 24 samples.

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
    chooser = _Chooser(objective, single)
    if not chooser.pays(points):
        return FastPlan(reason="too little work for a choice to pay")
    yield
    plan = yield from chooser.steps()
    with _lock:
        return _known.setdefault(objective, plan)


def _refused(objective: Objective) -> str:
    """Why an objective keeps the plain pass, known without running it; "" where nothing speaks against another."""
    with objective.replica() as replica:
        convolutions = any(isinstance(part, CONVOLUTIONS) for part in replica.module.modules())
        compiled = any(isinstance(part, torch.jit.ScriptModule) for part in replica.module.modules())
    if not convolutions:
        return "no convolution"
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
    return "" if objective.device.type == "cpu" else f"on {objective.device.type}"


@dataclasses.dataclass
class _Check:
    """One point of the check: the plain outputs there, and those in float64."""

    theta: Tensor
    plain: list[Tensor]
    exact: list[Tensor]


class _Chooser:
    """Checks and times plans on the first samples of an objective."""

    def __init__(self, objective: Objective, single: bool) -> None:
        self.objective = objective
        self.threads = torch.get_num_threads() if single else 0
        first = objective.batches.first
        self.few, self.many = first.head(CHECKED), first.head(TIMED)

    def pays(self, points: int) -> bool:
        """Whether the work of so many points is worth a choice: three short passes tell, where the samples do not."""
        objective = self.objective
        if self.few is None or self.many is None or SETUP * self.few.size > SHARE * points * objective.samples:
            return False
        with self._working(), objective.replica() as replica:
            _, few, many = (_seconds(objective, replica, batch) for batch in (self.few, self.few, self.many))
        sample = max(0.0, many - few) / max(1, self.many.size - self.few.size)
        overhead = max(0.0, few - sample * self.few.size)
        work = points * (objective.batches.count * overhead + objective.samples * sample)
        return SETUP * few <= min(SHARE * work, max(LONGEST, LONG_SHARE * work))

    def steps(self) -> Generator[None, None, FastPlan]:
        """The fastest plan that passes the check."""
        with self._working():
            pairs, changed = self._look()
        if changed:
            return FastPlan(reason="buffers change in a pass")
        checks: list[_Check] = []
        for number, size in enumerate(DISPLACEMENTS):
            yield
            try:
                with self._working():
                    checks.append(self._checked(number, size))
            except Exception as error:  # noqa: BLE001 -- a model may refuse float64 in any way
                return FastPlan(reason=f"no check in float64: {_first_line(error)}")
        reason = ""
        for plan in candidates(pairs, self._images(), self.objective.batches.first.size > BLOCK):
            yield
            try:
                with self._working():
                    self.verify(plan, checks)
            except Exception as error:  # noqa: BLE001 -- whatever fails is dropped, and the plain pass stays
                reason = reason or f"not {plan.words}: {_first_line(error)}"
                continue
            yield
            with self._working():
                return self._timed(dataclasses.replace(plan, reason=reason), checks)
        return FastPlan(reason=reason or "no BatchNorm to fold, no large batch")

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        with evaluation(), one_thread(self.threads) if self.threads else contextlib.nullcontext():
            yield

    def _look(self) -> tuple[tuple[tuple[str, str], ...], bool]:
        """The pairs to fold, and whether a pass changes a buffer."""
        assert self.few is not None
        with self.objective.replica() as replica:
            replica.reset_buffers()
            before = [(id(buffer), buffer._version) for buffer in replica.module.buffers()]
            pairs = foldable_pairs(replica, self.few)
            changed = before != [(id(buffer), buffer._version) for buffer in replica.module.buffers()]
            return pairs, changed

    def _images(self) -> bool:
        with self.objective.replica() as replica:
            return any(isinstance(part, nn.Conv2d) for part in replica.module.modules())

    def _checked(self, number: int, size: float) -> _Check:
        """The plain outputs at one point, and for float32 those of a float64 copy."""
        assert self.few is not None
        objective = self.objective
        noise = normal_vector(objective.size, number, objective.device, objective.dtype)
        for here, there in zip(objective.layout.split(noise), objective.layout.split(objective.center), strict=True):
            here.mul_(size * float(there.square().mean().sqrt() if there.numel() else 0.0))
        theta = objective.center + noise
        with objective.replica(theta) as replica:
            plain = _tensors(objective.outputs(replica, self.few)[0])
            if objective.dtype == torch.float64:
                return _Check(theta, plain, plain)
            names = [block.name for block in objective.layout.blocks]
            double = Replica(replica.module, names, torch.float64, objective.device)
        return _Check(theta, plain, _tensors(_double(self.few).apply(double.module)))

    def verify(self, plan: FastPlan, checks: list[_Check]) -> None:
        """Raise where a plan differs from the plain pass by more than rounding, at any point of the check."""
        assert self.few is not None
        tried = dataclasses.replace(plan, block=CHECKED_BLOCK if plan.block else 0)
        with self.objective.replica() as replica:
            fast = FastForward(replica, tried)
        for check in checks:
            fast.move_to(check.theta)
            found = _tensors(self.objective.outputs(fast, self.few)[0])
            compare(found, check.plain, check.exact)

    def _timed(self, plan: FastPlan, checks: list[_Check]) -> FastPlan:
        """The plan, or the plain pass where it is no slower; their outputs are compared once more, in full blocks."""
        assert self.many is not None
        with self.objective.replica() as replica:
            fast = FastForward(replica, plan)
            best = [math.inf, math.inf]
            found: list[list[Tensor]] = [[], []]
            for _ in range(2):
                for index, one in enumerate((replica, fast)):
                    started = time.perf_counter()
                    one.move_to(self.objective.center)
                    found[index] = _tensors(self.objective.outputs(one, self.many)[0])
                    best[index] = min(best[index], time.perf_counter() - started)
        allowed = 10 * max(_distance(check.plain, check.exact) for check in checks)
        if not _distance(found[1], found[0]) <= max(EXACT, allowed):
            return FastPlan(reason=f"not {plan.words}: differs on a larger batch")
        if best[1] > GAIN * best[0]:
            return FastPlan(reason=f"no slower than {plan.words}")
        return plan


def candidates(pairs: tuple[tuple[str, str], ...], images: bool, large: bool) -> list[FastPlan]:
    """The plans to try, best first: blocks are dropped first, then channels last, then folding.

    >>> [plan.words for plan in candidates((("0", "1"),), True, True)][:3]
    ['BatchNorm folded, channels last, blocks of 64', 'BatchNorm folded, channels last', 'BatchNorm folded']
    >>> candidates((), False, False)
    []
    """
    block = BLOCK if large else 0
    plans = [FastPlan(pairs, images, block), FastPlan(pairs, images), FastPlan(pairs), FastPlan((), images, block)]
    plans.append(FastPlan((), False, block))
    found = [plan for plan in dict.fromkeys(plans) if plan.fast]
    # channels last alone, without folding or blocks, is slower
    return [plan for plan in found if plan.pairs or plan.block]


def compare(found: list[Tensor], plain: list[Tensor], exact: list[Tensor]) -> None:
    """Raise where outputs are further from the exact ones than rounding allows: 1e-12, or three plain errors."""
    if [(one.shape, one.dtype) for one in found] != [(one.shape, one.dtype) for one in plain]:
        raise _UnequalError("outputs of another form")
    error, own = _distance(found, exact), _distance(plain, exact)
    single = any(one.dtype == torch.float32 for one in plain)
    bound = TIMES_PLAIN * own + torch.finfo(torch.float32).eps if single else EXACT
    if not error <= bound:
        raise _UnequalError(f"outputs differ by {error:.1e}, allowed {bound:.1e}")


def _distance(found: list[Tensor], exact: list[Tensor]) -> float:
    """The largest difference relative to the largest value of each tensor; infinite where NaN and infinity differ."""
    worst = 0.0
    for one, other in zip(found, exact, strict=True):
        a, b = one.double(), other.double()
        finite = b.isfinite()
        if not torch.equal(a.isfinite(), finite):
            return math.inf
        if finite.any():
            scale = float(b[finite].abs().max()) or 1.0
            worst = max(worst, float((a[finite] - b[finite]).abs().max()) / scale)
    return worst


def _tensors(outputs: Any) -> list[Tensor]:
    found = [tensor.detach().clone() for tensor in tensors_of(outputs)]
    if not found or any(tensor.is_complex() for tensor in found):
        raise _UnequalError("outputs without real tensors")
    return found


def _double(batch: Batch) -> Batch:
    doubled = batch.head(batch.size)
    assert doubled is not None
    return doubled._reindexed(lambda one: one.double() if one.is_floating_point() else one, batch.size) or doubled


def _seconds(objective: Objective, replica: Replica, batch: Batch) -> float:
    started = time.perf_counter()
    objective.outputs(replica, batch)
    return time.perf_counter() - started


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
