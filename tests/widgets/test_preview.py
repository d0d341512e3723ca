"""A picture shown in bfloat16 first: what the page, the figures and the files say of it, and when there is none."""

import functools
import re

import numpy as np
import pytest
import torch
from page import Page
from torch import nn

import landscape_widgets as lw
from landscape_widgets.compute.preview import PreviewGrid
from landscape_widgets.errors import InputError
from landscape_widgets.figures.picture import Picture
from landscape_widgets.session import picture

WORDS = re.compile(r"bfloat16 preview, held-out error [\d.]+ %")


def explore(**options):
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    data = torch.randn(32, 5, generator=generator), torch.randint(0, 3, (32,), generator=generator)
    return lw.explore(model, nn.CrossEntropyLoss(), data, slices=0, resolution=25, **options)


@pytest.fixture
def always(monkeypatch):
    """A preview on every machine, and a result after every block of points."""
    monkeypatch.setattr(picture, "PreviewGrid", functools.partial(PreviewGrid, gain=0, error=0.04))
    monkeypatch.setattr("landscape_widgets.compute.grid.STEP_SECONDS", 0.0)


def test_exact_values_replace_the_preview(always):
    surfaces, plain = [], explore()
    explorer = explore(preview="bfloat16")
    explorer.observe(lambda change: surfaces.append((change["new"], explorer.status)), "surface")
    last, exact = explorer.wait(60), plain.wait(60)
    np.testing.assert_allclose(last.loss, exact.loss, rtol=1e-5)
    assert last.outcome is lw.Outcome.COMPLETE
    assert last.estimate is None
    assert WORDS.search(last.question["preview"]) is None
    assert "625 points in bfloat16" in last.question["preview"]
    kinds = [surface.estimate.kind for surface, _ in surfaces if surface.estimate is not None]
    assert set(kinds) == {"bfloat16 preview"}
    assert any(re.search(r"points exact; preview: [\d,]+ points in bfloat16", status) for _, status in surfaces)
    assert explorer.footer == "float32 · every point evaluated exactly in the end"
    plain.close()
    explorer.close()


def test_the_page_gets_it_level_by_level(always):
    explorer = explore(preview="bfloat16")
    page = Page(explorer)
    explorer.wait(60)
    page.until(lambda: any(result["outcome"] == "complete" for result in page.of("result")))
    tiles = [(tile, buffers) for tile, buffers in page.messages if tile["kind"] == "tile" and tile["frame"]]
    estimated = [(tile, buffers) for tile, buffers in tiles if tile["frame"]["estimate"]]
    assert estimated
    for tile, buffers in estimated:
        estimate = tile["frame"]["estimate"]
        assert WORDS.fullmatch(estimate["words"])
        assert estimate["kind"] == "bfloat16 preview"
        assert estimate["level"] in (7, 13, 25)
        assert "Until all are computed the others are a bfloat16 preview." in tile["frame"]["caption"]
        arrays = dict(zip([head["name"] for head in tile["arrays"]], buffers, strict=True))
        values = np.frombuffer(arrays["estimate"], "<f4").reshape(25, 25)
        stride = 24 // (estimate["level"] - 1)
        assert np.isfinite(values[::stride, ::stride]).all()
    told = [(one["done"], one["total"]) for one in page.of("progress") if one["purpose"] == "picture"]
    assert told == sorted(set(told))
    assert told[-1] == (625, 625)
    assert tiles[-1][0]["frame"]["estimate"] is None
    assert "bfloat16" not in tiles[-1][0]["frame"]["caption"]
    explorer.close()


def test_a_picture_stopped_in_its_preview_says_so_everywhere(always, tmp_path):
    explorer = explore(preview="bfloat16")

    def stop(change):
        estimate = change["new"].estimate
        if estimate is not None and estimate.given.all():
            explorer.cancel()

    explorer.observe(stop, "surface")
    surface = explorer.wait(60)
    assert surface.outcome is lw.Outcome.CANCELLED
    assert 49 <= surface.done < surface.total
    assert surface.estimate.kind == "bfloat16 preview"
    assert f"{surface.done} of 625 points computed, the others bfloat16 preview" in surface.estimated
    assert WORDS.search(Picture(surface).words)
    figure = explorer.to_figure()
    assert figure.data[0].z.shape == (25, 25)
    said = " ".join(str(note.text) for note in figure.layout.annotations).replace("<br>", " ")
    assert WORDS.search(said)
    assert "interpolated" not in said
    assert explorer.save_png(tmp_path / "surface.png").stat().st_size > 10_000
    text = explorer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert WORDS.search(text)
    explorer.close()


def test_where_it_does_not_pay_the_caption_says_why():
    explorer = explore(preview="bfloat16")
    page = Page(explorer)
    surface = explorer.wait(60)
    page.until(lambda: any(result["outcome"] == "complete" for result in page.of("result")))
    assert surface.question["preview"].startswith("none: ")
    frames = [tile["frame"] for tile in page.of("tile") if tile["frame"]]
    assert f"No bfloat16 preview: {surface.question['preview'][6:]}." in frames[-1]["caption"]
    assert surface.estimate is None
    explorer.close()


def test_with_an_early_end_there_is_none(always):
    with pytest.raises(InputError, match="leave out one of them"):
        explore(preview="bfloat16", until=0.01)
    explorer = explore(preview="bfloat16")
    explorer.until = 0.01
    surface = explorer.wait(60)
    assert surface.question["computation"] == "AdaptiveGrid"
    explorer.close()


def test_another_precision_is_refused():
    with pytest.raises(InputError, match='"bfloat16" or None'):
        explore(preview="float16")
