"""Losses of several points in one call against one call a point, and what is not taken in one call."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_check import UnequalError
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.fast_losses import (
    plain_cross_entropy,
    point_of,
    points_loss,
    verify_points_loss,
)
from landscape_widgets.compute.fast_points_choice import points_steps
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.results import Direction

ORACLE = "one call of the loss a point"


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


CLASSES = torch.arange(40) % 3
IGNORED = torch.where(torch.arange(40) < 7, -100, CLASSES)


def squared(outputs, targets):
    return (functional.one_hot(targets, 3) - outputs).square().mean()


def unmappable(outputs, targets):
    return functional.cross_entropy(outputs, targets) * float(outputs.sum() >= -1e9)


LOSSES = {
    "cross_entropy": (functional.cross_entropy, CLASSES),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), CLASSES),
    "weights": (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), CLASSES),
    "smoothing": (nn.CrossEntropyLoss(label_smoothing=0.1), CLASSES),
    "another target ignored": (nn.CrossEntropyLoss(ignore_index=1), CLASSES),
    "some ignored": (nn.CrossEntropyLoss(), IGNORED),
    "probabilities": (functional.cross_entropy, normal(40, 3, seed=4).softmax(1)),
    "squared": (squared, CLASSES),
    "MSELoss": (nn.MSELoss(), normal(40, 3, seed=5)),
}


def problem(loss, targets):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    return Objective(model, loss, (normal(40, 5, seed=1), targets))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_in_one_call_are_those_of_one_call_each(name, right):
    loss, targets = LOSSES[name]
    objective, outputs = problem(loss, targets), 3 * normal(6, 40, 3, seed=2)
    expected = torch.stack([loss(own, targets) for own in outputs])
    found = points_loss(objective, outputs, targets)
    error = float(((found - expected) / expected).abs().max())
    right.record("losses of several points in one call", ORACLE, error, 1e-12, len(outputs))
    verify_points_loss(objective, outputs, targets)


@pytest.mark.parametrize("name", LOSSES)
def test_only_the_plain_mean_is_taken_by_its_formula(name):
    loss, _ = LOSSES[name]
    plain = ("cross_entropy", "CrossEntropyLoss", "some ignored", "probabilities")
    assert plain_cross_entropy(loss) is (name in plain)


def test_a_hook_of_the_loss_is_respected():
    loss = nn.CrossEntropyLoss()
    loss.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert not plain_cross_entropy(loss)


def test_an_infinite_score_gives_what_one_call_gives():
    objective, outputs = problem(functional.cross_entropy, CLASSES), normal(3, 40, 3)
    outputs[1, 0, 0], outputs[2, 0, 1] = float("inf"), float("-inf")
    expected = torch.stack([functional.cross_entropy(own, CLASSES) for own in outputs])
    torch.testing.assert_close(points_loss(objective, outputs, CLASSES), expected, rtol=1e-12, atol=0, equal_nan=True)


def test_a_loss_that_mixes_the_points_is_caught():
    """The negative control: a loss that looks through the mapping gives another value for every point."""
    objective = problem(squared, CLASSES)
    calls = []

    def forgetful(outputs, targets):
        calls.append(0)
        return squared(outputs, targets) * (1 + 1e-9 * len(calls))

    objective.loss_function = forgetful
    with pytest.raises(UnequalError, match="outputs differ"):
        verify_points_loss(objective, normal(4, 40, 3), CLASSES)


def test_a_loss_that_reads_a_number_is_called_for_each_point(monkeypatch):
    monkeypatch.setattr("landscape_widgets.compute.fast_points_choice.WORTH", 0.0)
    monkeypatch.setattr("landscape_widgets.compute.fast_points_choice.TINY", float("inf"))
    monkeypatch.setattr("landscape_widgets.compute.fast_points_choice.GAIN", float("inf"))
    plans = {loss: finished(points_steps(problem(loss, CLASSES), 2401, 0)) for loss in (unmappable, squared)}
    assert plans[unmappable].points > 1
    assert not plans[unmappable].losses
    assert plans[squared].losses


def test_metrics_see_one_point_at_a_time(right):
    def accuracy(outputs, targets):
        assert outputs.shape == (40, 3)
        return float((outputs.argmax(1) == targets).double().mean())

    objective = problem(functional.cross_entropy, CLASSES)
    objective.metrics = {"accuracy": accuracy}
    pair = [Direction(normal(objective.size, seed=seed).numpy(), "d", "raw", "test") for seed in (7, 8)]
    points = [(0.0, 0.0), (0.5, -1.0), (2.0, 1.0)]
    found = finished(PointEvaluator(objective, pair, FastPlan(points=3, losses=True)).many(points))
    plain = finished(PointEvaluator(objective, pair).many(points))
    assert [own["accuracy"] for own in found] == [own["accuracy"] for own in plain]
    both = np.array([[own["loss"] for own in values] for values in (found, plain)])
    error = np.max(np.abs(both[0] / both[1] - 1))
    right.record("losses of several points in one call", ORACLE, float(error), 1e-12, len(points))


def test_outputs_of_one_point_are_cut_from_every_tensor():
    nested = {"scores": torch.eye(3), "rest": (torch.ones(3, 2), 7)}
    own = point_of(nested, 2)
    assert own["scores"].tolist() == [0.0, 0.0, 1.0]
    assert own["rest"][0].shape == (2,)
    assert own["rest"][1] == 7
