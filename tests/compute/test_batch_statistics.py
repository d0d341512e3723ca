"""BatchNorm statistics recomputed at every point, and the loss of every sample, against torch's own."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import landscape_widgets as lw
from landscape_widgets.errors import InputError, ModelError


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    model = model.double()
    model(torch.randn(50, 1, 6, 6, dtype=torch.float64))
    inputs = torch.randn(40, 1, 6, 6, dtype=torch.float64)
    targets = torch.randint(0, 3, (40,))
    batches = [(inputs[:16], targets[:16]), (inputs[16:32], targets[16:32]), (inputs[32:], targets[32:])]
    return model.eval(), batches


def torch_s_own(model, batches, flat):
    """The loss at θ after torch's update_bn on a copy, samples weighted alike."""
    moved = copy.deepcopy(model)
    nn.utils.vector_to_parameters(flat, moved.parameters())
    torch.optim.swa_utils.update_bn([inputs for inputs, _ in batches], moved)
    moved.eval()
    with torch.no_grad():
        total = sum(nn.functional.cross_entropy(moved(x), y, reduction="sum") for x, y in batches)
    return float(total) / sum(len(y) for _, y in batches)


def test_recomputed_statistics_equal_update_bn_on_a_grid(parts, right):
    model, batches = parts
    objective = lw.Objective(model, nn.CrossEntropyLoss(), batches, batch_norm="recomputed")
    frozen = lw.Objective(model, nn.CrossEntropyLoss(), batches)
    plane = [lw.directions.random(objective, seed) for seed in (0, 1)]
    surface = lw.GridEvaluator(objective, plane, resolution=7).run()
    one, two = (torch.as_tensor(direction.vector) for direction in plane)
    expected = np.array(
        [
            [torch_s_own(model, batches, objective.center + a * one + b * two) for a in surface.alpha]
            for b in surface.beta
        ]
    )
    error = np.abs(surface.loss - expected).max() / np.abs(expected).max()
    right.record("BatchNorm recomputed at every point", "torch.optim.swa_utils.update_bn", error, 1e-12, cases=49)
    assert error <= 1e-12
    assert np.abs(lw.GridEvaluator(frozen, plane, resolution=7).run().loss - expected).max() > 1e-3  # negative control
    assert objective.loss() == pytest.approx(surface.loss[3, 3], rel=1e-14)


def test_the_model_and_later_losses_are_as_before(parts):
    model, batches = parts
    before = copy.deepcopy(model.state_dict())
    objective = lw.Objective(model, nn.CrossEntropyLoss(), batches, batch_norm="recomputed")
    first = objective.loss()
    objective.loss(objective.center * 1.5)
    assert objective.loss() == first
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_derivatives_are_refused(parts):
    model, batches = parts
    objective = lw.Objective(model, nn.CrossEntropyLoss(), batches, batch_norm="recomputed")
    with pytest.raises(ModelError, match="expected frozen BatchNorm statistics for a derivative"):
        objective.gradient()
    with pytest.raises(ModelError, match="expected frozen BatchNorm statistics for a derivative"):
        lw.HessianOperator(objective) @ objective.center
    with pytest.raises(InputError, match='expected batch_norm as "frozen" or "recomputed"'):
        lw.Objective(model, nn.CrossEntropyLoss(), batches, batch_norm="live")


def test_sample_losses_equal_torch_s_unreduced_loss(parts):
    model, batches = parts
    objective = lw.Objective(model, nn.CrossEntropyLoss(), batches)
    theta = objective.center + 0.1
    moved = copy.deepcopy(model)
    nn.utils.vector_to_parameters(theta, moved.parameters())
    with torch.no_grad():
        expected = torch.cat([nn.functional.cross_entropy(moved(x), y, reduction="none") for x, y in batches])
    torch.testing.assert_close(objective.sample_losses(theta), expected, rtol=1e-13, atol=0)
    assert objective.sample_losses(theta).mean().item() == pytest.approx(objective.loss(theta), rel=1e-13)
