"""`TraceLab` without a page: traits, waiting, stopping, errors, the page's requests, the static picture."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest
import torch
from cases import OnceQuartic, dense_hessian
from page import Page
from PIL import Image
from torch import nn

import landscape_widgets as lw
from landscape_widgets.protocol.codec import decode_any
from landscape_widgets.protocol.labs import TraceRequest, TraceSettings
from landscape_widgets.protocol.messages import TO_PAGE, Ack, Cancel, Pause

LONG = 30.0


def parts(activation=nn.Tanh):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), activation(), nn.Linear(5, 2)).double()
    return model, nn.MSELoss(), (torch.randn(40, 3, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64))


@pytest.fixture
def lab():
    made = lw.TraceLab(*parts(), budget=40, name="net")
    yield made
    made.close()


class Acknowledging(Page):
    """A page that acknowledges every state."""

    def receive(self, content, buffers=None):
        super().receive(content, buffers)
        if content["kind"] == "trace":
            self.say(Ack(content["run"], content["seq"]))


def test_wait_gives_every_estimate_and_the_exact_trace(lab, right):
    found = lab.wait(LONG)
    truth = float(np.trace(dense_hessian(*parts())))
    right.record("exact trace of TraceLab", "dense float64 Hessian", abs(lab.exact / truth - 1), 1e-12)
    assert found is lab.result
    assert {one.outcome for one in found.values()} <= {lw.Outcome.COMPLETE, lw.Outcome.CONVERGED}
    assert lab.methods == ("gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact")
    assert lab.progress == 1.0
    assert lab.sentence.startswith("After 40 gradient evaluations: ")
    with pytest.raises(TypeError):
        found["gaussian"] = None


def test_the_numbers_are_those_of_the_estimator_alone(lab):
    found = lab.wait(LONG)["gaussian"]
    alone = lw.HutchinsonTrace(lw.HessianOperator(lw.Objective(*parts())), probes=20, seed=0).run()
    assert (found.value, found.standard_error, found.products) == (alone.value, alone.standard_error, 20)


def test_traits_begin_runs_and_are_followed(lab):
    lab.wait(LONG)
    seen = []
    lab.observe(lambda change: seen.append(change["new"]), "sentence")
    lab.budget = 50
    assert lab.wait(LONG)["gaussian"].products == 25
    lab.methods = ["xtrace", "gaussian"]
    assert list(lab.wait(LONG)) == ["gaussian", "xtrace"]
    before = lab.result["gaussian"].value
    lab.seed = 7
    assert lab.wait(LONG)["gaussian"].value != before
    assert seen


@pytest.mark.parametrize(
    ("name", "value"),
    [("budget", 0), ("budget", 2.5), ("methods", ()), ("methods", ("hutch",)), ("seed", -1), ("seed", "one")],
)
def test_a_trait_that_cannot_be_is_refused_and_kept(lab, name, value):
    before = getattr(lab, name)
    with pytest.raises(lw.InputError):
        setattr(lab, name, value)
    assert getattr(lab, name) == before


def test_bad_arguments_say_what_to_do():
    with pytest.raises(lw.InputError, match="budget of 8"):
        lw.TraceLab(*parts(), budget=0)
    with pytest.raises(lw.InputError, match="at least one of"):
        lw.TraceLab(*parts(), methods=())
    with pytest.raises(TypeError, match="Did you mean 'metrics'"):
        lw.TraceLab(*parts(), metric=())
    with pytest.raises(lw.InputError, match="no loss or no data"):
        lw.TraceLab(parts()[0])
    model, _, _ = lw.zoo.toy_saddle(n=5)
    with pytest.raises(lw.InputError, match="needs an objective"):
        lw.TraceLab(model.hessian_operator(), methods=("differences",))


def test_where_every_method_fails_wait_raises_and_where_one_does_not_it_says_which():
    data = (torch.zeros(3, 1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64))
    given = (OnceQuartic(torch.ones(4)), lambda outputs, targets: outputs.mean(), data)
    lab = lw.TraceLab(*given, methods=("gaussian", "differences"), budget=60)
    assert list(lab.wait(LONG)) == ["differences"]
    assert isinstance(lab.failures["gaussian"], lw.ModelError)
    lab.methods = ("gaussian",)
    with pytest.raises(lw.LandscapeError):
        lab.wait(LONG)
    lab.methods = ("differences",)
    assert lab.wait(LONG)["differences"].outcome is lw.Outcome.COMPLETE
    assert lab.error is None
    lab.close()


def test_cancel_keeps_what_is_known_and_the_next_run_goes_on():
    lab = lw.TraceLab(*parts(), methods=("gaussian",), budget=100_000)
    lab._start()
    until(lambda: lab.result is not None and "gaussian" in lab.result)
    lab.cancel()
    stopped = lab.wait(LONG)["gaussian"]
    assert stopped.outcome is lw.Outcome.CANCELLED
    lab.budget = 2 * stopped.products + 20
    found = lab.wait(LONG)["gaussian"]
    alone = lw.HutchinsonTrace(lw.HessianOperator(lab.objective), probes=found.products, seed=0).run()
    assert (found.value, found.products) == (alone.value, stopped.products + 10)
    lab.close()


def test_pause_holds_and_resume_goes_on():
    lab = lw.TraceLab(*parts(), methods=("gaussian",), budget=100_000)
    lab._start()
    until(lambda: lab.result is not None and "gaussian" in lab.result)
    lab.pause()
    settle(lab)
    held = lab._lab.now(lab._wanted, False).results["gaussian"].products
    settle(lab)
    assert lab._lab.now(lab._wanted, False).results["gaussian"].products == held
    lab.resume()
    until(lambda: lab._lab.now(lab._wanted, False).results["gaussian"].products > held)
    lab.close()


def test_the_page_asks_and_gets_states_and_one_end(lab):
    page = Acknowledging(lab)
    page.say(TraceRequest("one", TraceSettings(("gaussian", "xtrace"), 50, 3)))
    assert page.end("one")["outcome"] == "complete"
    assert (lab.methods, lab.budget, lab.seed) == (("gaussian", "xtrace"), 50, 3)
    message, buffers = next((m, b) for m, b in reversed(page.messages) if m["kind"] == "trace")
    assert [curve["outcome"] for curve in message["curves"]] == ["complete", "complete"]
    heads = {
        head["name"]: np.frombuffer(buffer, "<f4") for head, buffer in zip(message["arrays"], buffers, strict=True)
    }
    assert heads["gaussian-cost"].tolist() == [2.0 * n for n in range(1, 26)]
    assert heads["gaussian-value"][-1] == np.float32(message["curves"][0]["value"])
    assert len([m for m in page.of("result") if m["id"] == "one"]) == 1


def test_a_request_that_cannot_be_is_one_error(lab):
    page = Acknowledging(lab)
    page.say(TraceRequest("bad", TraceSettings((), 50, 3)))
    assert page.end("bad")["kind"] == "error"
    page.say(TraceRequest("small", TraceSettings(("gaussian",), 3, 3)))
    assert "budget of 8" in page.end("small")["message"]
    page.say(Cancel("stop", "lab"))
    page.say(Pause("hold", False))
    assert page.end("stop")["outcome"] == page.end("hold")["outcome"] == "complete"


def test_a_saved_notebook_holds_the_finished_state(lab):
    lab.wait(LONG)
    saved = lab.snapshot["message"]
    assert saved["kind"] == "trace"
    assert saved["sentence"] == lab.sentence
    assert len(lab.snapshot["buffers"]) == len(saved["arrays"])
    decode_any(saved, TO_PAGE)
    assert sum(len(buffer) for buffer in lab.snapshot["buffers"]) < 60_000


def test_the_picture_is_a_png_of_what_is_known(lab, tmp_path):
    lab.wait(LONG)
    picture = Image.open(lab.save_png(tmp_path / "trace.png", dpi=100))
    assert picture.width == 720
    dark = Image.open(lab.save_png(tmp_path / "dark.png", dpi=100, dark=True))
    assert np.asarray(dark).mean() < 80 < np.asarray(picture).mean()
    assert Image.open(io.BytesIO(lab._png())).width == 720


def test_a_toy_of_a_matrix():
    model, _, _ = lw.zoo.toy_saddle(n=500, positive=600)
    lab = lw.TraceLab(model.hessian_operator(), methods=("rademacher", "gaussian", "exact"), budget=40)
    assert lab.wait(LONG)["rademacher"].value == lab.exact == 200.0
    assert "differences" not in lab.methods
    assert "1,001 × 1,001" in repr(lab)
    lab.close()


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def settle(lab):
    """Wait until the scheduler has come round."""
    passed = threading.Event()
    lab._scheduler.call(passed.set)
    assert passed.wait(LONG)
