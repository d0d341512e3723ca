import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from valleys import EVIL, curve, surface, valley

from landscape_widgets.figures.html import html
from landscape_widgets.figures.plotly_figure import figure


def holed():
    loss = valley(13).loss.copy()
    loss[2, 3], loss[4, 5], loss[6, 7], loss[8, 9] = np.nan, np.inf, 0.0, -1.0
    return surface(loss)


@pytest.mark.parametrize("view", ["surface", "contour"])
def test_heights_are_the_logarithm_of_the_loss_and_nan_where_there_is_none(view):
    one = holed()
    z = np.asarray(figure(one, view=view).data[0].z)
    drawable = np.isfinite(one.loss) & (one.loss > 0)
    np.testing.assert_array_equal(z[drawable], np.log10(one.loss[drawable]))
    assert np.isnan(z[~drawable]).all()
    assert not figure(one, view=view).data[0].connectgaps


def test_linear_heights_are_the_loss():
    one = holed()
    z = np.asarray(figure(one, height="linear").data[0].z)
    finite = np.isfinite(one.loss)
    np.testing.assert_array_equal(z[finite], one.loss[finite])
    assert np.isnan(z[~finite]).all()


def test_curves_are_the_cuts_through_the_centre():
    one = valley(13, 9)
    first, second = figure(one, view="curves").data
    np.testing.assert_array_equal(first.y, np.log10(one.loss[4]))
    np.testing.assert_array_equal(second.y, np.log10(one.loss[:, 6]))
    assert len(figure(curve()).data) == 1


def test_axes_say_direction_and_unit_and_ticks_are_plain_decimals():
    scene = figure(valley()).layout.scene
    assert scene.xaxis.title.text == "α · Hessian λ_max (parameter distance)"
    assert scene.yaxis.title.text == "β · Hessian λ_min (parameter distance)"
    assert scene.zaxis.ticktext == ("0.01", "0.1", "1", "10")
    np.testing.assert_allclose(scene.zaxis.tickvals, [-2, -1, 0, 1], atol=1e-12)
    assert scene.annotations[0].text == "model, loss 0.0036"
    assert figure(valley()).layout.uirevision == "kept"


def test_hover_says_where_and_how_much():
    assert figure(valley(25)).data[0].text[12][12] == "α 0<br>β 0<br>loss 0.0036"
    assert figure(valley(25), view="contour").data[0].text[12][24].startswith("α 4<br>β 0<br>loss 9.6")
    assert figure(curve(25)).data[0].text[12] == "α 0<br>loss 0.0036"


def test_the_marker_starts_at_the_model_s_loss():
    stem = figure(valley(25)).data[1]
    assert stem.z[0] == pytest.approx(np.log10(0.0036))
    assert (stem.x, stem.y) == ((0, 0), (0, 0))


def test_a_partial_surface_draws_its_complete_grid():
    full = valley(49)
    known = np.zeros((49, 49), dtype=bool)
    known[::4, ::4] = True
    drawn = figure(surface(np.where(known, full.loss, np.nan), known))
    np.testing.assert_array_equal(drawn.data[0].z, np.log10(full.loss[::4, ::4]))
    assert drawn.layout.annotations[-1].text == "13 × 13 of 49 × 49 points."


@pytest.mark.parametrize("view", ["surface", "contour", "curves"])
def test_no_tag_of_a_label_title_or_caption_is_left_to_plotly(view):
    drawn = figure(valley(label=EVIL, unit=EVIL), title=EVIL, caption=EVIL, view=view)
    found = re.findall(r"<\w+", json.dumps(drawn.to_dict(), default=str, ensure_ascii=False))
    assert set(found) <= {"<br"}


def test_every_value_nan_is_a_sentence():
    drawn = figure(surface(np.full((7, 7), np.nan)))
    assert len(drawn.data) == 0
    assert drawn.layout.annotations[0].text == "every value is NaN or infinite"


class Page(HTMLParser):
    """The tags and the text of a page, scripts apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.scripts, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        (self.scripts if self.inside == "script" else self.words).append(data)


@pytest.fixture(scope="module")
def page():
    return Page(html(holed(), title=EVIL, caption=EVIL))


def test_a_page_fetches_nothing(page):
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base"), tag
        assert not {"src", "href", "srcset", "data", "background"} & set(attributes), (tag, attributes)
    assert not any("@import" in words or "url(" in words for words in page.words)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert sum("plotly.js v" in script[:400] for script in page.scripts) == 1
    assert not re.search(r"<script[^>]+src", "".join(page.scripts)[-20000:])


def test_a_page_holds_title_caption_units_and_data(page):
    words = "".join(page.words)
    assert words.count(EVIL) == 3, "title of the page, heading, caption"
    assert "2 values are NaN or infinite: holes." in words
    call = next(script for script in page.scripts if "Plotly.newPlot(" in script and "bdata" in script[-200000:])
    decoder = json.JSONDecoder()
    start = call.index("[", call.rindex("Plotly.newPlot("))
    data, length = decoder.raw_decode(call[start:])
    layout, _ = decoder.raw_decode(call[call.index("{", start + length) :])
    z = data[0]["z"]
    heights = np.frombuffer(base64.b64decode(z["bdata"]), dtype=z["dtype"]).reshape(13, 13)
    loss = holed().loss
    drawable = np.isfinite(loss) & (loss > 0)
    np.testing.assert_array_equal(heights[drawable], np.log10(loss[drawable]))
    assert np.isnan(heights[~drawable]).all()
    assert "(parameter distance)" in layout["scene"]["xaxis"]["title"]["text"]
    assert not layout.get("annotations"), "the caption stands in the page, once"


def test_a_label_cannot_end_the_script():
    text = html(valley(7, label="</script><script>alert(1)</script>"))
    assert "<script>alert" not in text
