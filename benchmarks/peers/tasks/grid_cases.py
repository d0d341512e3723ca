"""The problems of T2: where the forward pass is all, and where the cost of a point is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from torch import nn

from benchmarks.peers.problems import Samples, flat_problem, image_problem, letter_problem

RESNET, LENET = "ResNet-20 with BatchNorm", "LeNet with BatchNorm"
MLP, TINY = "large-batch perceptron", "tiny perceptron"
CASES = (RESNET, LENET, MLP, TINY)
WHOLE = f"{RESNET}, 25 x 25 points on 512 images"


@dataclasses.dataclass(frozen=True)
class Grid:
    """Points an axis, and the model with its data."""

    count: int
    words: str
    make: Callable[[], tuple[nn.Module, Samples]]

    def __str__(self) -> str:
        return f"{self.count} x {self.count} points, {self.words}"


def grid(case: str, quick: bool) -> Grid:
    """The grid of a case; the peers' times are those of a point, so that few points do."""
    if case == WHOLE:
        return Grid(25, "512 images of 32 x 32", functools.partial(image_problem, 512, 32))
    if case == RESNET:
        return Grid(3 if quick else 5, "128 images of 32 x 32", functools.partial(image_problem, 128, 32))
    if case == LENET:
        return Grid(3 if quick else 7, "2048 images of 28 x 28", functools.partial(letter_problem, 2048))
    if case == MLP:
        words = "1797 vectors, 99,160 parameters"
        return Grid(9 if quick else 17, words, functools.partial(flat_problem, 1797, 64, 300, 256))
    return Grid(25 if quick else 49, "64 vectors, 2,410 parameters", functools.partial(flat_problem, 64, 64, 32))
