"""Traces from loss differences: dense curvature along the same probes, the chosen step, kinks, counting, resumption."""

import math

import numpy as np
import pytest
import torch
from cases import COUNTER, CountingMLP, build, dense_hessian, mlp, problem, seeded
from test_trace import same
from torch import nn
from torch.nn import functional

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.trace import HutchinsonTrace
from landscape_widgets.compute.trace_differences import LossDifferenceTrace
from landscape_widgets.compute.trace_kinks import KINKS, kinks_of
from landscape_widgets.compute.trace_probes import probe
from landscape_widgets.compute.trace_step import noise_of
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.zoo import toy_saddle

SMOOTH = ("MLP GELU", "LayerNorm")


def along(dense, probes, seed=0):
    """ηᵀHη of the first probes, by the dense Hessian in float64."""
    drawn = [probe(len(dense), seed, index).double().numpy() for index in range(probes)]
    return np.array([eta @ dense @ eta for eta in drawn])


def values_of(found):
    """The single values of which the history gives the means."""
    means = found.value_history
    counts = np.arange(1, len(means) + 1)
    return np.diff(means * counts, prepend=0.0)


@pytest.mark.parametrize("step", [1e-3, 0.1, 10.0, None])
def test_second_differences_of_a_toy_saddle_are_exact_at_every_step(step, right):
    model, loss, data = toy_saddle(100, 130)
    found = LossDifferenceTrace(Objective(model, loss, data), 40, seed=1, step=step).run()
    diagonal = model.hessian_diagonal().numpy()
    exact = np.mean([diagonal @ probe(201, 1, index).double().numpy() ** 2 for index in range(40)])
    right.record(
        "loss differences on a toy saddle", "closed form on the same probes", abs(found.value - exact) / 200, 1e-9, 40
    )
    assert found.caution == ""
    assert found.interval[0] < 60 < found.interval[1]


@pytest.mark.long
def test_standard_error_of_loss_differences_on_the_toy_saddle(right):
    objective = Objective(*toy_saddle(500))
    found = [LossDifferenceTrace(objective, 100, seed, step=0.01).run() for seed in range(200)]
    for name, error in (
        ("given", np.mean([one.standard_error for one in found])),
        ("spread", np.std([one.value for one in found])),
    ):
        right.record(
            "trace standard error by loss differences, S = 100 [relative]",
            f"‖H‖_F √(2/S), {name}",
            abs(error / math.sqrt(20) - 1),
            0.15,
            200,
        )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_networks_against_dense_curvature_along_the_same_probes(name, dtype, right):
    model, loss, data = problem(name, dtype)
    dense = dense_hessian(model, loss, data)
    found = LossDifferenceTrace(Objective(model, loss, data, batch_size=32), 30).run()
    exact = along(dense, 30)
    error = abs(found.value - exact.mean())
    bound = {torch.float64: 1e-6, torch.float32: 2e-2}[dtype]
    right.record(
        f"trace by loss differences, {dtype}", "dense ηᵀHη, same probes", error / np.linalg.norm(dense), bound, 30
    )
    assert error < 0.1 * found.standard_error
    assert error < 3 * (found.truncation + found.rounding)
    assert found.truncation + found.rounding < 0.5 * found.standard_error
    assert found.caution == ""
    assert found.products == 0
    assert found.standard_error == pytest.approx(exact.std(ddof=1) / math.sqrt(30), rel=0.05)


def errors_of_steps(objective, dense, steps, probes=6):
    """Root mean square errors of single second differences at each step, written out here."""
    exact, centre, found = along(dense, probes), objective.loss(), []
    for step in steps:
        wrong = []
        for index in range(probes):
            moved = step * probe(objective.size, 0, index).to(objective.dtype)
            ends = objective.loss(objective.center + moved) - centre, objective.loss(objective.center - moved) - centre
            wrong.append(sum(ends) / step**2 - exact[index])
        found.append(math.sqrt(np.mean(np.square(wrong))))
    return found


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ["MLP tanh", "attention"])
def test_the_chosen_step_is_near_the_best_one(name, dtype, right):
    model, loss, data = problem(name, dtype)
    dense = dense_hessian(model, loss, data)
    objective = Objective(model, loss, data)
    chosen = LossDifferenceTrace(objective, 2).run().step
    scan = errors_of_steps(objective, dense, [chosen * 2.0**place for place in range(-6, 7)])
    error = scan[6] / min(scan)
    right.record(f"error at the chosen step over the best of a scan, {dtype}", "dense ηᵀHη", error, 5.0, 13)
    assert scan[0] > 20 * scan[6]  # the scan reaches far into rounding on one side
    assert scan[12] > 20 * scan[6]  # and into truncation on the other


def test_the_parts_of_the_error_are_those_of_the_step():
    model, loss, data = problem("MLP tanh")
    dense = dense_hessian(model, loss, data)
    objective = Objective(model, loss, data)
    exact = along(dense, 2)
    far = LossDifferenceTrace(objective, 2, step=0.01).run()
    assert far.truncation > 100 * far.rounding
    assert far.truncation == pytest.approx(math.sqrt(np.mean((values_of(far) - exact) ** 2)), rel=0.1)
    double = LossDifferenceTrace(objective, 2, step=0.02).run()
    assert double.truncation / far.truncation == pytest.approx(4.0, rel=0.1)
    near = LossDifferenceTrace(objective, 10, step=1e-7).run()
    wrong = math.sqrt(np.mean((values_of(near) - along(dense, 10)) ** 2))
    assert wrong / 3 < near.rounding < 10 * wrong
    nearer = LossDifferenceTrace(objective, 2, step=1e-8).run()
    assert nearer.rounding == pytest.approx(100 * near.rounding)


def test_where_rounding_dominates_float64_is_advised():
    model, loss, data = problem("MLP tanh", torch.float32)
    objective = Objective(model, loss, data)
    found = LossDifferenceTrace(objective, 10, step=1e-4).run()
    assert "The second differences err by about" in found.caution
    assert "Objective(..., dtype=torch.float64)" in found.caution
    assert found.rounding > found.standard_error / 2
    assert LossDifferenceTrace(objective, 10).run().caution == ""
    wide = Objective(model, loss, data, dtype=torch.float64)
    far = LossDifferenceTrace(wide, 10, step=1.0).run()
    assert "Leave out step" in far.caution
    assert far.truncation > far.rounding


def test_noise_is_that_of_losses_with_errors_of_known_size():
    rng = np.random.default_rng(0)
    points = 1e-5 * np.arange(-3, 4)
    for size in (1e-12, 1e-6, 1e-2):
        found = [noise_of(np.cos(points) + size * rng.standard_normal(7)) for _ in range(400)]
        assert math.sqrt(np.mean(np.square(found))) == pytest.approx(size, rel=0.1)  # its square is unbiased
    assert noise_of(np.exp(points)) < 1e-15


LAYERS = {
    "ReLU": (nn.ReLU(), "ReLU"),
    "LeakyReLU": (nn.LeakyReLU(), "leaky ReLU"),
    "PReLU": (nn.PReLU(), "PReLU"),
    "RReLU": (nn.RReLU().eval(), "RReLU"),
    "ReLU6": (nn.ReLU6(), "Hardtanh or ReLU6"),
    "Hardtanh": (nn.Hardtanh(), "Hardtanh or ReLU6"),
    "Hardsigmoid": (nn.Hardsigmoid(), "Hardsigmoid"),
    "Hardswish": (nn.Hardswish(), "Hardswish"),
    "Hardshrink": (nn.Hardshrink(), "Hardshrink"),
    "Softshrink": (nn.Softshrink(), "Softshrink"),
    "Threshold": (nn.Threshold(0.1, 0.0), "threshold"),
    "SELU": (nn.SELU(), "ELU or SELU with a kink at 0"),
    "steep ELU": (nn.ELU(alpha=2.0), "ELU or SELU with a kink at 0"),
    "max pooling 1-d": (nn.MaxPool1d(2, ceil_mode=True), "max pooling"),
    "adaptive max pooling": (nn.AdaptiveMaxPool1d(3), "max pooling"),
    "ELU": (nn.ELU(), None),
    "CELU": (nn.CELU(alpha=2.0), None),
    "tanh": (nn.Tanh(), None),
    "GELU": (nn.GELU(), None),
    "SiLU": (nn.SiLU(), None),
    "softplus": (nn.Softplus(), None),
    "softmax": (nn.Softmax(-1), None),
    "LayerNorm": (nn.LayerNorm(6), None),
    "average pooling": (nn.AvgPool1d(2), None),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_kinks_are_found_and_smooth_ones_are_not(name):
    layer, word = LAYERS[name]
    model = build(lambda: nn.Sequential(nn.Linear(5, 6), layer))
    inputs = torch.randn(8, 5, generator=seeded(), dtype=torch.float64)
    found = kinks_of(Objective(model, lambda outputs, _: outputs.square().mean(), (inputs, inputs)))
    assert found == (() if word is None else (word,))
    assert word is None or word in KINKS.values() or "ELU" in word


class Functional(nn.Module):
    """A layer and a function after it."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.function = build(lambda: nn.Linear(5, 4)), function

    def forward(self, x):
        return self.function(self.layer(x))


def test_functions_and_losses_with_kinks_are_found():
    data = (torch.randn(8, 5, generator=seeded(), dtype=torch.float64), torch.zeros(8, 4, dtype=torch.float64))
    for function, word in (
        (functional.relu, "ReLU"),
        (torch.abs, "absolute value"),
        (lambda x: torch.clamp(x, min=0), "clamp"),
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "maximum"),
        (lambda x: functional.max_pool2d(x[None, None], 2, 2).expand(8, 1, 4, 2).reshape(8, 8)[:, :4], "max pooling"),
    ):
        assert word in kinks_of(Objective(Functional(function), nn.MSELoss(), data, check_mean=False))
    assert kinks_of(Objective(Functional(torch.tanh), nn.L1Loss(), data)) == ("absolute value",)
    assert kinks_of(Objective(Functional(torch.tanh), nn.HuberLoss(), data)) == ()


def test_the_encoder_of_torch_has_a_relu_and_is_told_so():
    objective = Objective(*problem("TransformerEncoder"))
    found = LossDifferenceTrace(objective, 5).run()
    assert found.caution.startswith("The loss has kinks (ReLU)")
    assert "HutchinsonTrace" in found.caution


def kinked(activation):
    """A regression that misses all its targets on one side, so that the jumps of its slope add up; float64."""
    model = build(lambda: mlp(activation, (5, 8, 1)))
    with torch.no_grad():
        model[2].weight.abs_()
        inputs = torch.randn(500, 5, generator=seeded(1), dtype=torch.float64)
        return model, nn.MSELoss(), (inputs, model(inputs) - 1.0)


def test_across_kinks_the_interval_misses_the_trace_of_the_hessian():
    model, loss, data = kinked(nn.ReLU)
    objective = Objective(model, loss, data)
    truth = np.trace(dense_hessian(model, loss, data))
    found = LossDifferenceTrace(objective, 100, step=0.01).run()
    assert abs(found.value - truth) > 5 * found.standard_error
    assert "kinks" in found.caution
    exact = HutchinsonTrace(HessianOperator(objective), 100).run()
    assert exact.interval[0] <= truth <= exact.interval[1]
    assert exact.caution == ""


class HiddenReLU(torch.autograd.Function):
    """A ReLU that the graph shows under another name."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


class Hidden(nn.Module):
    def forward(self, x):
        return HiddenReLU.apply(x)


def test_kinks_that_no_graph_shows_are_found_by_comparing_steps():
    model, loss, data = kinked(Hidden)
    objective = Objective(model, loss, data)
    assert kinks_of(objective) == ()
    found = LossDifferenceTrace(objective, 5).run()
    assert "Second differences at two steps differ hardly less" in found.caution
    model, loss, data = kinked(nn.Tanh)
    assert LossDifferenceTrace(Objective(model, loss, data), 5).run().caution == ""


def test_a_loss_without_a_gradient_has_a_trace_and_a_caution():
    data = (torch.randn(8, 5, generator=seeded(), dtype=torch.float64), torch.zeros(8, 4, dtype=torch.float64))
    objective = Objective(Functional(lambda x: torch.tanh(x.detach())), nn.MSELoss(), data)
    assert kinks_of(objective) is None
    found = LossDifferenceTrace(objective, 20).run()
    smooth = LossDifferenceTrace(Objective(Functional(torch.tanh), nn.MSELoss(), data), 20).run()
    assert found.value == pytest.approx(smooth.value, rel=1e-6)
    assert "kinks could not be looked for" in found.caution


def test_every_evaluation_is_counted_and_the_cost_is_a_third_of_a_gradient_each():
    objective = Objective(CountingMLP(), *problem("MLP tanh")[1:])
    COUNTER.clear()
    found = LossDifferenceTrace(objective, 25).run()
    assert found.evaluations == len(COUNTER)
    assert found.cost == pytest.approx(found.evaluations / 3)
    assert found.done == found.total == found.evaluations
    assert found.evaluations <= 50 + 1 + 1 + 6 + 40
    assert np.all(np.diff(found.cost_history) >= 0)
    assert found.cost_history[-1] == found.cost
    assert found.value_history[-1] == found.value


def test_resumed_at_any_moment_nothing_is_computed_twice():
    _, loss, data = problem("MLP tanh")
    objective = Objective(CountingMLP(), loss, data, batch_size=32)
    COUNTER.clear()
    whole = LossDifferenceTrace(objective, 4).run()
    passes = len(COUNTER)
    COUNTER.clear()
    state, last = None, None
    while last is None or not last.outcome.succeeded:
        stream = LossDifferenceTrace(objective, 4).stream(state)
        last = next(stream)
        state = stream.checkpoint()
        stream.close()
    assert len(COUNTER) == passes
    assert same(last, whole)
    with pytest.raises(InputError, match="expected a checkpoint of"):
        LossDifferenceTrace(objective, 4, seed=1).stream(state)


def test_a_checkpoint_is_not_changed_by_the_run_that_goes_on():
    _, loss, data = problem("MLP tanh")
    objective = Objective(CountingMLP(), loss, data, batch_size=32)
    stream = LossDifferenceTrace(objective, 4).stream()
    for _ in range(40):
        next(stream)
    state = stream.checkpoint()
    one = list(LossDifferenceTrace(objective, 4).stream(state))[-1]
    list(stream)
    other = list(LossDifferenceTrace(objective, 4).stream(state))[-1]
    assert same(one, other)
    assert same(one, stream.latest)


def test_partial_results_come_after_every_batch():
    _, loss, data = problem("MLP tanh")
    objective = Objective(CountingMLP(), loss, data, batch_size=32)
    COUNTER.clear()
    counts = [len(COUNTER) for _ in LossDifferenceTrace(objective, 3).stream()]
    assert np.diff(counts).max() == 1


class Fenced(nn.Module):
    """A bowl that is NaN farther than `radius` from the centre."""

    def __init__(self, radius):
        super().__init__()
        self.theta, self.radius = nn.Parameter(torch.ones(50, dtype=torch.float64)), radius

    def forward(self, x):
        inside = (self.theta - 1).norm() < self.radius
        value = 0.5 * (self.theta**2).sum() + torch.cos(self.theta).sum()
        return (value if inside else value * math.nan).expand(len(x), 1)


def test_losses_that_are_not_finite_shrink_the_step_and_with_a_given_step_end_the_run():
    data = (torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    objective = Objective(Fenced(2e-4), lambda outputs, _: outputs.mean(), data)
    exact = 50 * (1 - math.cos(1.0))
    found = LossDifferenceTrace(objective, 50).run()
    assert found.outcome is Outcome.COMPLETE
    assert found.step * math.sqrt(50) < 2e-4
    assert found.interval[0] < exact < found.interval[1]
    failed = LossDifferenceTrace(objective, 50, step=1e-3).run()
    assert failed.outcome is Outcome.NOT_FINITE
    assert math.isnan(failed.value)
    assert "The loss along probe 1 gave NaN or infinity" in failed.caution


def test_batch_statistics_may_be_recomputed_at_every_point():
    objective = Objective(*problem("BatchNorm in eval mode"), batch_norm="recomputed")
    assert math.isfinite(LossDifferenceTrace(objective, 5).run().value)


@pytest.mark.parametrize("step", [0, -1.0, math.nan, math.inf, "small"])
def test_steps_that_are_none_are_refused(step):
    with pytest.raises(InputError, match="expected step as a positive finite number"):
        LossDifferenceTrace(Objective(*problem("MLP tanh")), step=step)


@pytest.mark.long
@pytest.mark.parametrize("probes", [10, 100])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_interval_holds_the_truth_as_often_as_it_says(dtype, probes, right):
    model, loss, data = problem("MLP tanh", dtype)
    truth = np.trace(dense_hessian(model, loss, data))
    objective = Objective(model, loss, data)
    held = [
        (found := LossDifferenceTrace(objective, probes, seed).run()).interval[0] <= truth <= found.interval[1]
        for seed in range(200)
    ]
    right.record(
        "95 % intervals of loss differences hold it in 90 to 99 %: distance from 94.5 %",
        "truth, 200 seeds",
        abs(np.mean(held) - 0.945),
        0.045,
        200,
    )
