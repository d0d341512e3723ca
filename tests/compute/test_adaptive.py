"""The adaptive grid against the full exact grid: its values, its errors, what it computes, holes, resumption."""

import concurrent.futures

import numpy as np
import pytest
import torch
from cases import COUNTER, CountingMLP, problem
from torch import nn

from landscape_widgets import zoo
from landscape_widgets.compute import directions
from landscape_widgets.compute.adaptive import AdaptiveGrid
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Surface

FULL = "the full exact grid"
PLANE = [torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)]


class Formula(nn.Module):
    """A loss over two parameters written down."""

    def __init__(self, formula):
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.formula = formula

    def forward(self, x):
        COUNTER.append(len(x))
        return self.formula(*self.theta).expand(len(x), 1)


def formula(function):
    data = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    return Objective(Formula(function), lambda outputs, targets: outputs.mean(), data)


FORMULAS = {
    "bowl": lambda a, b: 0.1 + a**2 + 3 * (b - 0.2 * a) ** 2,
    "narrow valley": lambda a, b: 0.003 + torch.log1p(40 * (b - 0.3 * a**2) ** 2) + 0.01 * (a - 0.3) ** 2,
    "kink": lambda a, b: 0.05 + (a + 0.4 * b - 0.13).abs() + 0.5 * torch.relu(b - 0.3),
    "steep": lambda a, b: torch.exp(4 * a**2 + 3 * b**2 - a * b),
    "dent": lambda a, b: 0.05 + a**2 + b**2 + 0.4 * torch.exp(-60 * ((a - 0.1) ** 2 + b**2)),
    "waves": lambda a, b: 1.5 + torch.sin(5 * a) * torch.cos(4 * b),
}


def errors(surface, exact):
    """Largest errors of what is drawn, in parts of the drawn range and of the drawn decades, from the definition."""
    drawn = surface.filled
    linear = np.abs(drawn - exact).max() / (exact.max() - exact.min())
    decades = np.log10(exact.max() / exact.min())
    return linear, np.abs(np.log10(drawn / exact)).max() / decades


def written_out(function, surface):
    """The formula over the whole grid."""
    beta, alpha = torch.meshgrid(torch.as_tensor(surface.beta), torch.as_tensor(surface.alpha), indexing="ij")
    return function(alpha, beta).numpy()


def checked(grid, right, exact=None):
    """An adaptive surface, compared with the full grid; nothing said of it may be wrong."""
    surface = grid.run()
    exact = GridEvaluator(grid.objective, grid.directions).run().loss if exact is None else exact(surface)
    known = surface.known
    worst = np.abs(surface.loss[known] - exact[known]).max() / np.abs(exact).max()
    right.record("points of an adaptive grid", FULL, worst, 1e-12, int(known.sum()))
    assert np.isnan(surface.loss[~known]).all()
    assert surface.evaluations == known.sum()
    if surface.outcome is Outcome.COMPLETE:
        assert surface.estimate is None
        assert known.all()
        return surface, exact
    assert surface.outcome is Outcome.CONVERGED
    assert surface.estimate.error <= grid.error
    for true, said in zip(
        errors(surface, exact), (surface.estimate.error_linear, surface.estimate.error_log), strict=True
    ):
        # The largest of all points may be above the largest of those held out, but not by much.
        right.record("largest error of an estimate, in parts of that asked for", FULL, true / grid.error, 1, exact.size)
        assert said <= grid.error
    ratio = max(errors(surface, exact)) / surface.estimate.error
    right.record("largest error of an estimate over that reported", FULL, ratio, 3, exact.size)
    return surface, exact


@pytest.mark.parametrize("error", [0.01, 0.002])
@pytest.mark.parametrize("name", FORMULAS)
def test_what_is_said_of_a_formulas_surface_is_true(name, error, right):
    function = FORMULAS[name]
    grid = AdaptiveGrid(formula(function), PLANE, error=error)
    surface, _ = checked(grid, right, lambda surface: written_out(function, surface))
    if error == 0.01 and name in ("bowl", "steep"):
        assert surface.evaluations < 0.03 * surface.total


def test_a_finer_level_is_computed_only_where_it_is_needed():
    surface = AdaptiveGrid(formula(FORMULAS["dent"]), PLANE).run()
    assert "through 25 × 25 points" in surface.estimate.method
    assert surface.estimate.method.endswith("of them computed")
    near = (surface.alpha[None, :] - 0.1) ** 2 + surface.beta[:, None] ** 2 < 0.4**2
    assert surface.known[near].mean() > 3 * surface.known[~near].mean()
    assert surface.evaluations < 0.2 * surface.total


@pytest.mark.parametrize("stop", [100, 200, 280])
def test_a_local_level_is_resumed_where_it_was(monkeypatch, stop):
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)
    grid = AdaptiveGrid(formula(FORMULAS["dent"]), PLANE)
    straight = grid.run()
    stream = grid.stream()
    while stream.latest is None or stream.latest.evaluations < stop:
        next(stream)
    state = stream.checkpoint()
    stream.close()
    last = list(grid.stream(resume=state))[-1]
    assert last.evaluations == straight.evaluations
    np.testing.assert_array_equal(last.known, straight.known)
    np.testing.assert_array_equal(last.filled, straight.filled)
    assert last.estimate.words == straight.estimate.words


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["MLP tanh", "MLP ReLU", "BatchNorm in eval mode"])
def test_what_is_said_of_a_nets_surface_is_true(name, seed, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data)
    plane = [directions.random(objective, 2 * seed + axis) for axis in (0, 1)]
    surface, _ = checked(AdaptiveGrid(objective, plane, seed=seed), right)
    assert surface.evaluations < 0.1 * surface.total


def test_a_constant_needs_nothing_more_than_its_first_level():
    surface = AdaptiveGrid(formula(lambda a, b: 2.0 + 0 * a), PLANE).run()
    assert surface.outcome is Outcome.CONVERGED
    assert surface.evaluations == 61
    np.testing.assert_allclose(surface.filled, 2.0)


def test_a_loss_that_is_not_positive_is_judged_in_the_linear_view():
    surface = AdaptiveGrid(formula(lambda a, b: a**2 - b**2), PLANE).run()
    assert surface.estimate.error_log is None
    assert surface.estimate.error < 1e-12
    np.testing.assert_allclose(surface.filled, surface.alpha[None, :] ** 2 - surface.beta[:, None] ** 2, atol=1e-12)


def test_a_jump_between_points_is_never_smoothed_over():  # a control: no interpolation can know where it is
    function = lambda a, b: torch.where(a > 0.137, 1.0, 0.1) + 0 * b  # noqa: E731
    surface = AdaptiveGrid(formula(function), PLANE).run()
    exact = np.where(surface.alpha > 0.137, 1.0, 0.1)
    np.testing.assert_allclose(surface.filled, np.broadcast_to(exact, (49, 49)), rtol=0.01)


def test_an_estimate_that_would_be_wrong_is_said_to_be():
    surfaces = list(AdaptiveGrid(formula(FORMULAS["waves"]), PLANE, error=0.0).stream())
    exact = surfaces[-1].loss
    first = next(surface for surface in surfaces if surface.estimate is not None)
    assert max(errors(first, exact)) > 0.05
    assert first.estimate.error > 0.05


@pytest.mark.parametrize("edge", [0.61, 0.2])
def test_holes_stay_holes_and_nothing_is_interpolated_beside_them(edge):
    objective = formula(lambda a, b: 0.2 + a**2 + b**2 + 0 * (edge - a).sqrt())  # NaN beyond the edge
    surface = AdaptiveGrid(objective, PLANE).run()
    exact = GridEvaluator(objective, PLANE).run().loss
    holes = np.isnan(exact)
    assert np.isnan(surface.filled[holes]).all()
    np.testing.assert_allclose(surface.filled[~holes], exact[~holes], rtol=0.02)
    assert surface.known[holes].all() or surface.outcome is Outcome.COMPLETE
    if surface.estimate is not None:
        beside = np.abs(surface.alpha - edge) < 0.04
        assert surface.known[:, beside].all()


def test_nothing_finite_is_said():
    objective = formula(lambda a, b: torch.where(a == 0, 1.0, torch.nan) + b)
    surface = AdaptiveGrid(objective, PLANE, extent=((0.1, 1.0), 1.0), resolution=13).run()
    assert surface.outcome is Outcome.NOT_FINITE
    assert surface.known.all()
    assert surface.estimate is None


def test_no_error_asked_for_ends_with_every_point_and_estimates_on_the_way():
    objective = formula(FORMULAS["narrow valley"])
    surfaces = list(AdaptiveGrid(objective, PLANE, error=0.0, resolution=25).stream())
    exact = GridEvaluator(objective, PLANE, resolution=25).run()
    assert surfaces[-1].outcome is Outcome.COMPLETE
    assert surfaces[-1].estimate is None
    np.testing.assert_array_equal(surfaces[-1].loss, exact.loss)
    assert any(surface.estimate is not None for surface in surfaces)
    for surface in surfaces:
        np.testing.assert_array_equal(surface.loss[surface.known], exact.loss[surface.known])


def test_a_coarse_grid_has_nothing_between_its_points():
    surface = AdaptiveGrid(formula(FORMULAS["bowl"]), PLANE, resolution=7).run()
    assert surface.outcome is Outcome.COMPLETE
    assert surface.estimate is None


def counting(**options):
    model = CountingMLP()
    _, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=32)
    return AdaptiveGrid(objective, [directions.random(objective, seed) for seed in (0, 1)], **options)


@pytest.mark.parametrize("stop", [1, 190, 230, 700])
def test_resumed_nothing_is_computed_again(monkeypatch, stop):
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)  # a result after every batch
    grid = counting(error=1e-3)
    straight = grid.run()
    del COUNTER[:]
    stream = grid.stream()
    for _ in range(stop):
        next(stream)
    state = stream.checkpoint()
    before = len(COUNTER)
    stream.close()
    del COUNTER[:]
    last = list(grid.stream(resume=state))[-1]
    assert before + len(COUNTER) <= 4 * straight.evaluations + 8  # the choice of a forward pass may run again
    np.testing.assert_array_equal(last.known, straight.known)
    np.testing.assert_array_equal(last.loss, straight.loss)
    np.testing.assert_array_equal(last.filled, straight.filled)
    assert last.evaluations == straight.evaluations
    assert last.estimate.method == straight.estimate.method


def test_values_known_already_are_reused():
    grid = counting()
    first = grid.run()
    del COUNTER[:]
    again = AdaptiveGrid(grid.objective, grid.directions, reuse=[first]).run()
    assert again.evaluations == 0
    assert COUNTER == []
    np.testing.assert_array_equal(again.filled, first.filled)


def test_worker_threads_give_the_same_surface():
    grid = counting()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        threaded = AdaptiveGrid(grid.objective, grid.directions, executor=pool).run()
    straight = grid.run()
    np.testing.assert_array_equal(threaded.known, straight.known)
    np.testing.assert_allclose(threaded.filled, straight.filled, rtol=1e-12)


def test_a_closed_stream_keeps_its_estimate():
    stream = counting(error=1e-4).stream()
    while next(stream).estimate is None:
        pass
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    assert stream.latest.estimate.words.startswith("interpolated, held-out error ")


def test_it_is_saved_and_loaded_whole(tmp_path):
    surface = counting().run()
    loaded = Surface.load(surface.save(tmp_path / "surface"))
    np.testing.assert_array_equal(loaded.filled, surface.filled)
    assert loaded.estimate.words == surface.estimate.words
    assert loaded.question["computation"] == "AdaptiveGrid"


@pytest.mark.parametrize("error", [-0.1, 1.0, float("nan")])
def test_an_error_that_cannot_be_is_refused(error):
    with pytest.raises(InputError, match="for one percent"):
        counting(error=error)


def trained(model, data, steps=60):
    """A few steps of SGD."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(0, len(data[0]), (64,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(data[0][chosen]), data[1][chosen]).backward()
        optimiser.step()
    return model.eval()


@pytest.mark.long
@pytest.mark.parametrize("name", ["tanh MLP", "ReLU MLP", "ResNet-20"])
def test_what_is_said_of_a_trained_nets_surface_is_true(name, right):
    data = zoo.digits_resized(16) if name == "ResNet-20" else zoo.digits()
    model = zoo.resnet20() if name == "ResNet-20" else zoo.mlp(activation=name.split()[0].lower())
    objective = Objective(trained(model, data), nn.CrossEntropyLoss(), tuple(part[:64] for part in data))
    checked(AdaptiveGrid(objective, [directions.random(objective, seed) for seed in (0, 1)]), right)
