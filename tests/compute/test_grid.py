"""The grid against a naive loop and closed forms; coordinates, levels, reuse, resumption."""

import concurrent.futures
import copy
import dataclasses
import itertools
import time

import numpy as np
import pytest
import torch
from cases import COUNTER, MODELS, CountingMLP, naive_loss, problem, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape_widgets.compute import directions
from landscape_widgets.compute.evaluate import axis_points
from landscape_widgets.compute.grid import GridEvaluator, axis_levels
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.zoo import quadratic, toy_saddle

NAIVE = "naive loop: copy the parameters, one whole-batch pass"


def grid_of(name="MLP tanh", dtype=torch.float64, batch_size=32, **options):
    model, loss, data = problem(name, dtype)
    objective = Objective(model, loss, data, batch_size=batch_size)
    pair = directions.random(objective, 0), directions.random(objective, 1)
    return GridEvaluator(objective, pair, **options), (model, loss, data)


@pytest.mark.parametrize("name", MODELS)
def test_every_point_agrees_with_a_naive_loop(name, right):
    grid, (model, loss, data) = grid_of(name, extent=((-0.5, 1.0), 0.7), resolution=(5, 4))
    surface = grid.run()
    d1, d2 = (torch.as_tensor(direction.vector) for direction in grid.directions)
    assert surface.loss.shape == (4, 5)
    worst = 0.0
    for j, beta in enumerate(surface.beta):
        for i, alpha in enumerate(surface.alpha):
            expected = naive_loss(model, loss, data, grid.objective.center + alpha * d1 + beta * d2)
            worst = max(worst, abs(surface.loss[j, i] - expected) / max(1e-3, abs(expected)))
    right.record("grid values", NAIVE, worst, 1e-12, 20)
    assert surface.known.all()
    assert surface.outcome is Outcome.COMPLETE
    assert surface.outcome.advice == ""


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("resolution", [(7, 6), (13, 8), (5, 5)])
def test_a_quadratics_plane_is_the_closed_form(dtype, bound, resolution, right):
    generator = seeded(3)
    A = torch.randn(40, 40, generator=generator, dtype=torch.float64)
    A = ((A + A.T) / 40).to(dtype)
    theta, b, eta, delta = torch.randn(4, 40, generator=generator, dtype=torch.float64).to(dtype)
    objective = Objective(*quadratic(A, b, theta))
    surface = GridEvaluator(objective, (eta, delta), extent=((-1.0, 0.5), 0.8), resolution=resolution).run()
    exact = np.empty(surface.loss.shape)
    for j, beta in enumerate(surface.beta):
        for i, alpha in enumerate(surface.alpha):
            point = theta.double() + alpha * eta.double() + beta * delta.double()
            exact[j, i] = 0.5 * point @ (A.double() @ point) + b.double() @ point
    error = np.abs(surface.loss - exact).max() / np.abs(exact).max()
    right.record(f"plane of a quadratic in {str(dtype)[6:]}", "closed form", error, bound, exact.size)


def test_the_toy_saddles_slice_is_the_closed_form(right):
    model, loss, data = toy_saddle(30, 25)
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed, None) for seed in (0, 1)]
    surface = GridEvaluator(objective, pair, resolution=9).run()
    eta, delta = (torch.as_tensor(direction.vector) for direction in pair)
    # written out here, independent of the zoo: ½ (1 + αη_N + βδ_N)(Aα² + 2Bαβ + Cβ²)
    signs = torch.cat([torch.ones(25), -torch.ones(35)]).double()
    A, B, C = ((signs * x[:-1] * y[:-1]).sum().item() for x, y in ((eta, eta), (eta, delta), (delta, delta)))
    a, b = surface.alpha[None, :], surface.beta[:, None]
    exact = 0.5 * (1 + a * eta[-1].item() + b * delta[-1].item()) * (A * a**2 + 2 * B * a * b + C * b**2)
    error = np.abs(surface.loss - exact).max() / np.abs(exact).max()
    right.record("slice of the toy saddle", "closed form", error, 1e-12, exact.size)


@given(
    lo=st.floats(-50, 50),
    width=st.floats(1e-3, 100),
    points=st.integers(3, 200),
)
@settings(max_examples=200, deadline=None)
def test_coordinates_are_those_of_linspace(lo, width, points):
    hi = lo + width
    found = axis_points((lo, hi), points)
    scale = max(abs(lo), abs(hi))
    assert np.abs(found - np.linspace(lo, hi, points)).max() <= 1e-12 * scale
    assert np.all(np.diff(found) > 0)
    mirrored = axis_points(width, points)
    assert np.array_equal(mirrored, -mirrored[::-1])
    assert mirrored[0] == -width
    assert mirrored[-1] == width
    assert points % 2 == 0 or mirrored[points // 2] == 0.0


@pytest.mark.parametrize(
    ("extent", "points"),
    [((-0.3, 0.6), 4), ((-0.1, 0.7), 9), ((-0.2, 1.0), 7), ((-1e-3, 3e-3), 5), ((-0.7, 0.7), 5), ((-1.1, 3.3), 5)],
)
def test_a_window_off_centre_still_holds_an_exact_zero(extent, points):
    assert np.count_nonzero(axis_points(extent, points) == 0.0) == 1


@pytest.mark.parametrize("name", ["MLP tanh", "TransformerEncoder", "BatchNorm in eval mode"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("extent", [1.0, ((-0.25, 0.75), (-0.5, 1.0))])
def test_the_centre_is_the_loss_to_the_last_bit(name, dtype, extent):
    grid, _ = grid_of(name, dtype, extent=extent, resolution=5 if extent == 1.0 else (5, 4))
    surface = grid.run()
    i, j = np.flatnonzero(surface.alpha == 0), np.flatnonzero(surface.beta == 0)
    assert surface.loss[j[0], i[0]] == grid.objective.loss()


def test_one_direction_gives_a_curve_in_every_form():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    direction = directions.random(objective, 0)
    expected = GridEvaluator(objective, [direction], resolution=7).run()
    assert expected.beta is None
    assert expected.loss.shape == expected.alpha.shape == (7,)
    for form in (direction, direction.vector, torch.as_tensor(direction.vector), (direction.vector,)):
        assert np.array_equal(GridEvaluator(objective, form, resolution=7).run().loss, expected.loss)
    both = np.stack([direction.vector, 2 * direction.vector])
    assert GridEvaluator(objective, both, resolution=3).run().loss.shape == (3, 3)


def test_levels_are_nested_and_the_coarse_picture_comes_first():
    assert [len(level) for level in axis_levels(97)] == [7, 13, 25, 49, 97]
    for count in range(3, 130):
        levels = axis_levels(count)
        assert np.array_equal(levels[-1], np.arange(count))
        assert {0, count - 1, (count - 1) // 2} <= set(levels[0].tolist())
        assert all(set(a.tolist()) < set(b.tolist()) for a, b in itertools.pairwise(levels))
    grid, _ = grid_of(resolution=25)
    seen = [grid.level_reached(surface.known) for surface in grid.stream()]
    assert seen == sorted(seen)
    assert seen[-1] == 3
    first = next(surface for surface in grid.stream() if grid.level_reached(surface.known) == 1)
    assert first.known.sum() == 49
    assert np.isnan(first.loss[~first.known]).all()
    assert np.isfinite(first.loss[first.known]).all()
    assert (first.done, first.total) == (49, 625)


def counting_grid(**options):
    model = CountingMLP()
    _, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=options.pop("batch_size", 32))
    plane = [directions.random(objective, seed) for seed in (0, 1)]
    return GridEvaluator(objective, plane, path="plain", **options)  # a choice would take passes too


def passes(function):
    del COUNTER[:]
    result = function()
    return result, len(COUNTER)


def test_every_point_is_evaluated_once():
    grid = counting_grid(resolution=13)
    surface, count = passes(grid.run)
    assert count == 4 * 169
    assert surface.evaluations == 169


def test_values_are_reused_where_coordinates_coincide():
    small = counting_grid(extent=1.0, resolution=13)
    first = small.run()
    wide = GridEvaluator(small.objective, small.directions, 2.0, 13, reuse=[first], path="plain")
    surface, count = passes(wide.run)
    straight = GridEvaluator(small.objective, small.directions, 2.0, 13, path="plain").run()
    assert np.array_equal(surface.loss, straight.loss)
    assert surface.evaluations == 169 - 49
    assert count == 4 * (169 - 49)
    back, count = passes(GridEvaluator(small.objective, small.directions, 1.0, 13, reuse=[surface, first]).run)
    assert count == 0
    assert np.array_equal(back.loss, first.loss)
    finer = GridEvaluator(small.objective, small.directions, 1.0, 25, reuse=[first])
    assert finer.run().evaluations == 625 - 169


def test_values_of_other_axes_are_not_reused():
    grid = counting_grid(resolution=7)
    first = grid.run()
    other = [directions.random(grid.objective, 5), grid.directions[1]]
    fresh = GridEvaluator(grid.objective, other, resolution=7, reuse=[first]).run()
    assert fresh.evaluations == 49
    line = GridEvaluator(grid.objective, grid.directions[:1], resolution=7, reuse=[first]).run()
    assert line.evaluations == 7


@pytest.mark.parametrize("stop", [0, 1, 3, 10, 30])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_resumed_nothing_is_computed_again(monkeypatch, stop, batch_size):
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)  # a result after every batch
    grid = counting_grid(resolution=7, batch_size=batch_size)
    straight, total = passes(grid.run)
    stream = grid.stream()
    _, before = passes(lambda: [next(stream) for _ in range(stop)])
    state = stream.checkpoint()
    [next(stream) for _ in range(2)]  # later steps do not change the state
    stream.close()
    surfaces, after = passes(lambda: list(grid.stream(resume=state)))
    assert before + after == total
    assert np.array_equal(surfaces[-1].loss, straight.loss)
    assert surfaces[-1].evaluations == 49


def test_a_closed_stream_is_cancelled_and_keeps_its_values():
    grid = counting_grid(resolution=25)
    stream = grid.stream()
    next(surface for surface in stream if surface.known.any())
    stream.close()
    assert stream.latest.outcome is Outcome.CANCELLED
    assert not stream.latest.known.all()
    assert list(stream) == []
    assert np.array_equal(stream.checkpoint().known, stream.latest.known)


def test_an_interrupt_keeps_the_partial_surface():
    class Interrupted(nn.Module):
        left = 30

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x):
            type(self).left -= 1
            if type(self).left == 0:
                raise KeyboardInterrupt
            return self.layer(x)

    _, loss, data = problem("MLP tanh", torch.float32)
    objective = Objective(Interrupted(), loss, data)
    grid = GridEvaluator(objective, [directions.random(objective, 0)], resolution=60)
    with pytest.raises(KeyboardInterrupt):
        grid.run(progress=lambda surface: None)
    assert grid.partial is None or grid.partial.outcome is Outcome.CANCELLED


@pytest.fixture
def executor():
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.mark.parametrize("name", ["MLP tanh", "TransformerEncoder"])
def test_worker_threads_give_the_same_surface(name, executor, right):
    grid, _ = grid_of(name, resolution=13)
    other = GridEvaluator(grid.objective, grid.directions, resolution=13, executor=executor, workers=3)
    one, many = grid.run(), other.run()
    error = np.abs(one.loss - many.loss).max() / np.abs(one.loss).max()
    right.record("grid values from worker threads", "the same grid in one thread", error, 1e-14, 169)
    assert many.known.all()
    assert many.evaluations == 169
    seen = [other.level_reached(surface.known) for surface in other.stream()]
    assert seen == sorted(seen)


def test_worker_threads_evaluate_every_point_once_and_leave_the_thread_count(executor):
    grid = counting_grid(resolution=25)
    before = torch.get_num_threads()
    threaded = GridEvaluator(grid.objective, grid.directions, 1.0, 25, executor=executor, workers=3, path="plain")
    _, count = passes(threaded.run)
    assert count == 4 * 625
    assert torch.get_num_threads() == before
    assert executor.submit(torch.get_num_threads).result() == before


@pytest.mark.parametrize("stop", [1, 5])
def test_a_closed_stream_of_worker_threads_resumes(executor, stop):
    grid = counting_grid(resolution=25)
    straight = grid.run()
    options = {"resolution": 25, "executor": executor, "path": "plain"}
    threaded = GridEvaluator(grid.objective, grid.directions, **options)
    stream = threaded.stream()
    for _ in range(stop):
        next(stream)
    state = stream.checkpoint()
    stream.close()
    _, after_close = passes(lambda: time.sleep(0.05))
    assert after_close == 0, "nothing runs on after a cancel"
    last = list(threaded.stream(resume=state))[-1]
    assert np.array_equal(last.loss, straight.loss)
    assert last.evaluations == 625


def test_an_error_in_a_worker_thread_arrives(executor):
    class Breaks(nn.Module):
        left = 60

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x):
            type(self).left -= 1
            if type(self).left == 0:
                raise KeyError("a habit of the model")
            return self.layer(x)

    _, loss, data = problem("MLP tanh", torch.float32)
    objective = Objective(Breaks(), loss, data)
    grid = GridEvaluator(objective, [directions.random(objective, 0)], resolution=99, executor=executor)
    with pytest.raises(KeyError, match="a habit of the model"):
        grid.run()


class Undefined(nn.Module):
    """log θ, undefined left of zero."""

    def __init__(self, start=1.0):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([start, 0.0]))

    def forward(self, x):
        return self.theta[0].log().expand(len(x), 1)


def test_nan_is_kept_and_known():
    objective = Objective(Undefined(), lambda outputs, targets: outputs.mean(), (torch.zeros(4, 1), torch.zeros(4, 1)))
    surface = GridEvaluator(objective, [torch.tensor([1.0, 0.0])], extent=2.0, resolution=5).run()
    np.testing.assert_array_equal(np.isnan(surface.loss), [True, False, False, False, False])
    assert surface.loss[1] == -np.inf
    assert surface.known.all()
    assert surface.outcome is Outcome.COMPLETE
    everywhere = GridEvaluator(objective, [torch.tensor([1.0, 0.0])], extent=(-9.0, -2.0), resolution=5).run()
    assert np.isnan(everywhere.loss).all()
    assert everywhere.known.all()
    assert everywhere.outcome is Outcome.NOT_FINITE
    again = GridEvaluator(objective, [torch.tensor([1.0, 0.0])], (-9.0, -2.0), 5, reuse=[everywhere]).run()
    assert again.evaluations == 0


def test_metrics_come_in_the_same_pass_as_means_over_samples(right):
    model, loss, (inputs, targets) = problem("MLP tanh")

    def accuracy(outputs, wanted):
        return (outputs.argmax(1) == wanted).double().mean()

    objective = Objective(
        model,
        loss,
        (inputs, targets),
        batch_size=32,
        metrics={"accuracy": accuracy, "size": lambda o, t: o.abs().mean()},
    )
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    surface = GridEvaluator(objective, pair, resolution=5).run()
    assert set(surface.metrics) == {"accuracy", "size"}
    d1, d2 = (torch.as_tensor(direction.vector) for direction in pair)
    worst = 0.0
    for j, i in np.ndindex(5, 5):
        moved = copy.deepcopy(model)
        theta = objective.center + surface.alpha[i] * d1 + surface.beta[j] * d2
        nn.utils.vector_to_parameters(theta, moved.parameters())
        outputs = moved(inputs).detach()
        worst = max(worst, abs(surface.metrics["accuracy"][j, i] - accuracy(outputs, targets).item()))
        worst = max(worst, abs(surface.metrics["size"][j, i] - outputs.abs().mean().item()))
    right.record("metrics on a grid", NAIVE, worst, 1e-12, 50)


def test_bfloat16_gives_a_surface_near_the_exact_one(right):
    model, loss, data = problem("MLP tanh", torch.float32)
    exact = Objective(model, loss, data)
    rough = Objective(model, loss, data, dtype=torch.bfloat16)
    surfaces = [
        GridEvaluator(objective, [directions.random(objective, seed) for seed in (0, 1)], resolution=5).run()
        for objective in (exact, rough)
    ]
    error = np.abs(surfaces[0].loss - surfaces[1].loss) / surfaces[0].loss
    right.record("grid values in bfloat16, relative", "the same grid in float32", error.max(), 0.01, error.size)


def test_a_result_says_what_it_is():
    grid, _ = grid_of(extent=((-2, 2), (-1.0, 1.0)), resolution=(7, 9))
    surface = grid.run()
    assert [axis.label for axis in surface.axes] == ["random, seed 0", "random, seed 1"]
    assert [axis.unit for axis in surface.axes] == ["filter norms", "filter norms"]
    assert surface.question["extent"] == [[-2.0, 2.0], [-1.0, 1.0]]
    assert surface.question["resolution"] == [7, 9]
    assert surface.question["objective"]["samples"] == 103
    for axis, direction in zip(surface.axes, grid.directions, strict=True):
        assert axis.length == pytest.approx(np.linalg.norm(direction.vector))
    assert dataclasses.is_dataclass(surface)
    with pytest.raises(dataclasses.FrozenInstanceError):
        surface.loss = None


def test_questions_that_cannot_be_asked():
    grid, _ = grid_of()
    objective, pair = grid.objective, grid.directions
    for options, text in [
        ({"resolution": 2}, "expected resolution of at least 3 points an axis, got 2"),
        ({"resolution": (7, 2.5)}, "expected resolution of at least 3"),
        ({"resolution": (7, 7, 7)}, r"expected one value, or one an axis \(2\), got \(7, 7, 7\)"),
        ({"extent": 0.0}, "expected a finite extent with lo < hi"),
        ({"extent": float("nan")}, "expected a finite extent with lo < hi"),
        ({"extent": (1.0, -1.0)}, "expected a finite extent with lo < hi"),
        ({"extent": "wide"}, "expected extent as a number"),
        ({"extent": (1.0, (0.0, None))}, "expected extent as a number"),
    ]:
        with pytest.raises(InputError, match=text):
            GridEvaluator(objective, pair, **options)
    with pytest.raises(InputError, match="expected one or two directions, got 3"):
        GridEvaluator(objective, [*pair, pair[0]])
    with pytest.raises(InputError, match=r"expected a direction of shape \(57,\).*got shape \(3,\)"):
        GridEvaluator(objective, [torch.ones(3)])
    for bad in (torch.zeros(57), torch.full((57,), torch.nan)):
        with pytest.raises(InputError, match="finite and of positive length, got zero, NaN or infinity"):
            GridEvaluator(objective, [bad])
    other, _ = grid_of("LayerNorm")
    with pytest.raises(InputError, match=r"expected direction 'random, seed 0' of shape"):
        GridEvaluator(objective, other.directions)
    state = GridEvaluator(objective, pair, resolution=7).stream().checkpoint()
    with pytest.raises(InputError, match=r"expected a checkpoint of shape \(9, 9\), got \(7, 7\)"):
        GridEvaluator(objective, pair, resolution=9).stream(resume=state)
