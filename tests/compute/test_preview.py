"""The preview in bfloat16 against a naive loop, and the grid around it against the plain one."""

import concurrent.futures
import copy
import re

import numpy as np
import pytest
import torch
from cases import COUNTER, CountingMLP, problem, seeded
from torch import nn

from landscape_widgets.compute import directions, fast_half
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.fast_half import HalfObjective
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.preview import PreviewGrid
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Surface

PLAIN = "the plain grid"
NAIVE = "a naive loop: θ in float64, the model cast to bfloat16, the loss of its outputs in float64"
NAMES = ["MLP ReLU", "BatchNorm in eval mode", "TransformerEncoder", "tied weights", "embedding", "LSTM"]
ROUNDED = {torch.float64: 1e-12, torch.float32: 2e-3}
"""Largest difference from the naive loop: in float32 a sum rounded otherwise may fall to another side in bfloat16."""


def plane_of(objective):
    return [directions.random(objective, seed) for seed in (0, 1)]


def preview_of(objective, **options):
    given = {"resolution": 13, "gain": 0, "error": 0.5, "path": "plain", **options}
    return PreviewGrid(objective, plane_of(objective), **given)


def plain_of(objective, **options):
    return GridEvaluator(objective, plane_of(objective), **{"resolution": 13, "path": "plain", **options})


def before_exact(grid):
    """All surfaces of a run, and that whose preview was complete and not yet replaced."""
    surfaces = list(grid.stream())
    whole = [one for one in surfaces if one.estimate is not None and one.estimate.given.all()]
    return surfaces, whole[0]


def naive(model, loss, data, theta):
    """The loss at θ, the model cast to bfloat16, the loss computed from its outputs in the dtype of θ."""
    moved = copy.deepcopy(model)
    with torch.no_grad():
        nn.utils.vector_to_parameters(theta, [p for p in moved.parameters() if p.requires_grad])
        moved.to(torch.bfloat16)
        inputs = data[0].to(torch.bfloat16) if data[0].is_floating_point() else data[0]
        return loss(moved(inputs).to(theta.dtype), data[1]).item()


def naive_grid(objective, model, loss, data, surface):
    first, second = (torch.as_tensor(direction.vector).to(objective.dtype) for direction in plane_of(objective))
    return np.array(
        [
            [naive(model, loss, data, objective.center + float(b) * second + float(a) * first) for a in surface.alpha]
            for b in surface.beta
        ]
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_preview_values_are_those_of_a_naive_loop_and_the_last_ones_those_of_the_plain_grid(name, dtype, right):
    model, loss, data = problem(name, dtype)
    objective = Objective(model, loss, data)
    surfaces, drawn = before_exact(preview_of(objective))
    plain = plain_of(objective).run()
    exact, rounded = plain.loss, naive_grid(objective, model, loss, data, plain)

    np.testing.assert_array_equal(surfaces[-1].loss, exact)
    assert surfaces[-1].outcome is Outcome.COMPLETE
    assert surfaces[-1].estimate is None
    assert surfaces[-1].evaluations == surfaces[-1].total

    estimated = ~drawn.known
    off = np.abs(drawn.filled - rounded)[estimated].max() / np.abs(rounded).max()
    right.record(f"values of a bfloat16 preview, {str(dtype)[6:]}", NAIVE, off, ROUNDED[dtype], int(estimated.sum()))
    assert np.isnan(drawn.loss[estimated]).all()  # never among the exact values
    assert np.abs(drawn.filled - exact)[estimated].max() > 0

    # the error said: at the points known both ways, in parts of the range and of the decades known so far
    held, known = np.ix_(range(0, 13, 2), range(0, 13, 2)), exact[::2, ::2]
    linear = np.abs(rounded[held] - known).max() / np.ptp(known)
    log = np.abs(np.log10(rounded[held] / known)).max() / np.ptp(np.log10(known))
    assert drawn.estimate.held_out == 49
    np.testing.assert_allclose(drawn.estimate.error_linear, linear, atol=5 * ROUNDED[dtype])
    np.testing.assert_allclose(drawn.estimate.error_log, log, atol=5 * ROUNDED[dtype])
    assert drawn.estimate.words.startswith("bfloat16 preview, held-out error ")
    assert "the others bfloat16 preview" in drawn.estimated


def test_the_path_chosen_goes_on_in_bfloat16(monkeypatch):
    model, loss, data = problem("BatchNorm in eval mode", torch.float32)
    objective = Objective(model, loss, data)
    plan = FastPlan((("0", "1"),), True, 16)

    def chosen(self, state):
        state.plan = plan
        yield from ()

    monkeypatch.setattr(GridEvaluator, "_choose", chosen)
    surfaces, drawn = before_exact(preview_of(objective))
    assert surfaces[-1].question["path"] == plan.words
    naive_values, exact = naive_grid(objective, model, loss, data, drawn), plain_of(objective).run().loss
    assert np.abs(drawn.filled - naive_values).max() < 0.02 * np.ptp(naive_values)
    np.testing.assert_allclose(surfaces[-1].loss, exact, rtol=1e-5)


def test_exact_values_replace_the_preview_level_by_level_and_its_error_is_measured_anew(monkeypatch):
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    plain = plain_of(objective, resolution=25).run()
    surfaces = list(preview_of(objective, resolution=25).stream())
    for surface in surfaces:
        np.testing.assert_array_equal(surface.loss[surface.known], plain.loss[surface.known])
        assert np.isnan(surface.loss[~surface.known]).all()
    previews = [surface for surface in surfaces if surface.estimate is not None]
    given = [int(surface.estimate.given.sum()) for surface in previews]
    assert sorted(set(given)) == [49, 169, 625]  # coarse to fine, each a complete grid to draw
    assert given == sorted(given)
    assert {surface.estimate.held_out for surface in previews} == {49, 169}
    assert all(surface.drawable.sum() == count for surface, count in zip(previews, given, strict=True) if count < 625)


class Square(nn.Module):
    """The mean square of many parameters, summed in float32, so that their own rounding is all there is."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(1 + torch.rand(10_000, generator=seeded(1)))

    def forward(self, x):
        return self.theta.float().square().mean().expand(len(x), 1)


def test_theta_is_formed_exactly_a_negative_control():
    """θ formed in bfloat16 stands on a terrace: no parameter moves by half a step of bfloat16, 2⁻⁹ of itself."""
    model, data = Square(), (torch.zeros(1, 1), torch.zeros(1, 1))
    objective = Objective(model, lambda outputs, _: outputs.mean(), data)
    line = PreviewGrid(objective, [objective.center], extent=1.9e-3, resolution=13, gain=0, error=0.05)
    _, drawn = before_exact(line)
    exact = GridEvaluator(objective, [objective.center], extent=1.9e-3, resolution=13).run().loss
    np.testing.assert_allclose(drawn.filled, exact, atol=0.05 * np.ptp(exact))
    centre = objective.center.bfloat16()
    terraces = [(centre + float(a) * centre).float().square().mean().item() for a in line.coordinates[0]]
    assert len(set(terraces)) == 1


def test_float64_forms_the_point_in_float64():
    model, loss, data = problem("MLP tanh")
    half = HalfObjective(Objective(model, loss, data))
    assert half.dtype == half.center.dtype == torch.float64
    with half.replica() as replica:
        assert {parameter.dtype for parameter in replica.parameters} == {torch.bfloat16}
        assert {value.dtype for value in half.outputs(replica, half.batches.first)[:1]} == {torch.float64}


@pytest.mark.parametrize("name", ["MLP tanh", "BatchNorm in eval mode"])
def test_the_objective_stays_as_it_was(name):
    model, loss, data = problem(name, torch.float32)
    objective = Objective(model, loss, data, metrics={"top": lambda outputs, targets: outputs.max()})
    before = objective.loss(), objective.center.clone()
    last = preview_of(objective, resolution=9).run()
    assert objective.loss() == before[0]
    assert torch.equal(objective.center, before[1])
    assert next(model.parameters()).dtype == torch.float32
    assert np.isfinite(last.metrics["top"]).all()


class Edge(nn.Module):
    """Its loss is NaN where the first parameter is above 0.3, infinite where the second is."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        a, b = self.theta
        value = 0.2 + a**2 + (b - 0.1) ** 2 + 0 * (0.3 - a).sqrt()
        return torch.where(b > 0.3, torch.inf, value).expand(len(x), 1)


def test_holes_stay_holes():
    objective = Objective(Edge(), lambda outputs, _: outputs.mean(), (torch.zeros(1, 1), torch.zeros(1, 1)))
    plane = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
    grid = PreviewGrid(objective, plane, resolution=13, gain=0, error=0.05)
    surfaces, drawn = before_exact(grid)
    exact = GridEvaluator(objective, plane, resolution=13).run().loss
    np.testing.assert_array_equal(np.isnan(drawn.filled), np.isnan(exact))
    np.testing.assert_array_equal(np.isinf(drawn.filled), np.isinf(exact))
    finite = np.isfinite(exact)
    assert drawn.estimate.held_out == finite[::2, ::2].sum()
    np.testing.assert_allclose(drawn.filled[finite], exact[finite], rtol=0.02)
    np.testing.assert_array_equal(surfaces[-1].loss, exact)


def test_nothing_finite_has_no_preview_and_says_so():
    objective = Objective(Edge(), lambda outputs, _: outputs.mean(), (torch.zeros(1, 1), torch.zeros(1, 1)))
    plane = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
    last = PreviewGrid(objective, plane, extent=((0.5, 1.0), 1.0), resolution=13, gain=0).run()
    assert last.outcome is Outcome.NOT_FINITE
    assert last.question["preview"] == "none: no finite value to measure its error at"


def counting(**options):
    _, loss, data = problem("MLP tanh")
    return preview_of(Objective(CountingMLP(), loss, data, batch_size=32), **options)


@pytest.mark.parametrize("stop", [1, 230, 700, 1000])
def test_resumed_nothing_is_computed_again(monkeypatch, stop):
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)  # a result after every batch
    grid = counting()
    straight = grid.run()
    del COUNTER[:]
    stream = grid.stream()
    for _ in range(stop):
        next(stream)
    state = stream.checkpoint()
    before, known = len(COUNTER), state.known.copy()
    assert bool(state.half) == (stop > 200)  # 49 exact points of four batches each come first
    stream.close()
    del COUNTER[:]
    last = list(grid.stream(resume=state))[-1]
    assert before + len(COUNTER) <= 4 * (169 + 169) + 8  # the choice of a forward pass may run again
    np.testing.assert_array_equal(state.known, known)
    np.testing.assert_array_equal(last.loss, straight.loss)
    assert last.evaluations == straight.evaluations
    assert last.outcome is Outcome.COMPLETE


def test_a_checkpoint_of_a_plain_grid_goes_on_with_a_preview():
    grid = counting()
    plain = GridEvaluator(grid.objective, grid.directions, resolution=13).stream()
    next(plain)
    surfaces = list(grid.stream(resume=plain.checkpoint()))
    assert any(surface.estimate is not None for surface in surfaces)
    np.testing.assert_array_equal(surfaces[-1].loss, grid.run().loss)


def test_known_values_are_not_computed_in_bfloat16_but_where_the_error_is_measured():
    grid = counting()
    first = GridEvaluator(grid.objective, grid.directions, resolution=7).run()
    grid = PreviewGrid(grid.objective, grid.directions, resolution=13, gain=0, error=0.5, reuse=[first], path="plain")
    del COUNTER[:]
    last = grid.run()
    assert last.evaluations == 120
    assert len(COUNTER) <= 4 * (120 + 169) + 8


def test_worker_threads_give_the_same_values():
    grid = counting()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        _, threaded = before_exact(counting(executor=pool, workers=2))
    _, straight = before_exact(grid)
    np.testing.assert_allclose(threaded.estimate.values, straight.estimate.values, rtol=1e-12)
    assert threaded.estimate.words == straight.estimate.words


def test_values_left_on_a_device_and_fetched_together_are_the_same():
    model, loss, data = problem("MLP tanh")
    half, points = HalfObjective(Objective(model, loss, data)), [(0.1, -0.2), (0.3, 0.4)]
    values = []
    for gather in (False, True):
        evaluator = PointEvaluator(half, plane_of(half), gather=gather)
        values.append([found["loss"] for found in finished(evaluator.many(points))])
    assert values[0] == values[1]


def test_a_line_has_a_preview_too():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    surfaces, drawn = before_exact(PreviewGrid(objective, plane_of(objective)[:1], resolution=49, gain=0, error=0.5))
    assert drawn.estimate.held_out == 7
    assert surfaces[-1].known.all()


def test_too_large_an_error_drops_it_and_says_so():
    grid = counting(error=1e-6)
    surfaces = list(grid.stream())
    assert not any(surface.estimate.kind == "bfloat16 preview" for surface in surfaces if surface.estimate is not None)
    said = surfaces[-1].question["preview"]
    assert said.startswith("none: held-out error ")
    assert said.endswith(" %, above the 0.0001 % allowed")
    np.testing.assert_array_equal(surfaces[-1].loss, counting().run().loss)


def test_an_error_that_shows_later_drops_it_too(monkeypatch):
    """As exact values come, the error is measured where they are: here the coarsest points are the only good ones."""
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    plain = plain_of(objective, resolution=25).run()
    coarsest = {tuple(place) for place in np.argwhere(np.ones((7, 7))) * 4}
    record = GridEvaluator._record

    def wrong_between(self, state, place, values):
        off = isinstance(self.objective, HalfObjective) and place not in coarsest
        record(self, state, place, {"loss": values["loss"] + 1.0} if off else values)

    monkeypatch.setattr(GridEvaluator, "_record", wrong_between)
    surfaces = list(preview_of(objective, resolution=25).stream())
    kinds = [surface.estimate.kind for surface in surfaces if surface.estimate is not None]
    assert kinds[0] == "bfloat16 preview"
    assert kinds[-1] == "interpolated"
    assert re.fullmatch(r"none: held-out error [\d.]+ %, above the 50 % allowed", surfaces[-1].question["preview"])
    np.testing.assert_array_equal(surfaces[-1].loss, plain.loss)


class Refusing(nn.Linear):
    def forward(self, x):
        if x.dtype == torch.bfloat16:
            raise RuntimeError("no bfloat16 here\nand more")
        return super().forward(x)


@pytest.mark.parametrize("gain", [0, 1.3])
def test_a_model_that_refuses_bfloat16_keeps_the_exact_grid(monkeypatch, gain):
    monkeypatch.setattr(fast_half, "WORTH", 0.0)
    objective = Objective(Refusing(3, 1), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 1)))
    last = preview_of(objective, gain=gain).run()
    assert last.outcome is Outcome.COMPLETE
    assert last.question["preview"] == "none: the model refuses bfloat16: no bfloat16 here"


def raced(monkeypatch, exact, half):
    """Passes that take so many seconds, as told."""
    monkeypatch.setattr(
        fast_half._Race, "_pass", lambda self, objective, *_: half if isinstance(objective, HalfObjective) else exact
    )


@pytest.mark.parametrize(
    ("exact", "half", "words"),
    [
        (2.0, 1.0, "169 points in bfloat16, 2.0 times as fast, held-out error "),
        (1.2, 1.0, "none: a bfloat16 pass over 32 samples is 1.2 times as fast, not 1.3 times, as the exact one here"),
        (1.0, 33.0, "none: a bfloat16 pass over 8 samples takes 33 times as long as the exact one here"),
        (1e-3, 1e-4, "none: all points take less than 1 s"),
    ],
)
def test_it_is_shown_only_where_it_is_faster(monkeypatch, exact, half, words):
    raced(monkeypatch, exact, half)
    last = counting(gain=1.3).run()
    assert last.question["preview"].startswith(words)
    assert last.known.all()


def test_a_processor_without_instructions_for_it_refuses_a_convolutional_net(monkeypatch):
    monkeypatch.setattr(fast_half, "WORTH", 0.0)
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(16 * 14 * 14, 4)).eval()
    data = torch.randn(16, 3, 16, 16, generator=seeded(0)), torch.randint(0, 4, (16,), generator=seeded(1))
    objective = Objective(model, nn.CrossEntropyLoss(), data)
    if torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has them")
    grid = preview_of(objective, gain=1.3)
    last = grid.run()
    assert " times as long as the exact one here" in last.question["preview"]
    assert last.question["computation"] == "PreviewGrid"
    np.testing.assert_array_equal(last.loss, plain_of(objective).run().loss)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"dtype": torch.bfloat16}, "in bfloat16 already"), ({"batch_norm": "recomputed"}, "recomputed at every point")],
)
def test_what_cannot_be_previewed_says_why(options, words):
    model, loss, data = problem("BatchNorm in eval mode", torch.float32)
    objective = Objective(model, loss, data, check_determinism=False, check_mean=False, **options)
    assert words in preview_of(objective).run().question["preview"]


def test_a_coarse_grid_has_no_preview():
    assert counting(resolution=7).run().question["preview"] == "none: every point is known"


def test_it_is_saved_and_loaded_whole(tmp_path):
    _, surface = before_exact(counting())
    loaded = Surface.load(surface.save(tmp_path / "surface"))
    np.testing.assert_array_equal(loaded.filled, surface.filled)
    np.testing.assert_array_equal(loaded.drawable, surface.drawable)
    assert loaded.estimated == surface.estimated


@pytest.mark.parametrize("options", [{"error": 0.0}, {"error": 1.0}, {"gain": -1}, {"gain": float("nan")}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(InputError):
        counting(**options)
