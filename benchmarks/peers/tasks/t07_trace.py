"""T7: the trace from 99 products, root mean square error over seeds."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.problems import Samples, dense_hessian, small_problem
from benchmarks.peers.tasks import products
from benchmarks.peers.verdict import Verdict

TITLE = "T7 trace from 99 products"
WHAT = "float64, 754 parameters; time of one estimate, root mean square error over the seeds, six more every run"
CASES, QUICK = ("Hutchinson", "Hutch++", "XTrace"), ("XTrace",)
TIMED = True
BUDGET, SEEDS = 99, 6
ORACLE = "floor: dense Hessian"
Estimate = Callable[[int], float]


def ours(case: str, model: nn.Module, data: Samples) -> Estimate:
    """Ours, as many products as asked, of signs where the peers draw signs."""
    import landscape_widgets as lw

    operator = lw.HessianOperator(lw.Objective(model, nn.CrossEntropyLoss(), data))
    kinds: dict[str, Callable[[int], Any]] = {
        "Hutchinson": lambda seed: lw.HutchinsonTrace(operator, BUDGET, seed, "rademacher"),
        "Hutch++": lambda seed: lw.HutchPlusPlusTrace(operator, BUDGET, seed, "rademacher"),
        "XTrace": lambda seed: lw.XTrace(operator, BUDGET, seed),
    }
    return lambda seed: kinds[case](seed).run().value


def curvlinops(case: str, model: nn.Module, data: Samples) -> Estimate:
    """Its estimators; they draw from torch's global generator."""
    from curvlinops import hutchinson_trace, hutchpp_trace, xtrace

    operator = products.curvlinops_operator(model, [data])
    kind, budget = {
        "Hutchinson": (hutchinson_trace, BUDGET),
        "Hutch++": (hutchpp_trace, BUDGET),
        "XTrace": (xtrace, BUDGET - 1),
    }[case]

    def estimate(seed: int) -> float:
        torch.manual_seed(seed)
        return float(kind(operator, num_matvecs=budget))

    return estimate


def eigenthings(case: str, model: nn.Module, data: Samples) -> Estimate:
    """Hutchinson and Hutch++."""
    from hessian_eigenthings import trace

    operator = products.eigenthings_operator(model, [data])
    method = {"Hutchinson": "hutchinson", "Hutch++": "hutch++"}[case]
    return lambda seed: trace(operator, num_matvecs=BUDGET, method=method, seed=seed).estimate


def pyhessian(case: str, model: nn.Module, data: Samples) -> Estimate:
    """Hutchinson, its own stopping switched off."""
    own = products.pyhessian_object(model, [data])

    def estimate(seed: int) -> float:
        torch.manual_seed(seed)
        return float(np.mean(own.trace(maxIter=BUDGET, tol=0.0)))

    return estimate


def oracle(case: str, model: nn.Module, data: Samples) -> Estimate:
    """The exact trace."""
    return lambda seed: float(dense_hessian(model, data).trace())


def _arm(make: Callable[[str, nn.Module, Samples], Estimate], case: str, quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = small_problem()
    estimate = make(case, model, data)
    values: list[float] = []
    seeds, products_spent = (1, sum(p.numel() for p in model.parameters())) if make is oracle else (SEEDS, BUDGET)

    def run() -> dict[str, Any]:
        started = time.perf_counter()
        values.extend(estimate(seed) for seed in range(len(values), len(values) + seeds))
        return {"seconds": (time.perf_counter() - started) / seeds, "values": values, "products": products_spent}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Who offers the estimator."""
    own = {"ours": ours, "curvlinops": curvlinops, "hessian-eigenthings": eigenthings, "pyhessian": pyhessian}
    if case != "Hutchinson":
        del own["pyhessian"]
    if case == "XTrace":
        del own["hessian-eigenthings"]
    return {name: functools.partial(_arm, make, case) for name, make in (own | {ORACLE: oracle}).items()}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Root mean square relative error; a mean five standard errors off is wrong."""
    if ORACLE not in values:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    exact = float(values[ORACLE][0])
    verdicts = {}
    for arm, own in values.items():
        found = np.asarray(own, dtype=float)
        error = float(np.sqrt(np.mean((found / exact - 1) ** 2)))
        bias = abs(found.mean() - exact)
        right = bool(bias <= 5 * found.std(ddof=1) / len(found) ** 0.5 + 1e-9 * abs(exact))
        words = f"rms error {100 * error:.2f} %, {len(found)} seeds" + ("" if right else f", biased by {bias:.2g}")
        verdicts[arm] = Verdict("the reference", None) if arm == ORACLE else Verdict(words, right)
    return verdicts
