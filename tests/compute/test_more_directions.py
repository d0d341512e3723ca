"""Gradient, model-to-model and orthogonalised directions against losses and inner products written out."""

import copy
import warnings

import numpy as np
import pytest
import torch
from cases import MODELS, naive_loss, problem, whole_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape_widgets.compute import directions
from landscape_widgets.compute.checkpoint_readers import save_parameters
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError, LandscapeWarning, ModelError
from landscape_widgets.results import Direction


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters() if p.requires_grad])


def with_frozen_parts_of(other, model):
    """`other`, with the buffers and frozen parameters of `model`."""
    state = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            if not parameter.requires_grad:
                parameter.copy_(state[name])
        for name, buffer in other.named_buffers():
            buffer.copy_(dict(model.named_buffers())[name])
    return other


@pytest.mark.parametrize("name", MODELS)
def test_the_slope_along_the_gradient_is_its_norm(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=32)
    expected = whole_gradient(model, loss, data)
    unit, raw = directions.gradient(objective), directions.gradient(objective, normalize=None)
    scale = np.linalg.norm(expected)
    right.record("gradient direction", "backward pass written out", np.abs(raw.vector - expected).max() / scale, 1e-12)
    assert np.linalg.norm(unit.vector) == pytest.approx(1.0, abs=1e-14)
    assert (unit.label, unit.normalization, unit.unit) == ("gradient, uphill", "unit", "parameter distance")
    assert raw.unit == f"{scale:.3g} × parameter distance, the length of the gradient"
    if name != "MLP ReLU":  # differences step over its kinks
        step = 1e-5
        line = GridEvaluator(objective, unit, extent=step, resolution=3).run()
        right.record(
            "slope along the gradient", "|gradient|", abs((line.loss[2] - line.loss[0]) / (2 * step * scale) - 1), 1e-6
        )


def test_tiny_gradients_keep_their_direction_and_zero_ones_are_refused():
    model = nn.Linear(2, 1, bias=False).double()
    data = (torch.ones(4, 2).double(), torch.zeros(4, 1).double())
    tiny = directions.gradient(Objective(model, lambda y, t: 1e-200 * (y - t).mean(), data))
    np.testing.assert_allclose(tiny.vector, 2**-0.5)
    with pytest.raises(ModelError, match="expected a finite gradient other than zero at the centre, got zero"):
        directions.gradient(Objective(model, lambda y, t: ((y - y.detach()) ** 2).mean(), data))
    with pytest.raises(InputError, match=r"expected normalize as \"unit\" or None, got 'filter'.*rescale"):
        directions.gradient(Objective(model, nn.MSELoss(), data), "filter")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["flat", "NumPy", "module", "state dict", "file"])
def test_the_line_between_two_models_ends_at_the_losses_of_both(name, form, tmp_path, right):
    model, loss, data = problem(name)
    other = with_frozen_parts_of(problem(name, seed=7)[0], model)
    given = {
        "flat": lambda: flat(other),
        "NumPy": lambda: flat(other).numpy(),
        "module": lambda: other,
        "state dict": other.state_dict,
        "file": lambda: save_parameters(tmp_path / "other", other),
    }[form]()
    objective = Objective(model, loss, data, batch_size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        direction = directions.between(objective, given)
    assert np.array_equal(direction.vector, (flat(other) - objective.center).numpy())
    line = GridEvaluator(objective, direction, extent=(0.0, 1.0), resolution=5).run()
    ends = [naive_loss(model, loss, data, flat(model)), naive_loss(model, loss, data, flat(other))]
    if name == "frozen and unused" or form in ("module", "state dict", "file"):
        with torch.no_grad():
            assert ends[1] == pytest.approx(loss(other(data[0]), data[1]).item(), rel=1e-12)
    right.record("line between two models", "losses at its ends", np.abs(line.loss[[0, -1]] / ends - 1).max(), 1e-12)
    length = np.linalg.norm(direction.vector)
    assert direction.label == (
        "towards the other model (other.safetensors)" if form == "file" else "towards the other model"
    )
    assert direction.unit.endswith(f"{length:.3g} × parameter distance")


def test_a_float64_model_towards_a_float32_objective_is_subtracted_before_it_is_rounded():
    model, loss, data = problem("MLP tanh", torch.float32)
    other = copy.deepcopy(model).double()
    with torch.no_grad():
        other[0].weight += 1e-9
    direction = directions.between(Objective(model, loss, data), other, "a neighbour")
    np.testing.assert_allclose(direction.vector[:30], 1e-9, rtol=1e-6)
    assert direction.label == "towards a neighbour"


def test_tied_parameters_may_have_any_of_their_names_and_must_agree():
    model, loss, data = problem("tied weights")
    other = problem("tied weights", seed=5)[0]
    objective, state = Objective(model, loss, data), dict(other.state_dict())
    expected = directions.between(objective, other).vector
    for left_out in ("encoder.weight", "back.weight"):
        given = {name: tensor for name, tensor in state.items() if name != left_out}
        assert np.array_equal(directions.between(objective, given).vector, expected)
    state["back.weight"] = state["back.weight"] + 1
    with pytest.raises(InputError, match=r"expected 'encoder.weight' and 'back.weight' to be equal in the other model"):
        directions.between(objective, state)


def test_other_buffers_and_frozen_parameters_are_said():
    model, loss, data = problem("BatchNorm in eval mode")
    objective, other = Objective(model, loss, data), problem("BatchNorm in eval mode", seed=3)[0]
    with pytest.warns(LandscapeWarning, match=r"has other values in 1\.running_mean, 1\.running_var, which stay"):
        direction = directions.between(objective, other)
    assert direction.label == "towards the other model, moved parameters only"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = copy.deepcopy(model)
        same[1].num_batches_tracked += 5  # no part in the loss
        with torch.no_grad():
            same[0].weight += 1
        assert directions.between(objective, same).label == "towards the other model"
    model, loss, data = problem("frozen and unused")
    with pytest.warns(LandscapeWarning, match=r"has other values in first\.bias"):
        directions.between(Objective(model, loss, data), problem("frozen and unused", seed=3)[0])


def narrower():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def deeper():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3), nn.Linear(3, 3)).double()


REFUSED = {
    "narrower": (lambda m: narrower(), r"parameter '0\.weight' of shape \(6, 5\).*the other model, got shape \(4, 5\)"),
    "deeper": (
        lambda m: deeper(),
        r"only the parameters of Sequential in the other model, got also '3\.weight' of shape",
    ),
    "missing": (
        lambda m: {k: v for k, v in m.state_dict().items() if k != "2.bias"},
        r"parameter '2\.bias' of shape \(3,\) in the other model, got none.*same architecture",
    ),
    "wrapped": (
        lambda m: {f"module.{k}": v for k, v in m.state_dict().items()},
        r"parameter '0\.weight' .* got none\. To fix it: remove the prefix 'module\.'",
    ),
    "nested": (lambda m: {"model": m.state_dict(), "epoch": 3}, r"got a mapping at 'model'.*checkpoint\['model'\]"),
    "integers": (lambda m: {k: v.int() for k, v in m.state_dict().items()}, r"real floating-point.*of torch\.int32"),
    "short": (lambda m: torch.ones(3), r"the other model of shape \(57,\) .* got shape \(3,\)"),
    "text": (lambda m: {"0.weight": "weights"}, r"'0\.weight' in the other model as a tensor or array, got str"),
    "object": (lambda m: object(), r"expected the other model as a tensor or array, got object"),
    "itself": (lambda m: m, r"at another finite point, got the same parameters"),
    "infinite": (lambda m: torch.full((57,), float("inf")), r"at another finite point, got distance inf"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.wrong_types
def test_another_architecture_is_refused_by_the_first_parameter_that_differs(case):
    model, loss, data = problem("MLP tanh")
    make, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        directions.between(Objective(model, loss, data), make(model))


def filter_product(objective, a, b):
    """Σ_f a_f·b_f / |θ_f|², filter by filter; a bias is one filter."""
    total, start = 0.0, 0
    for parameter in objective.layout.split(objective.center):
        filters = parameter.reshape(len(parameter), -1) if parameter.dim() > 1 else parameter.reshape(1, -1)
        for weights in filters.numpy():
            stop = start + len(weights)
            total += (a[start:stop] @ b[start:stop]) / (weights @ weights)
            start = stop
    return total


@given(seed=st.integers(0, 1000), inner=st.sampled_from(["euclidean", "filter"]), mix=st.floats(-1e4, 1e4))
@settings(max_examples=40, deadline=None)
def test_orthogonal_in_the_inner_product_that_is_named(seed, inner, mix):
    objective = Objective(*problem("depthwise convolution"), batch_size=32)
    one, drawn = (directions.random(objective, seed + i, "unit") for i in range(2))
    other = Direction(drawn.vector + mix * one.vector, "mixed", "raw", "")
    found = directions.orthogonalize(one, other, objective, inner)
    product = filter_product if inner == "filter" else lambda objective, a, b: a @ b
    a, b = one.vector, found.vector
    lengths = np.sqrt(product(objective, a, a) * product(objective, b, b))
    assert abs(product(objective, a, b)) <= 1e-10 * lengths
    assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(other.vector))
    assert found.label == f"mixed, ⟂ random, seed {seed} ({inner})"
    plane = np.linalg.lstsq(np.stack([a, drawn.vector]).T, b, rcond=None)
    assert plane[1][0] < 1e-16 * (1 + mix**2)  # still in the plane of both


def test_orthogonalised_directions_keep_what_they_are_called():
    objective = Objective(*problem("MLP tanh"), batch_size=32)
    unit = directions.orthogonalize(*(directions.random(objective, s, "unit") for s in (0, 1)), objective)
    assert (unit.normalization, unit.unit, unit.seed) == ("unit", "parameter distance", 1)
    assert np.linalg.norm(unit.vector) == pytest.approx(1.0, abs=1e-14)
    one, other = (directions.random(objective, s) for s in (0, 1))
    filtered = directions.orthogonalize(one, other, objective, "filter")
    assert filtered.normalization == "raw"
    assert filtered.unit == f"{np.linalg.norm(other.vector):.3g} × parameter distance"
    with pytest.raises(
        InputError, match="expected directions that are not parallel, got random, seed 0 and random, seed 0"
    ):
        directions.orthogonalize(one, one, objective)
    with pytest.raises(InputError, match='expected inner as "euclidean" or "filter", got \'cosine\''):
        directions.orthogonalize(one, other, objective, "cosine")


def test_a_zero_filter_has_no_filter_inner_product():
    model = nn.Linear(3, 2)
    nn.init.zeros_(model.bias)
    objective = Objective(model, nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    moving, still = directions.gradient(objective), directions.random(objective, 0)  # random leaves biases alone
    assert directions.angle(still, directions.orthogonalize(still, moving, objective, "filter")) > 0
    with pytest.raises(
        InputError, match="weights other than zero in every filter that is moved, got a zero one in 'bias'"
    ):
        directions.orthogonalize(moving, still, objective, "filter")
