"""What a spectrum predicts of random slices: exactly for the toy and for small models, from both ends otherwise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float

from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.slice_laws import SliceLaw
from landscape_widgets.compute.spectrum import SpectralDensity
from landscape_widgets.errors import InputError
from landscape_widgets.results import Eigenpairs, SliceProbabilities

EXACT = 500
"""Largest P whose spectrum is computed whole, by P products."""
MOMENT_PROBES = 100
"""Probes, of two products each, for tr H and ‖H‖_F² of a larger model."""
SIMULATED = 100_000
"""Slices simulated from a spectrum of few distinct values; fewer where there are many."""
MOST_NORMALS = 4_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted, in the order minimum, maximum, saddle, flat; `law` is None where there is none.

    Parameters
    ----------
    shares, errors : (4,), probabilities and their standard errors.
    trace, trace_error : tr H, and its standard error (0 where exact).
    how : where the numbers come from, one sentence.
    """

    law: SliceLaw | None
    shares: Float[np.ndarray, "4"]
    errors: Float[np.ndarray, "4"]
    trace: float
    trace_error: float
    exact: bool
    how: str


NOTHING = Prediction(None, np.full(4, math.nan), np.full(4, math.nan), math.nan, math.nan, False, "")


def exact_toy(n: int, positive: int) -> Prediction:
    """The toy saddle, whose spectrum is known."""
    return _exact(SliceLaw.toy_saddle(n, positive), "the spectrum")


def laws_of(operator: SymmetricOperator, pairs: Callable[[], Eigenpairs | None]) -> Iterator[Prediction | None]:
    """Find the law of a model's spectrum, yielding None after every step of work."""
    if operator.size <= EXACT:
        yield from _whole_spectrum(operator)
        return
    probes = SpectralDensity(operator, steps=2, probes=MOMENT_PROBES, seed=1).stream()
    for _ in probes:
        yield None
    while (known := pairs()) is None:
        yield None
    estimate = probes.latest
    assert estimate is not None
    square = estimate.size * estimate.moment(2)[0]
    yield _partly(known, *estimate.trace, square, operator.size)


def _whole_spectrum(operator: SymmetricOperator) -> Iterator[Prediction | None]:
    dense = np.empty((operator.size, operator.size))
    for row in range(operator.size):
        unit = torch.zeros(operator.size, dtype=operator.dtype, device=operator.device)
        unit[row] = 1
        steps = operator.product_steps(unit)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                dense[row] = end.value.double().cpu().numpy()
                break
            yield None
    if not np.isfinite(dense).all():
        yield dataclasses.replace(NOTHING, how="No prediction: the Hessian is not finite here.")
        return
    values = scipy.linalg.eigvalsh((dense + dense.T) / 2)
    noise = operator.size * float(torch.finfo(operator.dtype).eps) * float(np.abs(values).max(initial=0.0))
    values[np.abs(values) <= noise] = 0.0
    try:
        law = SliceLaw(values)
    except InputError as error:
        yield dataclasses.replace(NOTHING, how=f"No prediction: {error.message}.")
        return
    yield _exact(law, f"all {operator.size:,} eigenvalues")


def _exact(law: SliceLaw, source: str) -> Prediction:
    found = law.probabilities(_draws(law))
    shares, errors = _with_flat(found)
    return Prediction(law, shares, errors, law.trace, 0.0, True, _how(found, source))


def _partly(pairs: Eigenpairs, trace: float, error: float, square: float, size: int) -> Prediction:
    """Both ends and two moments; the error of the trace counts, as half the difference it makes."""
    try:
        law = SliceLaw.partly_known(pairs, trace, square, size)
    except InputError as problem:
        return dataclasses.replace(NOTHING, how=f"No prediction: {problem.message}.")
    found = law.probabilities(_draws(law))
    shares, errors = _with_flat(found)
    moved = [
        _with_flat(SliceLaw.partly_known(pairs, trace + side * error, square, size).probabilities(_draws(law)))[0]
        for side in (-1, 1)
    ]
    errors = np.hypot(errors, (moved[1] - moved[0]) / 2)
    known = int(pairs.accepted.sum())
    source = (
        f"{known} eigenvalues, tr H ≈ {number(trace)} ± {error:.1g} and ‖H‖_F ≈ {number(math.sqrt(max(square, 0)))}"
    )
    return Prediction(law, shares, errors, trace, error, False, _how(found, source))


def _with_flat(found: SliceProbabilities) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and errors with what is left over for flat."""
    rest = max(0.0, 1.0 - float(found.simulated.sum()))
    error = math.sqrt(max(rest, 0.5 / found.draws) * (1 - min(rest, 1.0)) / found.draws)
    return np.append(found.simulated, rest), np.append(found.standard_error, error)


def _how(found: SliceProbabilities, source: str) -> str:
    law = ", an approximate law" if found.approximation else ""
    start = f"Predicted by simulating {found.draws:,} slices from {source}{law}."
    gives = f"P(saddle) = {number(float(found.asymptotic[2]), 2)}"
    if found.gaussian_holds:
        return f"{start} The Gaussian formula holds, and gives {gives}."
    return f"{start} {found.words.split('. ')[0].rstrip('.')}. It would give {gives}."


def number(value: float, digits: int = 3) -> str:
    """A number for a reader: thousands with a comma, powers of ten, a true minus.

    >>> number(1234.5), number(-0.01234), number(200.0), number(3.2e-05, 2), number(0.0)
    ('1,234', '−0.0123', '200', '3.2·10⁻⁵', '0')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    if value == 0 or abs(value) >= 1e-4:
        return f"{value:.{digits}g}".replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".replace("-", "−").split("e")
    return f"{mantissa}·10{str(int(exponent.replace('−', '-'))).translate(_RAISED)}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _draws(law: SliceLaw) -> int:
    return int(np.clip(MOST_NORMALS // len(law.values), 2_000, SIMULATED))
