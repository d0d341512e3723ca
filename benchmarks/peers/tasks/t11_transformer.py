"""T11: a stock transformer on the CPU with default settings: one product, or the error it ends in."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.peers.problems import normal, token_problem
from benchmarks.peers.tasks.products import PRODUCTS
from benchmarks.peers.tasks.t05_uneven import FLOOR
from benchmarks.peers.verdict import Verdict, relative, within

TITLE = "T11 a stock transformer, default settings"
WHAT = "one Hessian-vector product in float64 and no attention back end chosen; the LayerNorms are made affine"
CASES = ("",)
TIMED = False
BOUND = 1e-10
CHOSEN = " with attention chosen"
"""For a peer that cannot do without: the back end that allows second derivatives, chosen by the caller."""


def _arm(name: str, quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = token_problem(16, 16)
    model = model.double()
    for number, module in enumerate(module for module in model.modules() if isinstance(module, nn.LayerNorm)):
        module.weight.data += 0.3 * normal(16, seed=number).double()
    vector = normal(sum(p.numel() for p in model.parameters()), seed=5).double()
    product = PRODUCTS[name.removesuffix(CHOSEN)](model, [data])

    def run() -> dict[str, Any]:
        with sdpa_kernel(SDPBackend.MATH) if name.endswith(CHOSEN) else contextlib.nullcontext():
            return {"values": product(vector).detach(), "products": 1}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Every package."""
    return {name: functools.partial(_arm, name) for name in (*PRODUCTS, "curvlinops" + CHOSEN)}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Relative error of the product."""
    expected = values.get(FLOOR)
    if expected is None:
        return {arm: Verdict("nothing to compare with", None) for arm in values}
    return {
        arm: Verdict("the reference", None) if arm == FLOOR else within(relative(found, expected), BOUND)
        for arm, found in values.items()
    }
