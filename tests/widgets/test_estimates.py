"""Pictures that end once the surface between their points is known: what is computed, drawn, said, kept."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from page import Page
from torch import nn

import landscape_widgets as lw
from landscape_widgets.errors import InputError
from landscape_widgets.figures.picture import Picture

WORDS = re.compile(r"interpolated, held-out error [\d.]+ %")


@pytest.fixture
def explorer():
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    data = torch.randn(32, 5, generator=generator).double(), torch.randint(0, 3, (32,), generator=generator)
    made = lw.explore(model, nn.CrossEntropyLoss(), data, until=0.01, slices=0)
    yield made
    made.close()


def test_a_picture_ends_once_it_is_known_and_says_so(explorer):
    surface = explorer.wait(60)
    assert surface.outcome is lw.Outcome.CONVERGED
    assert surface.done < 400 < surface.total
    assert WORDS.search(explorer.status)
    assert explorer.status.startswith(f"{surface.done} of 2,401 points computed")
    assert "until=0.01" in explorer.code
    assert "others interpolated" in explorer.footer


def test_asked_for_every_point_it_computes_those_that_are_missing(explorer):
    first = explorer.wait(60)
    explorer.until = 0.0
    surface = explorer.wait(60)
    assert surface.outcome is lw.Outcome.COMPLETE
    assert surface.estimate is None
    assert surface.evaluations == surface.total - first.done
    np.testing.assert_array_equal(surface.loss[first.known], first.loss[first.known])
    assert np.abs(first.filled - surface.loss).max() <= 0.02 * np.ptp(surface.loss)
    assert explorer.footer.endswith("every point evaluated exactly")
    assert not WORDS.search(explorer.status)


def test_the_page_gets_the_values_and_the_words(explorer):
    page = Page(explorer)
    surface = explorer.wait(60)
    page.until(lambda: any(result["outcome"] == "converged" for result in page.of("result")))
    tiles = [(tile, buffers) for tile, buffers in page.messages if tile["kind"] == "tile" and tile["frame"]]
    tile, buffers = tiles[-1]
    arrays = dict(zip([head["name"] for head in tile["arrays"]], buffers, strict=True))
    assert WORDS.fullmatch(tile["frame"]["estimate"]["words"])
    assert surface.estimated in tile["frame"]["caption"]
    np.testing.assert_allclose(np.frombuffer(arrays["estimate"], "<f4"), surface.filled.ravel(), rtol=1e-6)
    known = np.frombuffer(explorer.picture["known"], np.uint8).reshape(surface.known.shape)
    np.testing.assert_array_equal(known, surface.known)
    np.testing.assert_allclose(np.frombuffer(explorer.picture["loss"], "<f4"), surface.filled.ravel(), rtol=1e-6)


def test_figures_draw_it_and_say_the_same(explorer, tmp_path):
    surface = explorer.wait(60)
    figure = explorer.to_figure()
    assert figure.data[0].z.shape == (49, 49)
    texts = np.array(figure.data[0].text)
    estimated = np.vectorize(lambda text: "loss ≈ " in text)(texts)
    np.testing.assert_array_equal(estimated, ~surface.known)
    said = " ".join(str(note.text) for note in figure.layout.annotations).replace("<br>", " ")
    assert len(WORDS.findall(said)) == 1
    assert surface.estimated in Picture(surface).words
    assert plt.imread(explorer.save_png(tmp_path / "surface.png")).ndim == 3
    page = explorer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert WORDS.search(page)
    curves = explorer.to_figure(view="curves")
    assert len(curves.data[0].x) == 49


def test_a_replayed_file_holds_estimates_and_tells_them_apart(explorer, tmp_path):
    surface = explorer.wait(60)
    text = explorer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    (record,) = json.loads(found[1])["records"]
    loss = np.frombuffer(base64.b64decode(record["loss"]), "<f4")
    known = np.frombuffer(base64.b64decode(record["known"]), np.uint8)
    np.testing.assert_allclose(loss, surface.filled.ravel(), rtol=1e-6)
    np.testing.assert_array_equal(known, surface.known.ravel())
    assert record["settings"]["until"] == 0.01


def test_a_rough_estimate_is_not_drawn_on_the_way():
    torch.manual_seed(0)
    surfaces = []
    explorer = lw.explore(
        nn.Linear(2, 1),
        lambda outputs, _: (1.5 + (20 * outputs).sin()).mean(),
        (torch.randn(4, 2), torch.ones(4, 1)),
        slices=0,
    )
    explorer.observe(lambda change: surfaces.append(change["new"]), "surface")
    last = explorer.wait(60)
    assert last.known.all()
    for surface in surfaces:
        if surface.estimate is not None and surface.outcome is lw.Outcome.RUNNING:
            assert surface.estimate.error <= 0.05
    explorer.close()


@pytest.mark.parametrize("until", [-0.1, 0.9, float("nan")])
def test_an_error_that_cannot_be_is_refused(explorer, until):
    with pytest.raises(InputError, match="for one percent"):
        explorer.until = until
    assert explorer.until == 0.01
