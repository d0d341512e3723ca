"""What an axis may show and which window is drawn: every source against vectors made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from page import Page
from torch import nn

import landscape_widgets as lw


def make_model(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()


@pytest.fixture
def objective():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    targets = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    return lw.Objective(make_model(0), nn.MSELoss(), (inputs, targets), metrics={"worst": worst}, name="net")


def worst(outputs, targets):
    return (outputs - targets).abs().max()


@pytest.fixture
def explore(objective):
    made = []

    def make(**options):
        made.append(lw.explore(objective, resolution=7, **options))
        return made[-1]

    yield make
    for explorer in made:
        explorer.close()


def flat(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()]).numpy()


def naive(objective, surface, one, two):
    centre = objective.center.numpy()
    return [[objective.loss(centre + a * one + b * two) for a in surface.alpha] for b in surface.beta]


def test_towards_another_model_ends_at_it(explore, objective):
    other = make_model(7)
    explorer = explore(models={"seed 7": other}, directions=("model 0", "random 1"), extent=((-0.5, 1.0), 0.5))
    surface = explorer.wait(60)
    assert surface.axes[0].label == "towards seed 7"
    random = lw.directions.random(objective, 1).vector
    step = flat(other) - objective.center.numpy()
    np.testing.assert_allclose(surface.loss, naive(objective, surface, step, random), rtol=1e-12)
    assert (surface.alpha[0], surface.alpha[-1], surface.beta[-1]) == (-0.5, 1.0, 0.5)


def test_the_gradient_is_the_uphill_axis(explore, objective):
    explorer = explore(directions=("gradient", "random 1"), scale="unit", extent=1e-4)
    surface = explorer.wait(60)
    gradient = objective.gradient().norm().item()
    slope = (surface.loss[3, 4] - surface.loss[3, 2]) / (surface.alpha[4] - surface.alpha[2])
    assert slope == pytest.approx(gradient, rel=1e-6)


def path(objective):
    centre = objective.center.clone()
    generator = torch.Generator().manual_seed(3)
    steps = torch.randn(5, len(centre), generator=generator, dtype=torch.float64).cumsum(0).flip(0) * 0.1
    return [centre + step for step in steps] + [centre.clone()]


def test_trajectory_components_are_singular_vectors_of_the_path(explore, objective):
    checkpoints = path(objective)
    explorer = explore(checkpoints=checkpoints, directions=("trajectory 0", "trajectory 1"), scale="unit")
    surface = explorer.wait(60)
    moved = torch.stack(checkpoints).numpy() - objective.center.numpy()
    rows = np.linalg.svd(moved)[2][:2]
    one, two = rows * np.sign((moved @ rows.T)[0])[:, None]
    np.testing.assert_allclose(surface.loss, naive(objective, surface, one, two), rtol=1e-9)
    track = explorer._session.run.tracks[0]
    np.testing.assert_allclose(np.array([track.alpha, track.beta]).T, moved @ np.stack([one, two]).T, atol=1e-9)
    off = moved - (moved @ rows.T) @ rows
    np.testing.assert_allclose(track.off_plane, np.linalg.norm(off, axis=1), atol=1e-7)
    np.testing.assert_allclose(track.loss, [objective.loss(point) for point in checkpoints], rtol=1e-12)
    share = 1 - np.square(off).sum() / np.square(moved).sum()
    assert track.shown.startswith(f"{100 * share:.0f} % of the training path")


def test_other_models_are_marked_where_they_project_to(explore, objective):
    others = [make_model(7), make_model(8)]
    explorer = explore(models=others)
    explorer.wait(60)
    track = explorer._session.run.tracks[0]
    basis = np.stack([lw.directions.random(objective, seed).vector for seed in (0, 1)], axis=1)
    for k, other in enumerate(others):
        step = flat(other) - objective.center.numpy()
        place, squares, *_ = np.linalg.lstsq(basis, step, rcond=None)
        assert (track.alpha[k], track.beta[k]) == pytest.approx(tuple(place), rel=1e-9)
        assert track.off_plane[k] == pytest.approx(np.sqrt(squares[0]), rel=1e-9)
        assert track.loss[k] == pytest.approx(objective.loss(flat(other)), rel=1e-12)


def test_each_axis_has_its_own_normalisation(explore, objective):
    explorer = explore(scale=("unit", "filter"))
    surface = explorer.wait(60)
    assert [axis.normalization for axis in surface.axes] == ["unit", "filter"]
    assert explorer.scale == ("unit", "filter")
    one = lw.directions.random(objective, 0, "unit").vector
    two = lw.directions.random(objective, 1, "filter").vector
    np.testing.assert_allclose(surface.loss, naive(objective, surface, one, two), rtol=1e-12)


@pytest.mark.parametrize("directions", [("random 0", "random 1"), ("λ_max", "λ_min")])
def test_a_change_of_scale_keeps_the_parameter_distance(explore, directions):
    explorer = explore(directions=directions, scale="unit", extent=0.5)
    before = explorer.wait(60)
    explorer.scale = "filter"
    after = explorer.wait(60)
    for place, coordinates in (("alpha", 0), ("beta", 1)):
        distance = [getattr(surface, place)[-1] * surface.axes[coordinates].length for surface in (before, after)]
        assert distance[0] == pytest.approx(distance[1], rel=1e-12)
    assert "same parameter distance" in explorer._session.frame().caption
    if directions[0] == "λ_max":  # an eigenvector only changes its length: the same points are drawn
        np.testing.assert_allclose(after.loss, before.loss, rtol=1e-9)


@pytest.mark.parametrize(
    "extent", [(1.0, -1.0), (0.0, 0.0), ((0, 1), (1, 1)), "wide", None, 1e7, ((0, 1),), float("nan")]
)
def test_an_extent_that_is_none_says_so(explore, extent):
    with pytest.raises(lw.InputError, match="expected extent from"):
        explore(extent=extent)


def test_metrics_reach_surface_and_page(explore, objective):
    explorer = explore()
    page = Page(explorer)
    surface = explorer.wait(60)
    page.until(lambda: page.of("tile")[-1]["done"] == 49)
    tiles = [(content, buffers) for content, buffers in page.messages if content["kind"] == "tile"]
    assert tiles[0][0]["frame"]["metrics"] == ["worst"]
    found = np.full(49, np.nan, np.float32)
    for content, buffers in tiles:
        arrays = dict(zip([head["name"] for head in content["arrays"]], buffers, strict=True))
        if "metrics" in arrays:
            found[np.frombuffer(arrays["index"], "<i4")] = np.frombuffer(arrays["metrics"], "<f4")
    np.testing.assert_array_equal(
        found.reshape(7, 7)[surface.known], surface.metrics["worst"].astype("f4")[surface.known]
    )


def test_the_code_rebuilds_the_view(explore, objective):
    explorer = explore(directions=("λ_max", "random 9"), scale=("unit", "filter"), extent=(-0.5, 1.0), view="contour")
    surface = explorer.wait(60)
    model, loss, data = objective, None, None
    names = {"model": model, "loss": loss, "data": data}
    exec(explorer.code, names)
    again = names["explorer"]
    assert again.view == "contour"
    np.testing.assert_array_equal(again.wait(60).loss, surface.loss)
    again.close()


def test_ready_made_results_are_not_computed_again(explore, objective):
    first = explore(directions=("λ_max", "λ_min"), scale="unit")
    surface = first.wait(60)
    second = explore(directions=("λ_max", "λ_min"), scale="unit", results=(surface, first.pairs))
    again = second.wait(60)
    assert again.evaluations == 0
    assert second.pairs is first.pairs
    np.testing.assert_array_equal(again.loss, surface.loss)


def test_results_of_another_objective_are_refused(explore, objective):
    first = explore()
    surface = first.wait(60)
    inputs = torch.ones(4, 3, dtype=torch.float64)
    other = lw.Objective(make_model(1), nn.MSELoss(), (inputs, torch.ones(4, 2, dtype=torch.float64)))
    with pytest.raises(lw.InputError, match="expected a surface of this objective"):
        lw.explore(other, results=surface)
    with pytest.raises(lw.InputError, match="expected eigenpairs of this objective"):
        lw.explore(other, results=first.pairs)
    with pytest.raises(lw.InputError, match="expected Eigenpairs or Surface"):
        lw.explore(objective, results=[make_model(2)])
