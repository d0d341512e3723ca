"""Directions against a naive loop over filters; labels, lengths and angles."""

import numpy as np
import pytest
import torch
from cases import MODELS, build, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape_widgets.compute import directions
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.errors import InputError
from landscape_widgets.results import Direction


def objective_of(name="MLP tanh", dtype=torch.float64):
    return Objective(*problem(name, dtype), batch_size=32)


def naive(model, seed, per_filter, biases):
    """Li et al. filter by filter: every filter of the draw scaled to the norm of the model's filter."""
    drawn = torch.randn(
        sum(p.numel() for p in model.parameters() if p.requires_grad), generator=torch.Generator().manual_seed(seed)
    )
    pieces, start = [], 0
    for parameter in (parameter.detach() for parameter in model.parameters() if parameter.requires_grad):
        piece = drawn[start : start + parameter.numel()].double().view_as(parameter).clone()
        start += parameter.numel()
        if parameter.dim() <= 1:
            if biases:
                piece *= parameter.double().norm() / (piece.norm() + 1e-10)
            else:
                piece.zero_()
        elif per_filter:
            for row, weights in zip(piece, parameter.double(), strict=True):
                row *= weights.norm() / (row.norm() + 1e-10)
        else:
            piece *= parameter.double().norm() / (piece.norm() + 1e-10)
        pieces.append(piece.reshape(-1))
    return torch.cat(pieces).numpy()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("normalize", ["filter", "layer"])
@pytest.mark.parametrize("biases", [False, True])
def test_normalisation_against_a_loop_over_filters(name, normalize, biases, right):
    model, loss, data = problem(name)
    direction = directions.random(Objective(model, loss, data), 3, normalize, biases=biases)
    expected = naive(model, 3, normalize == "filter", biases)
    error = np.abs(direction.vector - expected).max() / np.abs(expected).max()
    right.record(f"{normalize} normalisation", "naive loop over the filters", error, 1e-12)
    assert (direction.normalization, direction.unit, direction.seed) == (normalize, f"{normalize} norms", 3)


def test_unit_and_raw():
    objective = objective_of()
    unit, raw = directions.random(objective, 0, "unit"), directions.random(objective, 0, None)
    assert np.linalg.norm(unit.vector) == pytest.approx(1.0, abs=1e-14)
    drawn = torch.randn(objective.size, generator=torch.Generator().manual_seed(0)).double().numpy()
    assert np.array_equal(raw.vector, drawn)
    assert directions.angle(unit, raw) == pytest.approx(0.0, abs=1e-5)
    assert (unit.label, unit.normalization, unit.unit) == ("random, seed 0", "unit", "parameter distance")
    assert (raw.normalization, raw.unit) == ("raw", "raw Gaussian steps")


@given(seed=st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_a_seed_means_one_direction_in_every_dtype(seed):
    single, double = objective_of(dtype=torch.float32), objective_of()
    for normalize in ("unit", None):
        one, other = (directions.random(objective, seed, normalize) for objective in (single, double))
        assert (one.vector.dtype, other.vector.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(one.vector, other.vector, rtol=1e-6)
    before = torch.get_rng_state()
    directions.random(double, seed)
    assert torch.equal(before, torch.get_rng_state())


def test_a_seed_means_one_direction_under_another_default_device():
    objective = objective_of()
    expected = directions.random(objective, 5).vector
    with torch.device("meta"):
        assert np.array_equal(directions.random(objective, 5).vector, expected)


def test_different_seeds_are_nearly_orthogonal():
    model = build(lambda: nn.Linear(200, 100))
    objective = Objective(model, nn.MSELoss(), (torch.ones(4, 200).double(), torch.ones(4, 100).double()))
    drawn = [directions.random(objective, seed) for seed in range(5)]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert abs(directions.angle(one, other) - 90.0) < 3.0


def test_a_model_of_vectors_only_moves_them():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.shift = nn.Parameter(torch.ones(3)), nn.Parameter(torch.tensor(2.0))
            self.empty = nn.Parameter(torch.zeros(0, 3))

        def forward(self, x):
            return x * self.scale + self.shift

    objective = Objective(Scale(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 3)))
    vector = directions.random(objective, 0).vector
    assert np.linalg.norm(vector[:3]) == pytest.approx(3**0.5)
    assert abs(vector[3]) == pytest.approx(2.0)


def test_hessian_directions_and_their_labels():
    pairs = Lanczos(DenseOperator(np.diag([5.0, 4.0, 3.0, 0.0, -1.0, -2.0])), 3, 2, tol=1e-9).run()
    found = directions.hessian(pairs, which=(0, 1, 2, -1, -2, 3))
    assert [direction.label for direction in found] == [
        "Hessian λ_max",
        "Hessian λ_2",
        "Hessian λ_3",
        "Hessian λ_min",
        "Hessian λ_min+1",
        "Hessian λ_min+1",
    ]
    for direction, place in zip(found, (0, 1, 2, 5, 4, 4), strict=True):
        assert abs(direction.vector[place]) == pytest.approx(1.0, abs=1e-6)
        assert direction.unit == "parameter distance"
    top_only = Lanczos(DenseOperator(np.diag([5.0, 4.0, 3.0])), 2, 0).run()
    assert [direction.label for direction in directions.hessian(top_only)] == ["Hessian λ_max", "Hessian λ_2"]
    before = found[0].vector.copy()
    pairs.vectors[:] = 0
    assert np.array_equal(found[0].vector, before)
    with pytest.raises(InputError, match=r"expected an eigenpair index within the 5 computed, got 7.*largest=8"):
        directions.hessian(pairs, which=(7,))
    partial = next(Lanczos(DenseOperator(np.eye(4)), 1, 0).stream())
    with pytest.raises(InputError, match="expected finished eigenpairs, got a partial result"):
        directions.hessian(partial, which=(0,)) if len(partial.values) else directions.hessian(
            next(s for s in Lanczos(DenseOperator(np.diag([1.0, 2, 3])), 1, 0).stream() if len(s.values)), which=(0,)
        )


def test_rescaled_to_the_length_of_a_random_one():
    objective = objective_of()
    vector = torch.zeros(objective.size, dtype=torch.float64)
    vector[0] = 3.0
    direction = directions.custom(objective, vector)
    weights = torch.cat([p.reshape(-1) for p in problem("MLP tanh")[0].parameters() if p.dim() > 1])
    for scale, length in (("unit", 1.0), ("filter", weights.norm().item()), ("raw", objective.size**0.5)):
        scaled = directions.rescale(direction, objective, scale)
        assert np.linalg.norm(scaled.vector) == pytest.approx(length, rel=1e-14)
        assert directions.angle(scaled, direction) == pytest.approx(0.0, abs=1e-5)
        assert scaled.normalization == scale
        assert "parameter distance" in scaled.unit
    random = directions.random(objective, 1, "filter")
    assert np.linalg.norm(random.vector) == pytest.approx(directions.weight_norm(objective), rel=1e-9)
    with pytest.raises(InputError, match='expected scale as "unit", "filter" or "raw", got \'huge\''):
        directions.rescale(direction, objective, "huge")
    with pytest.raises(InputError, match="expected a direction of positive length, got nothing of length 0"):
        directions.rescale(Direction(np.zeros(objective.size), "nothing", "raw", ""), objective, "unit")


def test_custom_directions_are_labelled_raw_and_keep_their_own_memory():
    objective = objective_of()
    vector = torch.ones(objective.size, dtype=torch.float64)
    direction = directions.custom(objective, vector, "mine")
    vector.zero_()
    assert direction.vector.sum() == objective.size
    assert (direction.label, direction.normalization) == ("mine, raw", "raw")
    assert directions.custom(objective, direction) is direction
    assert direction.axis.length == pytest.approx(objective.size**0.5)


def test_angles_in_degrees():
    def along(*vector):
        return Direction(np.array(vector), "", "raw", "")

    assert directions.angle(along(1.0, 0.0), along(0.0, 2.0)) == pytest.approx(90.0)
    assert directions.angle(along(1.0, 0.0), along(-3.0, 0.0)) == pytest.approx(180.0)
    assert directions.angle(along(1.0, 0.0), along(1.0, 1.0)) == pytest.approx(45.0)


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(InputError, match='expected normalize as "filter", "layer", "unit" or None, got \'weights\''):
        directions.random(objective_of(), 0, "weights")
