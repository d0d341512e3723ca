"""Image classifiers from the zoo: trained briefly, then both ends of the spectrum and two slices each.

`python -m notebooks.recorded.classifiers` records all; names behind it record those only
(resnet56, resnet56-plain, vgg9, densenet121, flatness). CIFAR-10 is used where its files lie in the
folder that the environment variable CIFAR10 names, else digits resized to 32 × 32 pixels.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

import landscape_widgets as lw

from . import flatness
from .records import FOLDER, machine, note

SEED, TRAINING, HELD_OUT, STUDIED, BATCH, RESOLUTION = 0, 256, 360, 32, 8, 13
TOLERANCE, BUDGET, RISE = 1e-2, 60, 1.0
COMMAND = "python -m notebooks.recorded.classifiers"
GRAPH_MEMORY = 5 * 2**30
"""Bytes of retained graphs: a product then costs two gradients instead of five, and 8 GB suffice."""

Samples = tuple[Tensor, Tensor]


@dataclasses.dataclass(frozen=True)
class Net:
    """A network of the zoo and how long it is trained."""

    title: str
    make: Callable[[], nn.Module]
    epochs: int
    probes: int = 20
    random_resolution: int = RESOLUTION


NETS = {
    "resnet56": Net("ResNet-56, with skips", lambda: lw.zoo.resnet56("A", seed=SEED), 6),
    "resnet56-plain": Net("ResNet-56, without skips", lambda: lw.zoo.resnet56("none", seed=SEED), 6),
    "vgg9": Net("VGG-9", lambda: lw.zoo.vgg9(seed=SEED), 4),
    "densenet121": Net("DenseNet-121", lambda: lw.zoo.densenet121(seed=SEED), 2, 4, 7),
}


def images() -> tuple[Samples, Samples, str]:
    """Training samples, held-out samples, and what they are."""
    if folder := os.environ.get("CIFAR10"):
        train, test = lw.zoo.cifar10(folder, train=True), lw.zoo.cifar10(folder, train=False)
        name = "CIFAR-10"
    else:
        inputs, targets = lw.zoo.digits_resized(32)
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(SEED))
        train = (inputs[order[HELD_OUT:]], targets[order[HELD_OUT:]])
        test = (inputs[order[:HELD_OUT]], targets[order[:HELD_OUT]])
        name = "digits resized to 32 × 32"
    return (train[0][:TRAINING], train[1][:TRAINING]), (test[0][:HELD_OUT], test[1][:HELD_OUT]), name


def trained(name: str, train: Samples) -> nn.Module:
    """The network after a short seeded training, its BatchNorm statistics taken anew over the training images.

    A few dozen steps are too few for running averages, and a network judged by them would look untrained.
    """
    net = NETS[name]
    training = lw.TrainingStream(
        net.make(), nn.CrossEntropyLoss(), train, batch_size=16, epochs=net.epochs, lr=0.05, seed=SEED
    )
    training.run()
    update_bn(train[0].split(32), training.model)
    return training.model.eval()


@torch.no_grad()
def scores(model: nn.Module, samples: Samples) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    outputs = torch.cat([model(block) for block in samples[0].split(32)])
    loss = nn.functional.cross_entropy(outputs, samples[1])
    return loss.item(), (outputs.argmax(1) == samples[1]).float().mean().item()


def studied(model: nn.Module, train: Samples, title: str) -> lw.Objective:
    """The mean loss of the first 32 training images, in batches of 8."""
    batches = list(zip(train[0][:STUDIED].split(BATCH), train[1][:STUDIED].split(BATCH), strict=True))
    return lw.Objective(model, nn.CrossEntropyLoss(), batches, name=title)


class Study:
    """Everything that is recorded of one network; every stage is timed and saved as soon as it stands."""

    def __init__(self, name: str, command: str = COMMAND) -> None:
        self.name, self.command = name, command
        self.facts: dict[str, Any] = {"title": NETS[name].title, "machine before": machine(), "seconds": {}}
        train, test, data = images()
        model = self.timed("training", lambda: trained(name, train))
        (loss, accuracy), (test_loss, test_accuracy) = scores(model, train), scores(model, test)
        self.facts |= {
            "data": data,
            "training images": len(train[1]),
            "held-out images": len(test[1]),
            "epochs": NETS[name].epochs,
            "training loss": loss,
            "training accuracy": accuracy,
            "held-out loss": test_loss,
            "held-out accuracy": test_accuracy,
            "studied images": STUDIED,
            "batch": BATCH,
        }
        self.objective = studied(model, train, NETS[name].title)
        self.operator = lw.HessianOperator(self.objective, graph_memory=GRAPH_MEMORY)
        self.facts |= {"parameters": self.objective.size, "loss": self.objective.loss()}

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        """Run a stage and keep its seconds."""
        started = time.perf_counter()
        result = work()
        self.facts["seconds"][stage] = round(time.perf_counter() - started, 2)
        print(f"{self.name}: {stage} took {self.facts['seconds'][stage]} s", flush=True)
        return result

    def save(self, kind: str, result: Any) -> None:
        """Write one result and enter it into the index."""
        path = result.save(FOLDER / f"{self.name}-{kind}.npz")
        note(path, self.command if self.command != COMMAND else f"{COMMAND} {self.name}", SEED, self.facts)

    def run(self) -> lw.Eigenpairs:
        """Eigenpairs, trace, curvature of a random slice, both surfaces; returns the eigenpairs with vectors."""
        lanczos = lw.Lanczos(self.operator, 1, 1, tol=TOLERANCE, max_products=BUDGET, seed=SEED)
        pairs: lw.Eigenpairs = self.timed("eigenpairs", lanczos.run)
        planes = lw.directions.hessian(pairs)
        chance = (lw.directions.random(self.objective, SEED), lw.directions.random(self.objective, SEED + 1))
        curvature = self.timed("random slice", lambda: lw.slice_curvature(self.operator, chance))
        trace = self.timed("trace", lambda: lw.HutchinsonTrace(self.operator, probes=NETS[self.name].probes, seed=SEED).run())
        extent = float(np.sqrt(2 * RISE / max(abs(pairs.values[0]), 1e-12)))
        grid = lw.GridEvaluator(self.objective, planes, extent=extent, resolution=RESOLUTION)
        hessian = self.timed("Hessian grid", grid.run)
        grid = lw.GridEvaluator(self.objective, chance, extent=1.0, resolution=NETS[self.name].random_resolution)
        random = self.timed("random grid", grid.run)
        self.facts |= {"machine after": machine(), "gradient norm": curvature.gradient_norm}
        vectorless = dataclasses.replace(pairs, vectors=np.empty((self.objective.size, 0), dtype=np.float32))
        for kind, result in {
            "pairs": vectorless,
            "curvature": curvature,
            "trace": trace,
            "hessian": hessian,
            "random": random,
        }.items():
            self.save(kind, result)
        return pairs


def main(names: list[str]) -> None:
    """Record the networks named, or all."""
    for name in names or [*NETS, "flatness"]:
        if name == "flatness":
            flatness.record()
        else:
            Study(name).run()


if __name__ == "__main__":
    main(sys.argv[1:])
