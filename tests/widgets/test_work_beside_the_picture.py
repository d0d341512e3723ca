"""Curves and their band, pause and resume, the queue, and who goes first when nobody looks."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from page import Page
from torch import nn

import landscape_widgets as lw
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.random_slices import slice_seeds
from landscape_widgets.protocol.codec import unpack
from landscape_widgets.protocol.messages import (
    ArrayHeader,
    AxisChoice,
    Cancel,
    CurveSettings,
    CurvesRequest,
    Goodbye,
    Hello,
    Pause,
    Range,
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
    made = lw.explore(objective, resolution=7, slices=0)
    yield made
    made.close()


@pytest.fixture
def long(objective):
    made = lw.explore(objective, resolution=513)
    yield made
    made.close()


WINDOW = Range(-0.5, 0.5)


def test_curves_equal_a_naive_loop_along_each_direction(explorer, objective):
    page = Page(explorer)
    choices = (AxisChoice("random", seed=9), AxisChoice("hessian", index=0, scale="unit"))
    settings = CurveSettings(choices, seeds=3, seed=20, scale="unit", range=WINDOW, points=9)
    page.say(CurvesRequest("c", settings))
    assert page.end("c")["outcome"] == "complete"
    content, buffers = [item for item in page.messages if item[0]["kind"] == "curves"][-1]
    heads = [ArrayHeader(head["name"], head["dtype"], tuple(head["shape"])) for head in content["arrays"]]
    arrays = unpack(heads, buffers)
    assert [curve["band"] for curve in content["curves"]] == [False, False, True, True, True]
    assert (content["done"], content["total"]) == (5, 5)
    explorer.wait(60)
    vectors = [lw.directions.random(objective, 9).vector, lw.directions.hessian(explorer.pairs, (0,))[0].vector]
    vectors += [lw.directions.random(objective, seed, "unit").vector for seed in (20, 21, 22)]
    centre = objective.center.numpy()
    expected = [[objective.loss(centre + t * vector) for t in np.linspace(-0.5, 0.5, 9)] for vector in vectors]
    np.testing.assert_allclose(arrays["loss"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (CurveSettings((), 0, 0, "unit", WINDOW, 9), "got neither"),
        (CurveSettings((AxisChoice("model"),), 0, 0, "unit", WINDOW, 9), "expected one of 0 other models"),
        (CurveSettings((), 4, 0, "unit", Range(1.0, 1.0), 9), "expected a range"),
        (CurveSettings((AxisChoice("random"),) * 13, 0, 0, "unit", WINDOW, 9), "at most 12 curves"),
    ],
)
def test_curves_that_cannot_be_are_answered_by_an_error(explorer, settings, words):
    page = Page(explorer)
    page.say(CurvesRequest("c", settings))
    assert words in page.end("c")["message"]
    assert explorer.wait(60).outcome is lw.Outcome.COMPLETE


def test_newer_curves_end_older_ones_as_cancelled(explorer):
    page = Page(explorer)
    many = CurveSettings((), 128, 0, "unit", WINDOW, 97)
    page.say(CurvesRequest("one", many))
    page.say(CurvesRequest("two", CurveSettings((), 1, 0, "unit", WINDOW, 9)))
    assert page.end("one")["outcome"] == "cancelled"
    assert page.end("two")["outcome"] == "complete"
    page.say(CurvesRequest("three", many))
    page.say(Cancel("stop", "curves"))
    assert page.end("three")["outcome"] == "cancelled"


def test_pause_holds_and_resume_goes_on(long):
    page = Page(long)
    page.until(lambda: long.surface is not None)
    page.say(Pause("p", True))
    page.until(lambda: any(job["paused"] for job in (page.of("queue") or [{"jobs": []}])[-1]["jobs"]))
    time.sleep(0.2)
    done = long.surface.done
    time.sleep(0.5)
    assert long.surface.done == done  # nothing moves while it is paused
    page.say(Pause("q", False))
    page.until(lambda: long.surface.done > done)
    assert page.end("p")["outcome"] == page.end("q")["outcome"] == "complete"


def test_wait_goes_on_with_what_was_paused(explorer):
    explorer.pause()
    explorer._start()
    explorer.pause()
    assert explorer.wait(60).outcome is lw.Outcome.COMPLETE


def test_the_verdict_counts_random_slices_as_the_dense_hessian_does(objective):
    explorer = lw.explore(objective, resolution=7, scale="unit", directions=("λ_max", "λ_min"), slices=30)
    page = Page(explorer)
    explorer.wait(60)
    page.until(lambda: "of 30 random slices" in verdict_of(explorer))
    dense = HessianOperator(objective).to_dense()
    shown = []
    for k in range(30):
        one, two = (lw.directions.random(objective, int(seed), "unit").vector for seed in slice_seeds(0, k))
        shown.append(
            np.linalg.eigvalsh([[one @ dense @ one, one @ dense @ two], [one @ dense @ two, two @ dense @ two]])
        )
    kinds = ["minimum" if low > 0 else "maximum" if high < 0 else "saddle" for low, high in shown]
    text = verdict_of(explorer)
    named = next(kind for kind in ("minimum", "maximum", "saddle") if f"a {kind}" in text.split("random slices")[1])
    assert f"{kinds.count(named)} of 30 random slices" in text
    assert "κ₊ here is above 100 %" in text
    assert "κ₋ above 0 %" in text  # no random slice is as steep as the one along the ends of the spectrum
    explorer.close()


def verdict_of(explorer):
    found = explorer._session.frame().verdict
    return "" if found is None else found.text


def test_the_queue_counts_the_jobs_of_other_widgets(long, explorer):
    first, second = Page(long), Page(explorer)
    first.until(lambda: any(job["of"] > 1 for notice in first.of("queue") for job in notice["jobs"]))
    explorer.wait(60)
    second.until(lambda: second.of("queue")[-1]["jobs"] == [])
    for notice in first.of("queue") + second.of("queue"):
        assert all(1 <= job["position"] <= job["of"] for job in notice["jobs"])


def test_what_nobody_looks_at_lets_others_go_first(long, objective):
    page = Page(long, "a")
    page.say(Hello("again", "b"))
    page.say(Goodbye("a"))
    page.until(lambda: long.surface is not None)
    assert not long._session.picture_job.idle  # one view is left
    page.say(Goodbye("b"))
    page.until(lambda: long._session.picture_job.idle)
    other = lw.explore(objective, resolution=25)
    other.wait(60)
    done = long.surface.done
    page.until(lambda: long.surface.done > done)  # and goes on when nothing else is ready
    page.say(Hello("back", "c"))
    page.until(lambda: not long._session.picture_job.idle)
    other.close()
