"""Cost of operator products in gradient evaluations, medians of interleaved repeats: `make operators`."""

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.base import SymmetricOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.torch_state import math_attention

REPEATS = 9


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution with BatchNorm and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Transformer(nn.Module):
    """Two stock encoder layers over 64 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, 64)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of a sequence."""
        logits: torch.Tensor = self.head(self.encoder(self.embedding(tokens)).mean(1))
        return logits


def cases() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]]:
    """Four models with data."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    widths = (64, 256, 256, 64, 10)
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
    net = nn.Sequential(
        *(convolution(*shape) for shape in ((3, 16), (16, 16), (16, 32, 2), (32, 32))),
        nn.Flatten(),
        nn.Linear(32 * 256, 10),
    )

    lenet = nn.Sequential(
        *(nn.Conv2d(1, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 49, 48), nn.ReLU(), nn.Linear(48, 10)),
    )

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def classes(count: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, count, shape, generator=generator)

    return {
        "MLP, N=1797": (nn.Sequential(*layers[:-1]), (normal(1797, 64), classes(10, 1797))),
        "conv + BatchNorm, N=64": (net, (normal(64, 3, 32, 32), classes(10, 64))),
        "LeNet + BatchNorm, N=128": (lenet, (normal(128, 1, 28, 28), classes(10, 128))),
        "transformer, 64 x 32 tokens": (Transformer(), (classes(64, 64, 32), classes(64, 64))),
    }


def ratios(tasks: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median ratio of every task to the first, repeats interleaved."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(REPEATS + 1):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if turn:
                times[name].append(time.perf_counter() - started)
    unit = next(iter(times.values()))
    return {
        name: statistics.median(own / one for own, one in zip(taken, unit, strict=True))
        for name, taken in times.items()
    }


def alone(objective: Objective, vector: torch.Tensor) -> Callable[[], Any]:
    """The floor: one `autograd.grad` over a graph kept on the unchanged model, and nothing else."""
    replica, batch = objective.own_replica(), objective.batches.first
    with math_attention():
        loss, _ = objective.forward(replica, batch)
        gradients = torch.autograd.grad(loss, replica.parameters, create_graph=True)
    pieces = objective.layout.split(vector)
    return lambda: torch.autograd.grad(gradients, replica.parameters, pieces, retain_graph=True)


def products(objective: Objective) -> dict[str, Callable[[], Any]]:
    """A gradient, then the columns of the table."""
    vector = torch.randn(objective.size, generator=torch.Generator().manual_seed(1))
    operators: dict[str, SymmetricOperator] = {
        "H, graph kept": HessianOperator(objective),
        "H, nothing folded": HessianOperator(objective, fold=False),
        "G, graph kept": GaussNewtonOperator(objective),
        "H, built anew": HessianOperator(objective, graph_memory=0),
        "G, built anew": GaussNewtonOperator(objective, graph_memory=0),
    }
    tasks = {name: functools.partial(own.__matmul__, vector) for name, own in operators.items()}
    return {"gradient": objective.gradient, "autograd alone": alone(objective, vector), **tasks}


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    for place, (name, (model, data)) in enumerate(cases().items()):
        objective = Objective(model.eval(), nn.CrossEntropyLoss(), data, batch_size=len(data[0]))
        found = ratios(products(objective))
        if not place:
            header = ["model", "parameters", *list(found)[1:]]
            print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
        cells = [f"{ratio:.2f}" for ratio in list(found.values())[1:]]
        print("| " + " | ".join([name, f"{objective.size:,}", *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
