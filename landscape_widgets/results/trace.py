"""Results about the trace of a matrix: an estimate, its error, and both against the cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from landscape_widgets.errors import Outcome
from landscape_widgets.results.base import Result


def _empty() -> np.ndarray:
    return np.zeros(0)


@dataclasses.dataclass(frozen=True, eq=False)
class TraceEstimate(Result):
    """The trace of a symmetric matrix, with its error and how both came about.

    One axis of cost for every method: gradient evaluations over the whole data. That a loss evaluation is 1/3 and a
    Hessian-vector product 2 of them is a convention, from forward : backward ≈ 1 : 2; `make operators` measured
    products at 1.8 to 2.2 gradients, more for convolutions with BatchNorm.

    Parameters
    ----------
    value : the estimate; NaN before the first one, and where the computation met NaN or infinity.
    standard_error : estimated standard deviation of `value`; NaN before there are two probes.
    interval : (lo, hi) around `value`, of the kind below; (NaN, NaN) before there are two probes.
    interval_kind : "Student t, 95 %" (a confidence interval of the mean over probes), "error estimate" (value ± one
        standard error, with no stated confidence), or "exact" (to rounding).
    method : "Hutchinson", "Hutch++", "XTrace", "loss differences" or "unit vectors".
    probes, products, evaluations : random vectors used up, products and loss evaluations begun.
    cost : of all products and evaluations so far, in gradient evaluations.
    outcome : "complete", "not finite" (`caution` says at which vector), "running" in a partial result.
    seed : of the random vectors.
    cost_history, value_history, error_history : (n,), one entry an estimate, in order, to draw value ± error by cost.
    exact_part : the share of `value` that is not sampled: the trace on a deflated or a sketched space.
    exact_part_error : bound on the error of `exact_part`, the sum of the residuals where given eigenvalues were
        taken as they are; 0 where the part was multiplied out.
    step : h of second differences θ ± hη, a displacement of about h√P; NaN for other methods.
    truncation, rounding : of second differences at `step`, the estimated errors that more probes do not remove:
        of the expansion and of floating-point numbers, in the unit of `value`; 0 for other methods.
    caution : what a reader must know before believing the value, in sentences; "" for nothing.
    done, total : pieces of work (products or evaluations) done and in all, as far as it is known.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]
    interval_kind: str
    method: str
    probes: int
    products: int
    evaluations: int
    cost: float
    outcome: Outcome
    seed: int
    cost_history: Float[np.ndarray, " n"] = dataclasses.field(default_factory=_empty)
    value_history: Float[np.ndarray, " n"] = dataclasses.field(default_factory=_empty)
    error_history: Float[np.ndarray, " n"] = dataclasses.field(default_factory=_empty)
    exact_part: float = 0.0
    exact_part_error: float = 0.0
    step: float = float("nan")
    truncation: float = 0.0
    rounding: float = 0.0
    caution: str = ""
    done: int = 0
    total: int = 0
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)
