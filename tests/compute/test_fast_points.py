"""Several points in one pass against the naive loop; what the first layer may be; what the check catches."""

import concurrent.futures
import copy

import numpy as np
import pytest
import torch
from cases import MODELS, naive_loss, problem, seeded
from torch import nn

from landscape_widgets.compute import directions, fast_choice, fast_points, fast_points_choice
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_choice import choice_steps
from landscape_widgets.compute.fast_forward import FastPlan
from landscape_widgets.compute.fast_points import first_layer
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.torch_state import evaluation
from landscape_widgets.errors import InputError

NAIVE = "naive loop: copy the parameters, one whole-batch pass"
POINTS = [(0.0, 0.0), (0.4, -0.7), (-1.0, 0.3), (0.2, 0.3), (1.0, 1.0)]


@pytest.fixture
def eager(monkeypatch):
    """Choose on small grids too, and never for reasons of time."""
    monkeypatch.setattr(fast_points_choice, "WORTH", 0.0)
    monkeypatch.setattr(fast_points_choice, "TINY", float("inf"))
    monkeypatch.setattr(fast_points_choice, "GAIN", float("inf"))


def plane(objective):
    return [directions.random(objective, seed) for seed in (0, 1)]


def first_of(objective):
    with evaluation(), objective.replica() as replica:
        return first_layer(replica, objective.batches.first)


def expected(model, loss, data, objective, pair, points=POINTS):
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    thetas = [objective.center + a * vectors[0] + b * vectors[1] for a, b in points]
    return np.array([naive_loss(model, loss, data, theta) for theta in thetas])


def losses(objective, pair, plan, points=POINTS):
    found = finished(PointEvaluator(objective, pair, plan).many(points))
    return np.array([values["loss"] for values in found])


def worst(found, exact):
    return np.max(np.abs(found - exact) / np.maximum(1e-3, np.abs(exact)))


MAPPED = [name for name in MODELS if name != "LSTM"]
FUSED = ("attention", "TransformerEncoder", "parametrizations")
"""Models with an operation that torch can map over points only one by one, and says so."""


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", MAPPED)
def test_points_at_once_are_the_naive_loop(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=50)
    pair, first = plane(objective), first_of(objective)
    for plan in (FastPlan(points=3), FastPlan(points=5, first=first, losses=True)):
        error = worst(losses(objective, pair, plan), expected(model, loss, data, objective, pair))
        right.record("losses of several points in one pass", NAIVE, error, 1e-12, len(POINTS))


@pytest.mark.parametrize("name", MODELS)
def test_what_is_chosen_is_the_naive_loop(name, eager, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data)
    pair, plan = plane(objective), finished(choice_steps(objective, 2401))
    assert (plan.points > 1) is (name in MAPPED and name not in FUSED), plan.words
    assert ("batching rule" in plan.words) is (name in FUSED)
    error = worst(losses(objective, pair, plan), expected(model, loss, data, objective, pair))
    right.record("losses of the chosen pass", NAIVE, error, 1e-12, len(POINTS))


def test_float32_is_no_further_from_float64_than_three_plain_loops(right):
    model, loss, data = problem("MLP GELU", torch.float32)
    objective = Objective(model, loss, data)
    pair = plane(objective)
    points = [(a, b) for a in np.linspace(-1, 1, 6) for b in np.linspace(-1, 1, 6)]
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    double, exact_data = copy.deepcopy(model).double(), (data[0].double(), data[1])
    exact = []
    for a, b in points:
        theta = torch.add(objective.center + b * vectors[1], vectors[0], alpha=a)
        exact.append(naive_loss(double, loss, exact_data, theta.double()))
    plain, fast = (
        np.sqrt(np.mean(np.square(losses(objective, pair, plan, points) / exact - 1)))
        for plan in (FastPlan(), FastPlan(points=12, first="0", losses=True))
    )
    right.record(
        "float32 error of several points in one pass, in plain ones", "float64 naive loop", fast / plain, 3, 36
    )


class Layered(nn.Module):
    """A linear layer after, before or beside something."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.scale = kind, nn.Parameter(torch.ones(5))
        self.layer, self.back, self.head = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        if kind == "weight norm":
            nn.utils.parametrizations.weight_norm(self.layer)
        if kind == "tied":
            self.back.weight = self.layer.weight
        if kind == "frozen":
            self.layer.weight.requires_grad_(False)
        if kind == "hook":
            self.layer.register_forward_hook(lambda layer, inputs, output: 2 * output)

    def forward(self, x):
        if self.kind == "scaled":
            x = x * self.scale
        if self.kind == "scaled in secret":
            x = x * self.scale.detach()
        y = torch.tanh(self.layer(x if self.kind != "normalised" else (x - x.mean(0)) / x.std(0, unbiased=False)))
        y = self.layer(y) if self.kind == "twice" else self.back(y)
        return self.head(torch.tanh(y))


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("plain", "layer"),
        ("normalised", "layer"),
        ("tied", "layer"),
        ("frozen", "layer"),
        ("scaled", ""),
        ("twice", ""),
        ("weight norm", ""),
        ("hook", ""),
        ("scaled in secret", None),
    ],
)
def test_the_first_layer_is_precomputed_only_where_that_is_exact(kind, first, eager, right):
    _, loss, data = problem("MLP tanh")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Layered(kind).double()
    objective = Objective(model, loss, data)
    if first is not None:
        assert first_of(objective) == first
    pair, plan = plane(objective), finished(choice_steps(objective, 2401))
    assert plan.first == (first or ""), plan.words
    error = worst(losses(objective, pair, plan), expected(model, loss, data, objective, pair))
    right.record("losses of the chosen pass", NAIVE, error, 1e-12, len(POINTS))


def test_metrics_weights_loaders_and_a_loss_of_numbers(right):
    model, _, (inputs, targets) = problem("MLP tanh")

    def loss(outputs, wanted):
        value = nn.functional.cross_entropy(outputs.view(-1, 3), wanted)
        return value * (1.0 if value.item() > 0 else 2.0)  # asks for a number, which a mapped loss could not

    metrics = {
        "accuracy": lambda outputs, wanted: (outputs.argmax(1) == wanted).double().mean(),
        "number": lambda outputs, wanted: outputs.std().item(),
    }
    batches = [(inputs[a:b], targets[a:b]) for a, b in ((0, 40), (40, 80), (80, 103))]
    objective = Objective(model, loss, batches, metrics=metrics, weight=lambda x, y: float(len(x)) ** 2)
    pair = plane(objective)
    found = finished(PointEvaluator(objective, pair, FastPlan(points=3, first="0")).many(POINTS))
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    shares = [size**2 / (40**2 + 40**2 + 23**2) for size in (40, 40, 23)]
    for (a, b), values in zip(POINTS, found, strict=True):
        moved = copy.deepcopy(model)
        nn.utils.vector_to_parameters(objective.center + a * vectors[0] + b * vectors[1], moved.parameters())
        exact = dict.fromkeys(values, 0.0)
        for share, (x, y) in zip(shares, batches, strict=True):
            with torch.no_grad():
                outputs = moved(x)
            exact["loss"] += share * nn.functional.cross_entropy(outputs, y).item()
            for name, metric in metrics.items():
                exact[name] += share * float(metric(outputs, y))
        error = max(abs(values[name] - exact[name]) / max(1e-3, abs(exact[name])) for name in exact)
        right.record("losses and metrics of several points in one pass", NAIVE, error, 1e-12, len(exact))


class Logarithm(nn.Module):
    """log θ₀ beside a layer: undefined left of zero, infinite at it."""

    def __init__(self):
        super().__init__()
        self.theta, self.layer = nn.Parameter(torch.tensor([1.0], dtype=torch.float64)), nn.Linear(2, 1).double()

    def forward(self, x):
        return self.layer(x) + self.theta.log()


def test_nan_and_infinity_stay_with_their_points():
    data = torch.randn(20, 2, generator=seeded(), dtype=torch.float64), torch.zeros(20, 1, dtype=torch.float64)
    objective = Objective(Logarithm(), lambda outputs, targets: outputs.mean(), data)
    direction = torch.zeros(objective.size, dtype=torch.float64)
    direction[0] = 1.0
    grids = [GridEvaluator(objective, [direction], 2.0, 9, path="plain") for _ in range(2)]
    grids[1]._choose = lambda state: setattr(state, "plan", FastPlan(points=4, first="layer")) or iter(())
    plain, fast = (grid.run() for grid in grids)
    assert np.isnan(plain.loss[:2]).all()
    assert np.isneginf(plain.loss[2])
    np.testing.assert_allclose(fast.loss, plain.loss, rtol=1e-12)


def test_precomputed_outputs_that_overflow_are_not_used():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    data = torch.full((4, 2), 1e3), torch.zeros(4, 1)
    objective = Objective(model, nn.MSELoss(), data)
    pair = [torch.full((objective.size,), scale) for scale in (1e38, 1.0)]
    fast = fast_points.PointsForward(objective, pair, "0")
    assert fast._precomputed is None
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    with evaluation():
        found = fast.outputs(points, objective.batches.first, 0)
    assert all(bool(one.isfinite().all()) for one in found)


def test_a_wrong_path_is_caught_in_both_dtypes(eager, monkeypatch):
    combined = fast_points._combined
    for dtype, error in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        monkeypatch.setattr(fast_points, "_combined", lambda parts, points, e=error: combined(parts, points) * (1 + e))
        objective = Objective(*problem("MLP tanh", dtype))
        assert finished(choice_steps(objective, 2401)).words.startswith("plain: not several points at once: outputs")


def recurrent():
    return Objective(*problem("LSTM"))


def counting():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3).double()
            self.register_buffer("passes", torch.zeros(()))

        def forward(self, x):
            self.passes += 1
            return self.layer(x)

    return Objective(Counts(), *problem("MLP tanh")[1:])


def branching():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3).double()

        def forward(self, x):
            y = self.layer(x)
            return y if y.sum().item() > 0 else 2 * y

    return Objective(Branches(), *problem("MLP tanh")[1:])


@pytest.mark.parametrize("make", [recurrent, counting, branching])
def test_what_cannot_be_mapped_stays_plain_and_says_why(make, eager):
    words = finished(choice_steps(make(), 2401)).words
    assert words.startswith("plain: not several points at once: ")
    assert ("buffers change in a pass" in words) is (make is counting)


def test_small_grids_and_slow_passes_stay_plain(monkeypatch):
    monkeypatch.setattr(fast_points_choice, "TINY", float("inf"))
    objective = Objective(*problem("MLP tanh"))
    assert finished(choice_steps(objective, 9)).words == "plain: too little work for a choice to pay"
    monkeypatch.setattr(fast_points_choice, "WORTH", 0.0)
    monkeypatch.setattr(fast_points_choice, "GAIN", 0.0)
    plan = finished(choice_steps(objective, 2401))
    assert plan.words.startswith("plain: no slower than ")
    assert finished(choice_steps(objective, 2401)) is plan
    assert objective in fast_choice._known


@pytest.mark.parametrize("threads", [0, 2])
def test_a_surface_of_points_at_once_streams_stops_and_resumes(threads, eager, right):
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    pair = plane(objective)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        grid = GridEvaluator(objective, pair, resolution=25, executor=pool if threads else None)
        stream = grid.stream()
        surface = next(stream)
        while not surface.known.any():
            surface = next(stream)
        state = stream.checkpoint()
        stream.close()
        assert str(stream.latest.outcome) == "cancelled"
        before = int(state.known.sum())
        last = list(grid.stream(resume=state))[-1]
    assert "points at once, first layer precomputed" in last.question["path"]
    assert last.evaluations == 625 >= before
    plain = GridEvaluator(objective, pair, resolution=25, path="plain").run()
    assert plain.question["path"] == "plain: as asked"
    right.record("grid of several points in one pass", "the plain path", worst(last.loss, plain.loss), 1e-12, 625)


@pytest.mark.parametrize("name", ["MLP tanh", "BatchNorm in eval mode"])
@pytest.mark.parametrize("plan", [FastPlan(), FastPlan(points=3)])
def test_values_left_on_the_device_are_the_same_numbers(name, plan):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=40, metrics={"norm": lambda outputs, targets: outputs.norm()})
    pair = plane(objective)
    here, there = (
        finished(PointEvaluator(objective, pair, plan, gather=gather).many(POINTS)) for gather in (False, True)
    )
    assert here == there
    assert all(type(value) is float for values in there for value in values.values())


@pytest.mark.parametrize("plan", [FastPlan(), FastPlan(points=2)])
def test_nothing_is_copied_to_the_host_between_points(plan, monkeypatch):
    objective = Objective(*problem("MLP tanh"), batch_size=40)
    evaluator = PointEvaluator(objective, plane(objective), plan, gather=True)
    copies = []
    for name in ("item", "tolist", "__float__", "__bool__", "cpu", "numpy"):
        own = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda *given, own=own, name=name: (copies.append(name), own(*given))[1]
        )
    finished(evaluator.many(POINTS))
    monkeypatch.undo()
    assert evaluator.together
    assert copies == ["tolist"]


def test_a_path_that_is_none_is_refused():
    objective = Objective(*problem("MLP tanh"))
    with pytest.raises(InputError, match='path as "chosen" or "plain"'):
        GridEvaluator(objective, plane(objective), path="fast")
