"""How many vectors one reverse pass over a kept graph multiplies: for small models, checked, timed, and if one, why."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from landscape_widgets.compute.clock import clock
from landscape_widgets.compute.rounding import allowed, first_line
from landscape_widgets.compute.torch_state import normal_vector

MOST, TRIED, FEWEST = 32, 16, 4
"""Vectors in one pass at most, in one that is tried, and below which none is: the gain of few is lost in the noise."""
HELD = 0.025
"""Seconds that the products of one pass may take one by one: what it may at most delay a cancel."""
MOST_BYTES = 2**26
"""Memory of one pass: that of a kept graph for every vector."""
DUE, WORTH = 48, 0.02
"""Products of one vector and one batch that must be due, and their seconds, before a choice is worth its cost."""
GAIN, CLEAR, HOPELESS = 0.9, 0.6, 2.0
"""Time of the block tried, in times of its products one by one: below which it is worth it, since wider ones are
better still; and below and above which once timed is enough."""
LARGE = "too large to share an overhead"

Multiply = Callable[[Tensor], Tensor]
"""The product of one batch with a vector (P,) or, by one reverse pass, with the columns of a matrix (P, k)."""


@dataclasses.dataclass(frozen=True)
class Width:
    """How many vectors are multiplied at a time; `reason` says why one, where several were thought of.

    >>> Width(32).words, Width(reason="no faster").words, Width().words
    ('32 vectors at a time', 'one vector at a time: no faster', 'one vector at a time')
    """

    count: int = 1
    reason: str = ""

    @property
    def words(self) -> str:
        """The width of a product, for a result."""
        if self.count > 1:
            return f"{self.count} vectors at a time"
        return f"one vector at a time: {self.reason}" if self.reason else "one vector at a time"


@dataclasses.dataclass(frozen=True)
class Sample:
    """What is known of the products of an operator before a choice.

    `seconds` of one vector and one batch, `memory` of a kept graph in bytes, and how many `batches` there are.
    """

    seconds: float
    memory: float
    batches: int

    @property
    def most(self) -> int:
        """Vectors that may go through one pass."""
        return int(min(MOST, HELD / self.seconds, MOST_BYTES / max(1.0, self.memory)))

    def pays(self, due: int) -> bool:
        """Whether a choice pays where so many vectors are due."""
        products = due * self.batches
        return products >= DUE and products * self.seconds >= WORTH


def choose_width(sample: Sample, theta: Tensor, multiply: Multiply, exact: Multiply | None) -> Width:
    """The width of a product: several vectors where that gives the same products in less time.

    A block of random vectors is multiplied at once, and its first and its last vector singly: in float64 equal up to
    1e-12; in float32 at most three times as far from float64. torch warns of an operation that it cannot map
    over vectors but takes one by one: that is no gain, and refused.

    Cost: one block or two of at most 16 vectors, two products, and where that was fast in float32 one graph in float64,
    all of one batch.

    Parameters
    ----------
    sample : what is known of the operator's products.
    theta : (P,) the point, for size, dtype and device.
    multiply : the product to try.
    exact : the same in float64; None where that is what `multiply` computes.
    """
    count = min(TRIED, sample.most)
    rows = torch.stack([normal_vector(len(theta), seed, theta.device, theta.dtype) for seed in range(count)])
    try:
        singly, plain = zip(*(_timed(multiply, rows[end]) for end in (0, -1)), strict=True)
        together, images = _timed(multiply, rows.T)
        one_by_one = count * min(singly)
        if CLEAR * one_by_one < together < HOPELESS * one_by_one:  # a first pass may take longer than others
            together = min(together, _timed(multiply, rows.T)[0])
        if together > GAIN * one_by_one:
            return Width(reason="no slower than several")
        for end, single in zip((0, -1), plain, strict=True):
            reference = single if exact is None else exact(rows[end].double())
            error = _distance(images[:, end], reference)
            bound = allowed(_distance(single, reference), single=exact is not None)
            if not error <= bound:
                return Width(reason=f"products of a block differ by {error:.1e}, allowed {bound:.1e}")
    except Exception as failure:  # noqa: BLE001 -- a model may refuse to be mapped over vectors in any way
        return Width(reason=first_line(failure))
    return Width(max(count, dataclasses.replace(sample, seconds=min(singly)).most))


def _timed(multiply: Multiply, vectors: Tensor) -> tuple[float, Tensor]:
    """Seconds of a product, and the product; a warning that it was not mapped is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*batching rule")
        started = clock(vectors.device)
        product = multiply(vectors)
        return clock(vectors.device) - started, product


def _distance(found: Tensor, exact: Tensor) -> float:
    wide = exact.double()
    length = float(torch.linalg.vector_norm(wide))
    return float(torch.linalg.vector_norm(found.double() - wide)) / (length or 1.0)
