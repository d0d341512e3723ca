"""T5: batches of 32, 32, 32 and 7 samples in float64, one product against double backward over all samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.peers.problems import batches_of, normal, small_problem
from benchmarks.peers.tasks.products import PRODUCTS
from benchmarks.peers.verdict import Verdict, relative, within

TITLE = "T5 last batch smaller"
WHAT = "one Hessian-vector product in float64 over batches of 32, 32, 32 and 7"
CASES = ("",)
TIMED = False
BOUND = 1e-12
FLOOR = "floor: double backward"


def _arm(name: str, quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = small_problem()
    batches = batches_of((data[0][:103], data[1][:103]), 32)
    product = PRODUCTS[name](model, batches)
    vector = normal(sum(p.numel() for p in model.parameters()), seed=5).double()
    return lambda: {"values": product(vector).detach(), "products": 1}


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Every package."""
    return {name: functools.partial(_arm, name) for name in PRODUCTS}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Relative error of the product."""
    expected = values.get(FLOOR)
    if expected is None:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    return {
        arm: Verdict("the reference", None) if arm == FLOOR else within(relative(found, expected), BOUND)
        for arm, found in values.items()
    }
