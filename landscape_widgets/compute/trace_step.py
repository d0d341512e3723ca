"""The step of second differences, where what the expansion leaves out and what rounding adds are smallest."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy as np

FIRST_PROBES = 2
"""Probes that steps are compared on."""
MOST_STEPS = 8
"""Steps compared at most."""
LONGEST_STRIDE = 6
"""How far one comparison moves the step, in factors of √2."""
VISIBLE = 3.0
"""A difference above this many rounding errors is taken for one of the expansion."""
NOISE_POINTS = 3
"""Points on either side of the centre that measure the rounding of the loss."""

Y = TypeVar("Y")
SecondDifference = Callable[[int, float], Generator[Y, None, tuple[float, float]]]
"""(probe, h) -> (L(θ+hη) - 2L(θ) + L(θ-hη))/h² and the largest |L| in it."""


@dataclasses.dataclass(frozen=True)
class StepError:
    """What second differences err by at one step: of the expansion and of rounding, in the unit of the trace."""

    step: float
    truncation: float
    rounding: float
    finite: bool = True

    @property
    def total(self) -> float:
        """Both together; infinite where a loss was not finite."""
        return self.truncation + self.rounding if self.finite else math.inf


@dataclasses.dataclass(frozen=True)
class StepChoice:
    """The best of the steps tried, all of them, and whether they behave as those of a smooth loss."""

    best: StepError
    tried: tuple[StepError, ...]
    smooth: bool


def choose_step(
    second: SecondDifference[Y], noise: float, eps: float, start: float, bounds: tuple[float, float]
) -> Generator[Y, None, StepChoice]:
    """Compare steps h and 2h on the first probes until h has the least error, truncation c h² + rounding 4σ/h².

    D(2h) - D(h) = 3c h² estimates c, and h = (4σ/c)^¼ is tried next, by factors of √2, so that values are reused.

    Cost: four loss evaluations a probe and step tried, fewer where steps share points; two to four steps are usual.

    Parameters
    ----------
    second : the second difference of a probe at a step, under way.
    noise : σ, standard deviation of the rounding of a loss.
    eps : of the dtype; a loss of size |L| is taken to be rounded by at least eps |L| / 4.
    start : the first step.
    bounds : smallest and largest step; equal to `start` to judge only that one.

    Source: P. Gill, W. Murray, M. Saunders and M. Wright, "Computing forward-difference intervals for numerical
    optimization" (1983), section 3, for comparing steps.
    """
    tried: dict[int, StepError] = {}
    place, settled = 0, False
    lowest, highest = (round(2 * math.log2(bound / start)) for bound in bounds)
    while not settled and len(tried) < MOST_STEPS:
        tried[place] = found = yield from _error_at(second, start * 2.0 ** (place / 2), noise, eps)
        place = min(max(place + _move(found), lowest), highest)
        settled = place in tried
    steps = tuple(sorted(tried.values(), key=lambda found: found.step))
    return StepChoice(min(steps, key=lambda found: found.total), steps, _smooth(steps))


def _error_at(second: SecondDifference[Y], step: float, noise: float, eps: float) -> Generator[Y, None, StepError]:
    """The error of second differences at a step, from those at twice the step."""
    changes, level = [], 0.0
    for probe in range(FIRST_PROBES):
        near, largest = yield from second(probe, step)
        far, _ = yield from second(probe, 2.0 * step)
        changes.append(far - near)
        level = max(level, largest)
    rounding = 4.0 * max(noise, eps * level / 4.0) / step**2
    change = math.sqrt(sum(number**2 for number in changes) / FIRST_PROBES)
    return StepError(step, change / 3.0, rounding, math.isfinite(change) and math.isfinite(rounding))


def _move(found: StepError) -> int:
    """Where the least error should be, in factors of √2 from here."""
    if not found.finite:
        return -LONGEST_STRIDE
    if 3.0 * found.truncation <= VISIBLE * found.rounding:
        # Nothing but rounding is seen: truncation is at most this, and probably much less.
        least = 1 if found.truncation > 0.1 * found.rounding else 4
    else:
        least = -LONGEST_STRIDE
    ideal = (
        0.25 * math.log2(found.rounding / found.truncation) * 2 if found.truncation > 0 and found.rounding > 0 else 4
    )
    return max(least, min(LONGEST_STRIDE, round(ideal)))


def _smooth(steps: tuple[StepError, ...]) -> bool:
    """Whether the change from h to 2h grows with h: like h² for a smooth loss, hardly at all across kinks."""
    visible = [found for found in steps if found.finite and 3.0 * found.truncation > 3.0 * VISIBLE * found.rounding]
    for one, other in itertools.pairwise(visible[:2]):
        order = math.log(other.truncation / one.truncation) / math.log(other.step / one.step)
        return order > 1.0
    return True


def noise_of(losses: Any) -> float:
    """Standard deviation of the rounding in losses at equally spaced points close together.

    High differences of a smooth function vanish, those of independent errors do not: σ_k² = (k!)²/(2k)! times the
    mean square of the k-th differences, averaged over k = 3 to 6.

    Source: J. Moré and S. Wild, "Estimating computational noise" (2011), section 3.

    >>> rng = np.random.default_rng(0)
    >>> points = np.linspace(0, 1e-3, 7)
    >>> estimates = [noise_of(np.sin(points) + 1e-9 * rng.standard_normal(7)) for _ in range(200)]
    >>> bool(0.8e-9 < np.mean(estimates) < 1.2e-9)
    True
    """
    differences, found = np.asarray(losses, dtype=np.float64), []
    for order in range(1, len(differences)):
        differences = np.diff(differences)
        if order >= 3:
            found.append(np.mean(differences**2) * math.factorial(order) ** 2 / math.factorial(2 * order))
    return math.sqrt(np.mean(found))
