"""Small classifiers trained in many ways to one training loss: curvature against the generalisation gap."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import landscape_widgets as lw

from .records import FOLDER, machine, note

COMMAND = "python -m notebooks.recorded.classifiers flatness"
SIZES, SAMPLES, TARGET, EPOCHS = (64, 32, 10), 300, 0.02, 1000
BATCHES, RATES, SEEDS = (4, 32, 300), (0.01, 0.05), (0, 1, 2)

Samples = tuple[Tensor, Tensor]


def data() -> tuple[Samples, Samples]:
    """The first 300 training digits of the split, and its 360 test digits."""
    train, test = lw.zoo.digits_split(seed=0)
    return (train[0][:SAMPLES], train[1][:SAMPLES]), test


def train_to(model: nn.Module, train: Samples, batch: int, rate: float, seed: int) -> tuple[nn.Module, int]:
    """Train until the loss over all training samples is at most 0.02; the network, and the epochs it took."""
    loss = nn.CrossEntropyLoss()
    training = lw.TrainingStream(
        model, loss, train, batch_size=batch, epochs=EPOCHS, lr=rate, momentum=0.9, seed=seed, threads=1
    )
    stream = training.stream()
    for step in stream:
        if step.step % training.steps_per_epoch == 0:
            training.model.eval()
            with torch.no_grad():
                if loss(training.model(train[0]), train[1]).item() <= TARGET:
                    break
            training.model.train()
    stream.close()
    return training.model.eval(), step.epoch


def measure(model: nn.Module, train: Samples, test: Samples) -> dict[str, float]:
    """λ_max and λ_min with residuals, the exact trace over P, and the gap between test and training loss."""
    objective = lw.Objective(model, nn.CrossEntropyLoss(), train)
    operator = lw.HessianOperator(objective)
    pairs = lw.Lanczos(operator, 1, 1, tol=1e-3, seed=0).run()
    held_out = lw.Objective(model, nn.CrossEntropyLoss(), test)
    return {
        "training loss": objective.loss(),
        "test loss": held_out.loss(),
        "gap": held_out.loss() - objective.loss(),
        "lambda max": float(pairs.values[0]),
        "lambda min": float(pairs.values[-1]),
        "residual max": float(pairs.residuals[0]),
        "residual min": float(pairs.residuals[-1]),
        "mean curvature": float(lw.exact_trace(operator).value) / objective.size,
        "gradient norm": float(objective.gradient().norm()),
    }


def record() -> None:
    """Train and measure every combination, and write the weights beside the numbers."""
    train, test = data()
    rows: dict[str, Any] = {}
    weights: dict[str, Tensor] = {}
    for batch, rate, seed in itertools.product(BATCHES, RATES, SEEDS):
        model, epochs = train_to(lw.zoo.mlp(SIZES, seed=seed), train, batch, rate, seed)
        name = f"batch {batch}, rate {rate}, seed {seed}"
        rows[name] = {"batch": batch, "rate": rate, "seed": seed, "epochs": epochs, **measure(model, train, test)}
        weights |= {f"{name}/{key}": value.contiguous() for key, value in model.state_dict().items()}
        print(f"flatness: {name}: {epochs} epochs, {rows[name]['lambda max']:.3g}, {rows[name]['gap']:.3g}", flush=True)
    path = FOLDER / "flatness.safetensors"
    save_file(weights, path)
    facts = {"nets": rows, "sizes": SIZES, "target": TARGET, "training samples": SAMPLES, "machine after": machine()}
    note(path, COMMAND, min(SEEDS), facts)
