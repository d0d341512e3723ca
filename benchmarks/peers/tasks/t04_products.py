"""T4: a Hessian-vector product in gradients, three models."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.peers.problems import Samples, classes, image_problem, normal, perceptron, token_problem
from benchmarks.peers.tasks.products import PRODUCTS
from benchmarks.peers.verdict import Verdict, relative, within

TITLE = "T4 Hessian-vector product"
WHAT = (
    "median of 3 interleaved with gradients of the same process; peers get the attention that allows second derivatives"
)
CASES = ("MLP", "ResNet-20", "transformer")
TIMED = True
LIMIT = 600
BOUND = 1e-3
FLOOR = "floor: double backward"
KEPT = 400


def problem(case: str, quick: bool) -> tuple[nn.Module, Samples]:
    """A model with one batch."""
    if case == "MLP":
        torch.manual_seed(0)
        count = 512 if quick else 1797
        return perceptron(64, 300, 256, 10), (normal(count, 64), classes(10, count))
    if case == "ResNet-20":
        return image_problem(16, 16) if quick else image_problem(64, 32)
    return token_problem(32, 64) if quick else token_problem(64, 128)


def _arm(name: str, case: str, quick: bool) -> Callable[[], dict[str, Any]]:
    model, data = problem(case, quick)
    size = sum(parameter.numel() for parameter in model.parameters())
    vector = normal(size, seed=5) / size**0.5
    parameters = list(model.parameters())

    def gradient() -> None:
        torch.autograd.grad(nn.functional.cross_entropy(model(data[0]), data[1]), parameters)

    with sdpa_kernel(SDPBackend.MATH):
        product = PRODUCTS[name](model, [data])
        product(vector)

    def run() -> dict[str, Any]:
        times: list[list[float]] = [[], []]
        with sdpa_kernel(SDPBackend.MATH):
            for _ in range(3):
                for place, call in enumerate((gradient, lambda: product(vector))):
                    started = time.perf_counter()
                    call()
                    times[place].append(time.perf_counter() - started)
            found = product(vector).detach()
        one, own = (statistics.median(each) for each in times)
        # every 1/400 of the entries, then the length, which the entries left out enter too
        values = [*found[:: max(1, size // KEPT)].tolist(), float(found.norm())]
        return {"seconds": own, "gradients": own / one, "values": values, "products": 1}

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Every package."""
    return {name: functools.partial(_arm, name, case) for name in PRODUCTS}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """The product against the plain double backward, entries and length."""
    verdicts, expected = {}, values.get(FLOOR)
    for arm, found in values.items():
        if expected is None:
            verdicts[arm] = Verdict("nothing to compare with", None)
            continue
        error = max(relative(found[:-1], expected[:-1]), relative(found[-1:], expected[-1:]))
        verdicts[arm] = Verdict("the reference", None) if arm == FLOOR else within(error, BOUND)
    return verdicts
