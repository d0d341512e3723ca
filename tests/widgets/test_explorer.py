"""The explorer without a page: traits, waiting, errors, static pictures, and one end a request."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import time
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import landscape_widgets as lw
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.protocol.codec import encode
from landscape_widgets.protocol.messages import AxisChoice, Cancel, Hello, PictureRequest, PictureSettings, Range

HALF = Range(-0.5, 0.5)
RANDOM = PictureSettings(
    AxisChoice("random", seed=3, scale="unit"), AxisChoice("random", seed=4, scale="unit"), HALF, HALF, 7
)


@pytest.fixture
def objective():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    targets = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    return lw.Objective(model, nn.MSELoss(), (inputs, targets), name="net")


@pytest.fixture
def explorer(objective):
    made = lw.explore(objective, resolution=7)
    yield made
    made.close()


class Page:
    """A page that answers like ours: keeps every message and acknowledges every tile."""

    def __init__(self, explorer):
        self.explorer, self.messages = explorer, []
        explorer.send = self.receive

    def receive(self, content, buffers=None):
        self.messages.append((content, [bytes(buffer) for buffer in buffers or ()]))
        if content["kind"] == "tile":
            self.say({"v": 1, "kind": "ack", "run": content["run"], "seq": content["seq"]})

    def say(self, content):
        self.explorer._handle_custom_msg(content, [])

    def ends(self, name):
        return [m for m, _ in self.messages if m["kind"] in ("result", "error") and m["id"] == name]

    def wait(self, name, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.ends(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.ends(name)


def test_wait_without_a_page_gives_the_surface_and_the_pairs(explorer, objective):
    surface = explorer.wait(timeout=60)
    assert surface is explorer.surface
    assert surface.outcome is lw.Outcome.COMPLETE
    dense = np.linalg.eigvalsh(HessianOperator(objective).to_dense())
    assert explorer.pairs.values[0] == pytest.approx(dense[-1], rel=1e-6)
    assert explorer.pairs.values[-1] == pytest.approx(dense[0], rel=1e-3)
    assert explorer.progress == 1.0
    assert explorer.status == "49 of 49 points"


def test_surface_equals_a_naive_loop(explorer, objective):
    surface = explorer.wait(timeout=60)
    one, two = (lw.directions.random(objective, seed).vector for seed in (0, 1))
    centre = objective.center.numpy()
    naive = [[objective.loss(centre + a * one + b * two) for a in surface.alpha] for b in surface.beta]
    np.testing.assert_allclose(surface.loss, naive, rtol=1e-12)


def in_own_thread(function):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_wait_async(explorer):
    surface = in_own_thread(lambda: asyncio.run(explorer.wait_async()))  # browser tests leave a loop in this one
    assert surface.outcome is lw.Outcome.COMPLETE


def test_traits_start_new_pictures_and_reuse_points(explorer):
    explorer.wait(60)
    explorer.extent = 2.0
    surface = explorer.wait(60)
    assert surface.alpha[-1] == 2.0
    assert surface.evaluations == 49 - 9  # every second point of ±2 is a point of ±1
    explorer.resolution = 13
    assert explorer.wait(60).loss.shape == (13, 13)
    explorer.directions = ("λ_max", "λ_min")
    assert [axis.label for axis in explorer.wait(60).axes] == ["Hessian λ_max", "Hessian λ_min"]
    explorer.seed = 5
    explorer.directions = ("random", "random")
    assert [axis.seed for axis in explorer.wait(60).axes] == [5, 6]


def test_hessian_axes_at_unit_scale_match_the_closed_form(objective):
    explorer = lw.explore(objective, directions=("λ_max", "λ_min"), scale="unit", extent=1e-3, resolution=7)
    surface = explorer.wait(60)
    middle = surface.loss[3]
    second = (middle[4] - 2 * middle[3] + middle[2]) / (surface.alpha[4] - surface.alpha[3]) ** 2
    assert second == pytest.approx(explorer.pairs.values[0], rel=1e-3)
    explorer.close()


def test_same_direction_twice_is_an_error_that_keeps_the_picture(explorer):
    first = explorer.wait(60)
    explorer.directions = ("random 1", "random 1")
    with pytest.raises(lw.LandscapeError, match="expected two different directions"):
        explorer.wait(60)
    assert explorer.surface is first
    explorer.directions = ("random 1", "random 2")
    assert explorer.wait(60).outcome is lw.Outcome.COMPLETE
    assert explorer.error is None


def test_cancel_keeps_what_is_known(objective):
    explorer = lw.explore(objective, resolution=513)
    explorer._start()
    while explorer.surface is None:
        time.sleep(0.01)
    explorer.cancel()
    surface = explorer.wait(60)
    assert surface.outcome is lw.Outcome.CANCELLED
    assert 0 < surface.done < surface.total
    assert np.isnan(surface.loss[~surface.known]).all()
    explorer.close()


def test_bad_arguments_say_what_to_do(objective):
    with pytest.raises(TypeError, match=r"'resolutoin'\. Did you mean 'resolution'"):
        lw.explore(objective, resolutoin=7)
    with pytest.raises(lw.InputError, match="expected extent from"):
        lw.explore(objective, extent=float("nan"))
    with pytest.raises(lw.InputError, match="expected resolution from"):
        lw.explore(objective, resolution=10**6)
    with pytest.raises(lw.InputError, match="expected two directions"):
        lw.explore(objective, directions=("random",))
    with pytest.raises(lw.InputError, match="expected a direction, got 'sideways'"):
        lw.explore(objective, directions=("random", "sideways"))
    with pytest.raises(lw.InputError, match="no loss or no data"):
        lw.explore(nn.Linear(1, 1))


def test_every_request_ends_exactly_once(explorer):
    page = Page(explorer)
    page.say(encode(Hello("h1")))
    for number in range(5):
        page.say(encode(PictureRequest(f"p{number}", RANDOM)))
    ends = (AxisChoice("hessian", scale="unit"), AxisChoice("hessian", index=-1, scale="unit"))
    hessian = PictureSettings(*ends, Range(-1.0, 1.0), Range(-1.0, 1.0), 7)
    page.say(encode(PictureRequest("p5", hessian)))
    page.say(encode(Cancel("c1")))
    page.say(encode(PictureRequest("p6", RANDOM)))
    page.say({**encode(PictureRequest("bad", RANDOM)), "surprise": 1})
    page.say({"v": 99, "kind": "hello", "id": "old"})
    names = ["h1", *(f"p{number}" for number in range(7)), "c1", "bad", "old"]
    assert page.wait("p6")
    explorer.wait(60)
    page.say(encode(Hello("h2")))
    page.say(encode(Hello("h3")))
    assert page.wait("h3")
    time.sleep(0.1)
    assert {name: len(page.ends(name)) for name in [*names, "h2", "h3"]} == dict.fromkeys([*names, "h2", "h3"], 1)
    assert page.ends("p6")[0]["outcome"] == "complete"
    assert page.ends("p0")[0]["outcome"] == "cancelled"
    assert page.ends("bad")[0]["kind"] == "error"


def test_hello_replays_all_points(explorer):
    surface = explorer.wait(60)
    page = Page(explorer)
    page.say(encode(Hello("h1")))
    assert page.wait("h1")
    deadline = time.monotonic() + 10
    while not any(m["kind"] == "tile" for m, _ in page.messages) and time.monotonic() < deadline:
        time.sleep(0.01)
    tile, buffers = next((m, b) for m, b in page.messages if m["kind"] == "tile")
    assert (tile["done"], tile["total"], tile["level"]) == (49, 49, 7)
    loss = np.frombuffer(buffers[1], "<f4")[np.argsort(np.frombuffer(buffers[0], "<i4"))]
    np.testing.assert_array_equal(loss, surface.loss.reshape(-1).astype(np.float32))


def test_html_in_a_title_never_leaves_the_png_or_the_html_unescaped(objective, tmp_path):
    explorer = lw.explore(objective, resolution=7, title="<img src=x onerror=alert(1)>")
    explorer.wait(60)
    text = explorer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert explorer.save_png(tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert explorer.to_figure().data
    explorer.close()


def test_the_user_s_model_is_untouched_by_an_explorer():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    explorer = lw.explore(model, nn.MSELoss(), (torch.ones(8, 3), torch.ones(8, 1)), resolution=7)
    explorer.wait(60)
    explorer.close()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


def test_a_closed_explorer_frees_its_objective(objective):
    explorer = lw.explore(objective, resolution=7)
    explorer.wait(60)
    gone = weakref.ref(explorer)
    explorer.close()
    with pytest.raises(lw.LandscapeError, match="closed"):
        explorer.cancel()
    del explorer
    deadline = time.monotonic() + 5
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert gone() is None


def test_a_failing_loss_is_said_and_ends_the_request():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def forward(self, x):
            if self.weight.abs().sum() > 0:
                raise RuntimeError("no further than here")
            return x + self.weight.sum()

    explorer = lw.explore(Fails(), lambda o, _: o.mean(), (torch.ones(4, 1), torch.ones(4, 1)), scale="unit")
    with pytest.raises(lw.LandscapeError, match="no further than here"):
        explorer.wait(60)
    explorer.close()


def test_a_loss_without_second_derivatives_still_has_a_surface():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).eval()
    data = (torch.randn(8, 3), torch.randn(8, 1))
    explorer = lw.explore(model, nn.MSELoss(), data, resolution=7, batch_norm="recomputed")
    surface = explorer.wait(60)
    assert surface.outcome is lw.Outcome.COMPLETE
    assert "frozen BatchNorm statistics" in explorer.error.message
    assert explorer.pairs is None
    assert "No quadratic preview" in explorer._session.frame().caption
    explorer.directions = ("λ_max", "λ_min")
    with pytest.raises(lw.LandscapeError, match="frozen BatchNorm statistics"):
        explorer.wait(60)
    assert explorer.surface is surface
    explorer.close()


def test_a_gradient_of_nan_at_the_centre_still_has_a_surface():
    class Edge(nn.Module):
        def __init__(self):
            super().__init__()
            self.t = nn.Parameter(torch.full((2,), 2.0, dtype=torch.float64))

        def forward(self, x):
            return x * torch.where(self.t > 5, (self.t - 9).sqrt(), self.t * self.t).sum()

    data = torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    explorer = lw.explore(Edge(), lambda o, t: (o - t).mean(), data, resolution=7, scale="unit", directions=EDGES)
    surface = explorer.wait(60)
    expected = [[(2 + a) ** 2 + (2 + b) ** 2 for a in surface.alpha] for b in surface.beta]
    np.testing.assert_allclose(surface.loss, expected, rtol=1e-12)
    assert explorer._session.frame().preview is None
    assert "not finite" in explorer._session.frame().verdict.title
    explorer.close()


EDGES = (np.array([1.0, 0.0]), np.array([0.0, 1.0]))


def test_more_eigenpairs_are_offered_and_drawn(objective):
    explorer = lw.explore(objective, largest=2, smallest=2, directions=(1, -2), scale="unit", resolution=7)
    labels = [source["label"] for source in explorer.options["sources"]]
    assert labels == ["Random", "Hessian λ_max", "Hessian λ_2", "Hessian λ_min+1", "Hessian λ_min", "Gradient"]
    surface = explorer.wait(60)
    assert [axis.label for axis in surface.axes] == ["Hessian λ_2", "Hessian λ_min+1"]
    dense = np.linalg.eigvalsh(HessianOperator(objective).to_dense())
    np.testing.assert_allclose(explorer.pairs.values, dense[[-1, -2, 1, 0]], rtol=1e-3)
    with pytest.raises(lw.InputError, match="expected an eigenpair index within the 4 computed, got 5"):
        explorer.directions = (5, "λ_min")
    assert explorer.directions == ("eigenvector 1", "eigenvector -2")
    assert explorer.wait(60) is surface
    explorer.close()


def test_own_vectors_may_come_later(explorer, objective):
    explorer.wait(60)
    one, two = np.eye(objective.size)[:2]
    explorer.directions = (one, lw.Direction(two, "mine", "raw", "parameter distance"))
    surface = explorer.wait(60)
    assert [axis.label for axis in surface.axes] == ["custom, raw", "mine"]
    centre = objective.center.numpy()
    assert surface.loss[6, 0] == pytest.approx(objective.loss(centre - one + two), rel=1e-12)
    assert [source["label"] for source in explorer.options["sources"]][-2:] == ["custom, raw", "mine"]
    named = explorer.directions
    explorer.directions = ("random", "random")
    explorer.wait(60)
    explorer.directions = named
    assert [axis.label for axis in explorer.wait(60).axes] == ["custom, raw", "mine"]
