"""What a trace lab says in words: names, notes, and the one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping

from landscape_widgets.results import TraceEstimate


def with_error(value: float, half: float) -> str:
    """A value with the digits that its error leaves meaning to.

    >>> with_error(12.3123, 0.0187), with_error(-1234.5, 56.0), with_error(0.5, 0.0), with_error(3.0, float("nan"))
    ('12.312 ± 0.019', '−1234 ± 56', '0.5 ± 0', '3')
    """
    if not math.isfinite(half):
        return plain(value)
    if half == 0.0 or half < 1e-12 * abs(value):
        return f"{plain(value, 6)} ± {plain(half, 2)}"
    places = max(0, 1 - math.floor(math.log10(half)))
    if places > 8 or max(abs(value), half) >= 1e7:
        return f"{plain(value, 6)} ± {plain(half, 2)}"
    return f"{value:.{places}f} ± {half:.{places}f}".replace("-", "−")


def plain(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, as a reader writes it.

    >>> plain(1234.56), plain(-0.00012345, 2), plain(2.0e-9, 2), plain(float("nan"))
    ('1235', '−0.00012', '2·10⁻⁹', 'no number')
    """
    if not math.isfinite(value):
        return "no number"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}·10{power}".replace("-", "−")
    places = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    text = f"{value:.{max(0, places)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def half_of(found: TraceEstimate) -> float:
    """Half the width of the interval; NaN where there is none."""
    return (found.interval[1] - found.interval[0]) / 2


def sentence(
    results: Mapping[str, tuple[str, TraceEstimate]], exact: float | None, budget: float, spent: float, running: bool
) -> str:
    """What is known now: the tightest estimate first, the truth last.

    Parameters
    ----------
    results : name and estimate of each method that has a value.
    exact : the exact trace, where it is known.
    budget, spent : gradient evaluations, allowed and spent by the one that has spent least.
    running : whether more is to come.
    """
    after = f"After {spent:,.0f} of {budget:,.0f}" if running else f"After {budget:,.0f}"
    known = [(name, found) for name, found in results.values() if math.isfinite(found.value)]
    truth = "" if exact is None else f"; the exact trace is {plain(exact, 5)}{_held(known, exact)}"
    if not known:
        return f"{after} gradient evaluations no method has a value yet{truth}."
    return f"{after} gradient evaluations: {'; '.join(_parts(known))}{truth}."


def _parts(known: list[tuple[str, TraceEstimate]]) -> list[str]:
    """The estimates, the most certain first; of many the first and the last of those that need no caution."""
    order = sorted(known, key=lambda item: _rank(item[1]))
    sure = [(name, found) for name, found in order if not found.caution]
    parts = [f"{name} {with_error(found.value, half_of(found))}" for name, found in sure]
    if len(parts) > 3:
        parts = [f"{parts[0]} is the surest of {len(parts)}", f"{parts[-1]} the least sure"]
    doubted = [
        f"{name} {with_error(found.value, half_of(found))}, with a caution" for name, found in order if found.caution
    ]
    return parts + doubted


def _rank(found: TraceEstimate) -> float:
    return found.standard_error if math.isfinite(found.standard_error) else math.inf


def _held(known: list[tuple[str, TraceEstimate]], exact: float) -> str:
    """How many of the confidence intervals hold the exact value."""
    sure = [found.interval for _, found in known if found.interval_kind.startswith("Student") and found.probes > 1]
    if not sure:
        return ""
    slack = 1e-9 * abs(exact)
    held = sum(low - slack <= exact <= high + slack for low, high in sure)
    return f", inside {held} of {len(sure)} confidence interval{'s' if len(sure) > 1 else ''}"
