"""The same classes on CUDA give the same numbers as on the CPU (run with `pytest -m gpu` where there is a device)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import landscape_widgets as lw
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.objective import finished
from landscape_widgets.compute.preview import PreviewGrid

pytestmark = pytest.mark.gpu


@pytest.fixture
def pair():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4)).double()
    data = (torch.randn(103, 6, dtype=torch.float64), torch.randint(0, 4, (103,)))
    loss = nn.CrossEntropyLoss()
    return [lw.Objective(model, loss, data, batch_size=32, device=device) for device in ("cpu", "cuda")]


def test_loss_gradient_and_products_agree(pair):
    cpu, cuda = pair
    assert cuda.center.is_cuda
    assert cuda.loss() == pytest.approx(cpu.loss(), rel=1e-12)
    torch.testing.assert_close(cuda.gradient().cpu(), cpu.gradient(), rtol=1e-10, atol=1e-14)
    v = np.random.default_rng(0).normal(size=cpu.size)
    np.testing.assert_allclose(lw.HessianOperator(cuda) @ v, lw.HessianOperator(cpu) @ v, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(lw.GaussNewtonOperator(cuda) @ v, lw.GaussNewtonOperator(cpu) @ v, rtol=1e-9, atol=1e-12)


def test_a_seed_means_the_same_direction_and_grid(pair):
    surfaces = []
    for objective in pair:
        plane = [lw.directions.random(objective, seed) for seed in (0, 1)]
        surfaces.append(lw.GridEvaluator(objective, plane, resolution=7).run())
    np.testing.assert_allclose(surfaces[1].loss, surfaces[0].loss, rtol=1e-12)


@pytest.mark.parametrize("plan", [FastPlan(), FastPlan(points=16, first="0")])
def test_every_path_of_a_grid_agrees(pair, plan):
    values = []
    points = [(0.1 * index - 1.0, 0.5) for index in range(20)]
    for objective in pair:
        plane = [lw.directions.random(objective, seed) for seed in (0, 1)]
        evaluator = PointEvaluator(objective, plane, plan)
        assert evaluator.together is (objective.device.type == "cuda" or plan.points > 1)
        values.append([found["loss"] for found in finished(evaluator.many(points))])
    np.testing.assert_allclose(values[1], values[0], rtol=1e-12)


def test_the_path_chosen_for_images_agrees():
    surfaces = []
    model = lw.zoo.lenet(28).double().eval()
    images = torch.randn(256, 1, 28, 28, dtype=torch.float64), torch.randint(0, 10, (256,))
    for device in ("cpu", "cuda"):
        objective = lw.Objective(model, nn.CrossEntropyLoss(), images, device=device)
        plane = [lw.directions.random(objective, seed) for seed in (0, 1)]
        surfaces.append(lw.GridEvaluator(objective, plane, resolution=25).run())
    np.testing.assert_allclose(surfaces[1].loss, surfaces[0].loss, rtol=1e-11)


def test_a_grid_copies_no_value_to_the_host_between_points(pair, monkeypatch):
    objective = pair[1]
    plane = [lw.directions.random(objective, seed) for seed in (0, 1)]
    evaluator = PointEvaluator(objective, plane)
    finished(evaluator.many([(0.0, 0.0)]))  # warm up
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")  # any copy that waits for the device raises
    try:
        steps = evaluator.many([(0.1, 0.2), (0.3, 0.4), (0.5, 0.6)])
        next(steps), next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_eigenpairs_agree(pair):
    cpu, cuda = (lw.Lanczos(lw.HessianOperator(objective), 2, 2, tol=1e-8).run() for objective in pair)
    assert cuda.outcome is lw.Outcome.CONVERGED
    np.testing.assert_allclose(cuda.values, cpu.values, rtol=1e-8)


def test_data_left_on_the_cpu_is_refused():
    model = nn.Linear(2, 1).cuda()
    with pytest.raises(lw.InputError, match="expected data on the model's device cuda"):
        lw.Objective(model, nn.MSELoss(), (torch.ones(4, 2), torch.ones(4, 1)))


def test_a_preview_gives_way_to_the_same_exact_values(pair):
    cpu, cuda = pair
    plane = [lw.directions.random(cuda, seed) for seed in (0, 1)]
    surfaces = list(PreviewGrid(cuda, plane, resolution=13, gain=0, error=0.5, path="plain").stream())
    estimates = [surface.estimate for surface in surfaces if surface.estimate is not None]
    assert {estimate.kind for estimate in estimates} == {"bfloat16 preview"}
    np.testing.assert_allclose(surfaces[-1].loss, lw.GridEvaluator(cpu, plane, resolution=13).run().loss, rtol=1e-12)
    exact = surfaces[-1].loss
    assert np.abs(estimates[0].values[::2, ::2] - exact[::2, ::2]).max() < 0.05 * np.ptp(exact)
