"""The saddle lab: surfaces against closed forms and the loss itself, counts against a recount, numbers of the sheet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cases import OnceDifferentiable, dense_hessian
from torch import nn

from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.random_slices import slice_seeds
from landscape_widgets.errors import InputError, ModelError
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.labs import SaddleSettings
from landscape_widgets.session import saddle_sample, saddle_words
from landscape_widgets.session.lab_saddle import Saddles, counts_line
from landscape_widgets.session.saddle_points import Window

TOY = SaddleSettings(n=20, positive=26, draws=60, shown=3, seed=5, scale="raw", extent=0.5, points=9)
NET = SaddleSettings(n=1, positive=1, draws=10, shown=2, seed=1, scale="raw", extent=0.125, points=7)


class Silent:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.views = []

    def begun(self, settings):
        pass

    def shown_now(self, view, finished):
        self.views.append((view, finished))

    def failed(self, error):
        raise AssertionError(error)


def net(activation=nn.Tanh):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), activation(), nn.Linear(4, 2)).double()
    return model, nn.MSELoss(), (torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64))


def views(lab, settings):
    lab.check(settings)
    return list(lab.steps(settings))


def heights(lab, view, name):
    return lab.drawn(view)[2][name]


def raw_direction(size, seed):
    """The drawing of the design: one flat float32 draw of the seed, cast."""
    return torch.randn(size, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float32).double().numpy()


def toy_loss(theta, n, positive):
    """The definition of the toy saddle, point by point."""
    signs = np.r_[np.ones(positive), -np.ones(2 * n - positive)]
    return 0.5 * theta[-1] * float(signs @ theta[:-1] ** 2)


def toy_slice(settings, eta, delta):
    axis = np.linspace(-settings.extent, settings.extent, settings.points)
    centre = np.r_[np.zeros(2 * settings.n), 1.0]
    return np.array(
        [[toy_loss(centre + a * eta + b * delta, settings.n, settings.positive) for a in axis] for b in axis]
    )


# ---------------------------------------------------------------- surfaces


@pytest.mark.parametrize("scale", ["raw", "unit"])
def test_the_random_slice_is_the_loss_along_its_directions(scale, right):
    settings = dataclasses.replace(TOY, scale=scale)
    lab = Saddles(None, Silent())
    view = views(lab, settings)[-1]
    eta, delta = (raw_direction(41, seed) for seed in slice_seeds(settings.seed, settings.shown))
    if scale == "unit":
        eta, delta = eta / np.linalg.norm(eta), delta / np.linalg.norm(delta)
    truth = toy_slice(settings, eta, delta)
    error = np.abs(heights(lab, view, "random") - truth).max() / np.abs(truth).max()
    right.record("slices of SaddleLab", "the loss at every point", error, 1e-12)


def test_the_hessian_slice_is_the_loss_along_eigenvectors_as_long_as_random_directions(right):
    lab = Saddles(None, Silent())
    view = views(lab, TOY)[-1]
    axis = np.linspace(-TOY.extent, TOY.extent, TOY.points)
    truth = 0.5 * 41 * (axis[None, :] ** 2 - axis[:, None] ** 2)
    error = np.abs(heights(lab, view, "hessian") - truth).max() / np.abs(truth).max()
    right.record("Hessian slice of SaddleLab", "½ N (α² - β²)", error, 1e-12)
    picture = lab.drawn(view)[0][1]
    assert picture.kappa == pytest.approx((41.0, -41.0))
    assert (picture.shows, picture.length) == ("saddle", pytest.approx(41**0.5))


@pytest.mark.parametrize(("positive", "expected"), [(0, (0.0, -1.0)), (40, (1.0, 0.0))])
def test_without_curvature_of_one_sign_the_hessian_slice_takes_the_flat_direction(positive, expected):
    lab = Saddles(None, Silent())
    picture = lab.drawn(views(lab, dataclasses.replace(TOY, positive=positive))[-1])[0][1]
    assert picture.kappa == pytest.approx(tuple(41 * one for one in expected))
    assert picture.shows == "flat"


@pytest.mark.parametrize("scale", ["raw", "unit"])
def test_the_average_is_the_mean_of_all_slices(scale, right):
    settings = dataclasses.replace(TOY, scale=scale, draws=40)
    lab = Saddles(None, Silent())
    view = views(lab, settings)[-1]
    every = []
    for number in range(40):
        eta, delta = (raw_direction(41, seed) for seed in slice_seeds(settings.seed, number))
        if scale == "unit":
            eta, delta = eta / np.linalg.norm(eta), delta / np.linalg.norm(delta)
        every.append(toy_slice(settings, eta, delta))
    truth = np.mean(every, axis=0)
    error = np.abs(heights(lab, view, "average") - truth).max() / np.abs(truth).max()
    right.record("running average of SaddleLab", "mean of the losses of every slice", error, 1e-12)


def test_the_average_tends_to_half_the_trace(right):
    settings = SaddleSettings(500, 600, 4000, 0, 0, "raw", 0.125, 5)
    lab = Saddles(None, Silent())
    view = views(lab, settings)[-1]
    corner = heights(lab, view, "average")[2, 4]  # α = 0.125, β = 0
    standard_error = 0.5 * 0.125**2 * np.sqrt(2000 / 4000)
    away = abs(corner - 0.5 * 200 * 0.125**2) / standard_error
    right.record("average of 4,000 slices", "½ tr(H) α², in standard errors", away, 4.0)


def test_a_models_surfaces_are_its_loss(right):
    model, loss, (inputs, targets) = net()
    objective = Objective(model, loss, (inputs, targets))
    lab = Saddles(objective, Silent())
    view = views(lab, NET)[-1]
    axis = np.linspace(-NET.extent, NET.extent, NET.points)
    centre = objective.center.numpy()

    def at(theta):
        nn.utils.vector_to_parameters(torch.from_numpy(theta), model.parameters())
        with torch.no_grad():
            return float(loss(model(inputs), targets))

    dense = dense_hessian(*net())
    values, vectors = np.linalg.eigh(dense)
    length = np.sqrt(objective.size)
    pairs = {
        "random": [raw_direction(objective.size, seed) for seed in slice_seeds(NET.seed, NET.shown)],
        "hessian": [vectors[:, -1] * length, vectors[:, 0] * length],
    }
    for name, (eta, delta) in pairs.items():
        truth = np.array([[at(centre + a * eta + b * delta) for a in axis] for b in axis]) - at(centre)
        found = heights(lab, view, name)
        flips = [truth, truth[::-1], truth[:, ::-1], truth[::-1, ::-1]]  # an eigenvector has no sign
        error = min(np.abs(found - one).max() for one in flips) / np.abs(truth).max()
        right.record(f"{name} slice of a model", "the loss at every point", error, 1e-9 if name == "random" else 1e-2)
    picture = lab.drawn(view)[0][1]
    assert picture.kappa == pytest.approx((values[-1] * length**2, values[0] * length**2), rel=1e-3)


def test_a_models_average_is_that_of_the_quadratic_models():
    objective = Objective(*net())
    lab = Saddles(objective, Silent())
    view = views(lab, NET)[-1]
    dense = dense_hessian(*net())
    forms = []
    for number in range(NET.draws):
        eta, delta = (raw_direction(objective.size, seed) for seed in slice_seeds(NET.seed, number))
        forms.append([eta @ dense @ eta, eta @ dense @ delta, delta @ dense @ delta])
    A, B, C = np.mean(forms, axis=0)
    a, b = np.meshgrid(*[np.linspace(-NET.extent, NET.extent, NET.points)] * 2)
    np.testing.assert_allclose(heights(lab, view, "average"), 0.5 * A * a**2 + B * a * b + 0.5 * C * b**2, rtol=1e-9)
    assert "quadratic models" in lab.drawn(view)[0][2].note
    assert "quadratic models" in view.caption


def test_a_model_streams_its_surfaces_coarse_first():
    lab = Saddles(Objective(*net()), Silent())
    shapes = [
        None if view.random is None else view.random.heights.shape
        for view in views(lab, dataclasses.replace(NET, points=13, draws=3))
    ]
    drawn = [shape for shape in dict.fromkeys(shapes) if shape is not None]
    assert drawn[0] == (7, 7)
    assert drawn[-1] == (13, 13)


# ---------------------------------------------------------------- the sample


def test_counts_equal_a_recount_and_sum_to_the_draws():
    lab = Saddles(None, Silent())
    view = views(lab, dataclasses.replace(TOY, positive=20, draws=400))[-1]
    signs = np.r_[np.ones(20), -np.ones(20), 0.0]
    recount = dict.fromkeys(("minimum", "maximum", "saddle", "flat"), 0)
    for number in range(400):
        eta, delta = (raw_direction(41, seed) for seed in slice_seeds(TOY.seed, number))
        form = np.array([[eta @ (signs * eta), eta @ (signs * delta)], [0, delta @ (signs * delta)]])
        low, high = np.linalg.eigvalsh(form.T)
        recount["minimum" if low > 0 else "maximum" if high < 0 else "saddle"] += 1
    message, _ = lab.message(view, "q", 1, 0)
    assert {one.shows: one.count for one in message.counts} == recount
    assert sum(one.count for one in message.counts) == 400
    assert f"saddle {recount['saddle']}" in counts_line(view)


def test_more_draws_go_on_and_fewer_are_the_first(monkeypatch):
    lab = Saddles(None, Silent())
    first = views(lab, TOY)[-1].sample
    drawn = []
    steps = saddle_sample.RandomSlices._diagonal_block

    def counted(self, state, operator):
        before = state.done
        finite = steps(self, state, operator)
        drawn.append(state.done - before)
        return finite

    monkeypatch.setattr(saddle_sample.RandomSlices, "_diagonal_block", counted)
    more = views(lab, dataclasses.replace(TOY, draws=100))[-1].sample
    assert drawn == [40]
    np.testing.assert_array_equal(more.A[:60], first.A)
    fewer = views(lab, dataclasses.replace(TOY, draws=10))[-1].sample
    again = views(lab, dataclasses.replace(TOY, draws=100, extent=0.25, shown=70))[-1].sample
    assert drawn == [40]
    assert (fewer.done, fewer.total, again.done) == (10, 10, 100)
    np.testing.assert_array_equal(fewer.A, first.A[:10])
    assert sum(fewer.counts.values()) == 10


@pytest.mark.parametrize("change", [{"n": 21}, {"positive": 25}, {"seed": 6}, {"scale": "unit"}])
def test_another_question_begins_a_new_sample(change):
    lab = Saddles(None, Silent())
    first = views(lab, TOY)[-1].sample
    other = views(lab, dataclasses.replace(TOY, **change))[-1].sample
    assert other.done == TOY.draws
    assert not np.array_equal(first.A, other.A)


def test_a_run_that_was_left_goes_on_where_it_was():
    lab = Saddles(Objective(*net()), Silent())
    steps = lab.steps(NET)
    for view in steps:
        if view.sample is not None and view.sample.done == 5:
            break
    steps.close()
    begun = view.sample.products
    *_, last = lab.steps(NET)
    assert begun >= 10
    assert last.sample.products == 2 * NET.draws
    whole = views(Saddles(Objective(*net()), Silent()), NET)[-1]
    np.testing.assert_array_equal(last.sample.A, whole.sample.A)


# ---------------------------------------------------------------- what is predicted


@pytest.mark.parametrize(
    ("positive", "saddle", "tolerance"),
    [(500, 0.7071, 0.005), (510, 0.6398, 0.007), (550, 0.0580, 0.004), (600, 0, 3e-4)],
)
def test_predicted_shares_are_those_of_the_sheet(positive, saddle, tolerance, right):
    lab = Saddles(None, Silent())
    message, _ = lab.message(views(lab, SaddleSettings(500, positive, 1, 0, 0, "raw", 0.1, 7))[-1], "q", 1, 0)
    predicted = {one.shows: one.predicted for one in message.counts}
    right.record(
        f"P(saddle) of SaddleLab, ñ = {positive}", "the fact sheet", abs(predicted["saddle"] - saddle), tolerance
    )
    assert sum(predicted.values()) == pytest.approx(1.0)
    assert "The Gaussian formula holds" in message.prediction
    assert (message.trace, message.trace_error, message.trace_exact) == (2 * (positive - 500), 0.0, True)


@pytest.mark.parametrize(("n", "saddle", "tolerance"), [(5, 0.7295, 0.007), (1, 1.0, 0.0)])
def test_where_the_gaussian_formula_fails_it_says_so(n, saddle, tolerance):
    lab = Saddles(None, Silent())
    message, _ = lab.message(views(lab, SaddleSettings(n, n, 50, 0, 0, "raw", 0.1, 7))[-1], "q", 1, 0)
    predicted = {one.shows: one.predicted for one in message.counts}
    assert abs(predicted["saddle"] - saddle) <= tolerance
    assert "The Gaussian formula does not hold" in message.prediction


def test_a_small_models_prediction_is_that_of_its_whole_spectrum(right):
    lab = Saddles(Objective(*net()), Silent())
    view = views(lab, NET)[-1]
    dense = dense_hessian(*net())
    right.record("trace of SaddleLab", "dense Hessian", abs(view.prediction.trace / np.trace(dense) - 1), 1e-10)
    generator = np.random.default_rng(1)
    values = np.linalg.eigvalsh(dense)
    eta, delta = generator.standard_normal((2, 40_000, len(values)))
    A, B, C = eta**2 @ values, (eta * delta) @ values, delta**2 @ values
    middle, radius = (A + C) / 2, np.hypot((A - C) / 2, B)
    share = np.mean((middle + radius > 0) & (middle - radius < 0))
    error = abs(view.prediction.shares[2] - share)
    bound = 4 * np.hypot(view.prediction.errors[2], np.sqrt(share * (1 - share) / 40_000))
    right.record("P(saddle) of a model", "slices of its dense Hessian", error, float(bound))
    assert view.prediction.exact


def test_a_larger_models_prediction_is_labelled_an_approximation(monkeypatch):
    monkeypatch.setattr("landscape_widgets.session.saddle_laws.EXACT", 10)
    monkeypatch.setattr("landscape_widgets.session.saddle_laws.MOMENT_PROBES", 25)
    lab = Saddles(Objective(*net()), Silent())
    view = views(lab, NET)[-1]
    message, _ = lab.message(view, "q", 1, 0)
    truth = np.trace(dense_hessian(*net()))
    assert abs(view.prediction.trace - truth) < 5 * view.prediction.trace_error
    assert not message.trace_exact
    assert "an approximate law" in message.prediction
    assert all(not one.exact and "approximate" in one.law for one in message.histograms if one.name in "AB")
    assert "at least" in view.sentence or "known" in view.sentence


def test_filter_slices_have_no_law():
    lab = Saddles(Objective(*net()), Silent())
    message, _ = lab.message(views(lab, dataclasses.replace(NET, scale="filter"))[-1], "q", 1, 0)
    assert {one.predicted for one in message.counts} == {None}
    assert {one.law for one in message.histograms} == {""}
    assert message.prediction.startswith("No prediction")
    assert {one.marked for one in message.histograms} == {None}


# ---------------------------------------------------------------- histograms and words


def test_histograms_hold_every_slice_beside_their_density():
    lab = Saddles(None, Silent())
    view = views(lab, dataclasses.replace(TOY, draws=500))[-1]
    _, shapes, arrays = lab.drawn(view)
    assert [one.name for one in shapes] == ["A", "B", "kappa_plus", "kappa_minus"]
    assert [one.exact for one in shapes] == [True, True, False, False]
    assert shapes[2].law == "asymptotic law"
    assert [one.marked for one in shapes] == [12.0, None, 12.0, 12.0]
    for name in ("A", "B", "kappa_plus", "kappa_minus"):
        assert arrays[f"{name}-counts"].sum() == 500
        mass = np.trapezoid(arrays[f"{name}-density"], arrays[f"{name}-x"])
        assert mass == pytest.approx(1.0, abs=0.02)


def test_values_beyond_the_law_get_bins_of_their_own():
    edges = saddle_sample.bin_edges(np.array([-30.0, 0.5, 2.0]), (0.0, 1.0))
    assert edges[0] <= -10.0
    assert edges[-1] >= 2.0
    assert np.histogram([-30.0, 0.5, 2.0], edges)[0].sum() == 3


def test_one_sentence_says_what_happened():
    lab = Saddles(None, Silent())
    view = views(lab, SaddleSettings(50, 50, 200, 0, 0, "raw", 0.1, 7))[-1]
    assert view.sentence == (
        "33 of 200 random slices show a minimum; the point is a saddle with 50 negative directions."
    )


def test_an_average_within_its_error_of_zero_is_called_flat():
    assert saddle_words.shows((1.0, 0.5), limit=1.5) == "flat"
    assert saddle_words.shows((4.0, 2.0), limit=1.5) == "minimum"
    lab = Saddles(None, Silent())
    pictures = lab.drawn(views(lab, SaddleSettings(500, 500, 1000, 0, 0, "raw", 0.1, 7))[-1])[0]
    assert [one.shows for one in pictures] == ["saddle", "saddle", "flat"]


def test_away_from_a_critical_point_it_says_so():
    lab = Saddles(Objective(*net()), Silent())
    message, _ = lab.message(views(lab, NET)[-1], "q", 1, 0)
    length = float(Objective(*net()).gradient().norm())
    assert message.caution.startswith("Not a critical point: |∇L| = ")
    assert saddle_words.number(length) in message.caution
    toy = Saddles(None, Silent())
    assert toy.message(views(toy, TOY)[-1], "q", 1, 0)[0].caution == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 0}, "expected n from 1"),
        ({"positive": 41}, "from 0 to 2n = 40"),
        ({"positive": -1}, "from 0 to 2n = 40"),
        ({"draws": 0}, "expected draws from 1"),
        ({"shown": 60}, "expected shown from 0 to draws - 1 = 59"),
        ({"scale": "filter"}, "expected scale as one of raw, unit"),
        ({"extent": float("nan")}, "expected extent"),
        ({"points": 8}, "odd number of points"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        Saddles(None, Silent()).check(dataclasses.replace(TOY, **change))


def test_a_loss_without_a_second_derivative_fails_with_words():
    lab = Saddles(Objective(OnceDifferentiable(), nn.MSELoss(), (torch.ones(4, 3), torch.zeros(4, 1))), Silent())
    for _ in range(2):  # the second request fails as clearly as the first
        with pytest.raises(ModelError):
            list(lab.steps(NET))


def test_a_model_without_curvature_is_flat_and_has_no_prediction():
    model = nn.Linear(2, 1).double()
    data = (torch.ones(4, 2, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64))
    lab = Saddles(Objective(model, lambda outputs, targets: outputs.mean(), data), Silent())
    view = views(lab, NET)[-1]
    message, _ = lab.message(view, "q", 1, 0)
    assert {one.shows: one.count for one in message.counts}["flat"] == NET.draws
    assert message.prediction.startswith("No prediction")


def test_a_cancelled_run_leaves_a_cancelled_sample():
    listener = Silent()
    lab = Saddles(Objective(*net()), listener)
    steps = lab.steps(NET)
    view = next(view for view in steps if view.sample is not None and view.sample.done == 4)
    steps.close()
    lab.on_state(view, True)
    assert str(listener.views[-1][0].sample.outcome) == "cancelled"
    assert view.progress < 1


def test_a_message_travels(right):
    lab = Saddles(None, Silent())
    message, buffers = lab.message(views(lab, TOY)[-1], "q", 2, 3)
    assert (message.id, message.run, message.seq) == ("q", 2, 3)
    assert len(buffers) == len(message.arrays)
    assert encode(message)["settings"]["positive"] == 26
    window = Window("raw", 0.3, 7).axis()
    assert window[3] == 0.0
