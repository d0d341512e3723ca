"""`SaddleLab` without a page: traits, drawing more, scales, errors, the page's requests, the static picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import traitlets
from page import Page
from PIL import Image
from torch import nn

import landscape_widgets as lw
from landscape_widgets.protocol.codec import decode_any
from landscape_widgets.protocol.labs import SaddleRequest, SaddleSettings
from landscape_widgets.protocol.messages import TO_PAGE, Ack, Cancel

LONG = 30.0


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    return model, nn.MSELoss(), (torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64))


@pytest.fixture
def lab():
    made = lw.SaddleLab(n=50, positive=50, draws=200)
    yield made
    made.close()


@pytest.fixture
def net():
    made = lw.SaddleLab(*parts(), draws=6, points=7, name="net")
    yield made
    made.close()


class Acknowledging(Page):
    """A page that acknowledges every state."""

    def receive(self, content, buffers=None):
        super().receive(content, buffers)
        if content["kind"] == "saddle":
            self.say(Ack(content["run"], content["seq"]))


def test_wait_gives_the_sample(lab):
    sample = lab.wait(LONG)
    assert sample is lab.result
    assert (sample.done, sum(sample.counts.values()), sample.outcome) == (200, 200, lw.Outcome.COMPLETE)
    assert lab.sentence == "33 of 200 random slices show a minimum; the point is a saddle with 50 negative directions."
    assert (lab.trace, lab.law.trace, lab.progress) == (0.0, 0.0, 1.0)
    alone = lw.RandomSlices(lw.DiagonalOperator(np.r_[np.ones(50), -np.ones(50), 0.0]), draws=200).run()
    np.testing.assert_array_equal(sample.A, alone.A)


def test_drawing_again_and_more(lab):
    first = lab.wait(LONG)
    lab.draw_more(1000)
    more = lab.wait(LONG)
    assert (lab.draws, more.done) == (1200, 1200)
    np.testing.assert_array_equal(more.A[:200], first.A)
    lab.draw_again()
    lab.wait(LONG)
    assert (lab.shown, lab.draws) == (1, 1200)
    lab.shown = 1199
    lab.draw_again()
    lab.wait(LONG)
    assert (lab.shown, lab.draws, lab.result.done) == (1200, 1201, 1201)
    with pytest.raises(lw.InputError, match="at least 1"):
        lab.draw_more(0)


def test_setting_a_trait_asks_anew(lab):
    before = lab.wait(LONG).A.copy()
    seen = []
    lab.observe(lambda change: seen.append(change["new"].done), "result")
    lab.seed = 3
    assert not np.array_equal(lab.wait(LONG).A, before)
    lab.n = 20
    assert (lab.wait(LONG).size, lab.positive) == (41, 20)
    lab.positive = 30
    assert lab.wait(LONG).size == 41
    assert lab.trace == 20.0
    lab.draws = 50
    assert (lab.wait(LONG).done, lab.shown) == (50, 0)
    assert seen[-1] == 50


def test_another_scale_keeps_the_region(lab):
    lab.wait(LONG)
    assert (lab.scale, lab.extent) == ("raw", 0.125)
    lab.scale = "unit"
    assert lab.wait(LONG).normalization == "unit"
    assert lab.extent == pytest.approx(0.125 * 101**0.5)
    lab.scale = "raw"
    assert lab.extent == pytest.approx(0.125)


def test_labs_are_linked(lab):
    other = lw.SaddleLab(n=50, positive=50, draws=50)
    link = traitlets.link((lab, "positive"), (other, "positive"))
    lab.positive = 70
    lab.wait(LONG)
    assert other.wait(LONG).done == 50
    assert (other.positive, other.trace) == (70, 40.0)
    link.unlink()
    other.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "expected n from 1"),
        ({"n": 2.5}, "expected n as a whole number"),
        ({"n": 3, "positive": 7}, "from 0 to 2n = 6"),
        ({"draws": 0}, "expected draws from 1"),
        ({"scale": "filter"}, "expected scale as one of raw, unit"),
        ({"extent": "wide"}, "expected extent as a number"),
        ({"shown": 1000}, "expected shown from 0"),
        ({"loss": nn.MSELoss()}, "got no model"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(lw.InputError, match=words):
        lw.SaddleLab(**arguments)


def test_an_unknown_keyword_names_the_nearest():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'batchsize'\. Did you mean 'batch_size'"):
        lw.SaddleLab(batchsize=3)
    with pytest.raises(lw.InputError, match="got both"):
        lw.SaddleLab(*parts(), n=5)


def test_a_refused_trait_keeps_its_value(lab):
    lab.wait(LONG)
    for name, value in (("n", 0), ("positive", 101), ("draws", 0), ("shown", 200), ("scale", "filter"), ("extent", -1)):
        before = getattr(lab, name)
        with pytest.raises(lw.InputError):
            setattr(lab, name, value)
        assert getattr(lab, name) == before
    assert lab.wait(LONG).done == 200


def test_a_model_has_its_own_slices(net):
    sample = net.wait(LONG)
    assert (sample.done, sample.products, net.n, net.positive) == (6, 12, None, None)
    assert sample.gradient_norm == pytest.approx(float(lw.Objective(*parts()).gradient().norm()))
    with pytest.raises(lw.InputError, match="expected a toy saddle to set n"):
        net.n = 5
    net.scale = "filter"
    assert net.wait(LONG).normalization == "filter"
    assert "SaddleLab(net: 26 parameters" in repr(net)


def test_the_page_asks_and_is_answered(lab):
    page = Acknowledging(lab)
    page.until(lambda: any(one["done"] == 200 for one in page.of("saddle")))
    settings = SaddleSettings(10, 12, 300, 4, 0, "raw", 0.25, 25)
    page.say(SaddleRequest("p1", settings))
    assert page.end("p1")["outcome"] == "complete"
    last = [(content, buffers) for content, buffers in page.messages if content["kind"] == "saddle"][-1]
    state = decode_any(last[0], TO_PAGE)
    arrays = {head.name: head for head in state.arrays}
    assert (state.id, state.settings, state.done) == ("p1", settings, 300)
    assert sum(one.count for one in state.counts) == 300
    assert tuple(arrays["random"].shape) == tuple(arrays["average"].shape) == (25, 25)
    assert (lab.n, lab.positive, lab.shown, lab.extent) == (10, 12, 4, 0.25)


def test_a_bad_request_of_the_page_leaves_the_last_picture(lab):
    page = Acknowledging(lab)
    lab.wait(LONG)
    page.say(SaddleRequest("bad", SaddleSettings(10, 21, 300, 0, 0, "raw", 0.25, 25)))
    end = page.end("bad")
    assert (end["kind"], "from 0 to 2n = 20" in end["message"]) == ("error", True)
    assert (lab.n, lab.result.done) == (50, 200)
    with pytest.raises(lw.LandscapeError, match="2n = 20"):
        lab.wait(LONG)
    lab.draws = 210
    assert lab.wait(LONG).done == 210
    assert lab.error is None


def test_stopping_keeps_what_is_drawn():
    made = lw.SaddleLab(*parts(), draws=100_000, points=7)
    page = Acknowledging(made)
    page.until(lambda: any(one["done"] >= 3 for one in page.of("saddle")))
    page.say(Cancel("stop", "lab"))
    page.until(lambda: made.result is not None and made.result.outcome is lw.Outcome.CANCELLED)
    assert 3 <= made.result.done < 100_000
    made.close()


def test_a_finished_state_is_saved_and_drawn(lab, tmp_path):
    lab.wait(LONG)
    assert lab.snapshot["message"]["kind"] == "saddle"
    assert len(lab.snapshot["buffers"]) == len(lab.snapshot["message"]["arrays"])
    light, dark = (lab.save_png(tmp_path / f"{dark}.png", dark=dark, dpi=50) for dark in (False, True))
    pixels = [np.asarray(Image.open(io.BytesIO(path.read_bytes())), dtype=float) for path in (light, dark)]
    assert pixels[0].mean() > 200 > 60 > pixels[1].mean()
    assert pixels[0].std() > 10
    unstarted = lw.SaddleLab(n=3)
    with pytest.raises(lw.InputError, match="got none yet"):
        unstarted.save_png(tmp_path / "none.png")
    unstarted.close()


def test_it_waits_without_blocking(lab):
    import asyncio

    assert asyncio.run(lab.wait_async()).done == 200
