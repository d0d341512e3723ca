import dataclasses
import io
import subprocess
import sys
import threading

import matplotlib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from valleys import EVIL, curve, path, picture_of, points, surface, valley

from landscape_widgets.figures import triangles
from landscape_widgets.figures.matplotlib_figure import BOTH_WIDTH, PLOT_HEIGHT, WIDTH, png, sheet
from landscape_widgets.figures.sheet import text_width, wrapped

DPI = 50


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Divide meshes less finely than a reader wants: the same code, faster."""
    monkeypatch.setattr(triangles, "CELLS", 12)


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def close_to(image, colour, within=6):
    """How many pixels have nearly this colour."""
    return int((np.abs(image - np.round(np.array(colour[:3]) * 255)).max(axis=-1) <= within).sum())


@pytest.mark.parametrize("view", ["surface", "contour", "both", "curves"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_png_has_the_size_asked_for_and_a_picture_in_it(view, dark):
    data = png(valley(), view=view, dark=dark, dpi=DPI, title="A valley", caption="Seed 0.")
    image = pixels(data)
    assert image.shape[1] == (BOTH_WIDTH if view == "both" else WIDTH) * DPI
    assert image.shape[0] >= PLOT_HEIGHT * DPI
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100
    assert image[0, 0].mean() < 40 if dark else image[0, 0].mean() == 255
    red = (image[..., 0] > 180) & (image[..., 1] < 130) & (image[..., 2] < 110)
    assert red.sum() > 10


def test_size_grows_with_resolution():
    small, large = (pixels(png(valley(7), dpi=dpi)).shape for dpi in (40, 80))
    assert large[:2] == (2 * small[0], 2 * small[1])


@pytest.mark.parametrize("height", ["log", "linear"])
def test_colours_are_those_of_the_heights(height):
    loss = np.full((13, 13), 0.01)
    loss[:, 7:] = 10.0
    image = pixels(png(surface(loss), view="contour", height=height, dpi=DPI))
    low, high = (close_to(image, colormaps["viridis"](end)) for end in (0.0, 1.0))
    assert low > 5000
    assert high > 5000
    assert low / high == pytest.approx(1.2, abs=0.25)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -1.0, 0.0])
def test_what_has_no_height_is_a_hole_in_the_background_colour(hole):
    loss = np.ones((13, 13))
    loss[0, 0] = 10.0
    whole = pixels(png(surface(loss), view="contour", dpi=DPI))
    loss[6:9, 3:6] = hole
    holed = pixels(png(surface(loss), view="contour", dpi=DPI))
    white = [close_to(image[: int(4.4 * DPI)], (1, 1, 1), 0) for image in (whole, holed)]
    side = 3.8 * DPI / 12
    assert white[1] - white[0] == pytest.approx((4 * side) ** 2, rel=0.15)


def test_a_partial_surface_is_the_picture_of_its_complete_grid():
    full = valley(25)
    known = np.zeros((25, 25), dtype=bool)
    known[::2, ::2] = True
    known[3] = True
    some = dataclasses.replace(full, known=known, loss=np.where(known, full.loss, np.nan))
    coarse = dataclasses.replace(
        full, alpha=full.alpha[::2], beta=full.beta[::2], loss=full.loss[::2, ::2], known=known[::2, ::2]
    )
    expected = png(coarse, dpi=DPI, caption="13 × 13 of 25 × 25 points.")
    assert png(some, dpi=DPI) == expected


LONG = "between two checkpoints of quite different training runs, epochs 1 and 200, " * 3


@pytest.mark.parametrize("view", ["surface", "contour", "both", "curves"])
@pytest.mark.parametrize(
    "one",
    [
        valley(13),
        valley(13, label=LONG, unit=LONG),
        valley(13, label="x" * 300),
        valley(13, label=EVIL, extent=1e-6),
        surface(1e-9 * valley(13).loss, extent=12345.0),
        curve(13),
        dataclasses.replace(valley(13), alpha=np.linspace(-4, 0, 13)),
        dataclasses.replace(valley(13), beta=np.linspace(0, 900, 13)),
        surface(np.full((7, 7), np.nan)),
    ],
    ids=["plain", "long", "unbroken", "evil", "small", "curve", "edge", "elongated", "nan"],
)
def test_no_text_leaves_the_page(view, one):
    corners = points([-4, 4, 4, 0], [-4, 4, -4, 0.2], labels=[EVIL, "W" * 40, LONG, "beside the model"])
    tracks = [path([-9, -4, 4], [0, 4, 4], shown=LONG), corners]
    page = sheet(picture_of(one, title="A title of some length " * 5, caption=LONG * 3, view=view, tracks=tracks))
    page.figure.set_dpi(DPI)
    renderer = FigureCanvasAgg(page.figure).get_renderer()
    for text in page.texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0, text.get_text()
        assert box.y0 >= 0, text.get_text()
        assert box.x1 <= page.width * DPI, text.get_text()
        assert box.y1 <= page.height * DPI, text.get_text()


def texts(one, **options):
    return [text.get_text() for text in sheet(picture_of(one, **options)).texts]


def test_the_words_are_on_the_page():
    words = texts(valley(), title="A valley", caption="Seed 0.")
    assert {"A valley", "Seed 0.", "model, loss 0.0036", "loss", "0.01", "0.1", "1", "10"} <= set(words)
    assert "α · Hessian λₘₐₓ (parameter distance)" in words
    assert "every value is NaN or infinite" in texts(surface(np.full((7, 7), np.nan)))


def test_a_label_is_shown_as_it_is_written():
    words = " ".join(texts(valley(label=EVIL, unit=""), view="contour"))
    assert f"α · {EVIL}" in words
    assert png(valley(label=r"$\frac{1}{ \unknown $"), dpi=DPI)


def test_lines_are_no_wider_than_asked_and_lose_nothing():
    text = LONG + "y" * 200
    lines = wrapped(text, 9, 3.0)
    assert max(text_width(line, 9) for line in lines) <= 3.0
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped(text, 9, 3.0, lines=2)[1].endswith("…")


def test_two_threads_draw_at_once():
    jobs = [{"view": view, "dark": dark} for view in ("surface", "contour") for dark in (False, True)]
    expected = [png(valley(13), dpi=DPI, **job) for job in jobs]
    drawn = [[], []]

    def draw(into):
        into.extend(png(valley(13), dpi=DPI, **job) for job in jobs)

    threads = [threading.Thread(target=draw, args=(into,)) for into in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [expected, expected]


def test_the_user_s_settings_of_matplotlib_change_nothing():
    expected = png(valley(13), dpi=DPI, caption="Seed 0.")
    mine = {
        "text.usetex": True, "font.size": 30, "font.family": "serif", "figure.facecolor": "red", "axes.grid": True,
        "savefig.dpi": 10, "savefig.bbox": "tight", "lines.linewidth": 9, "path.sketch": (1, 100, 2),
        "text.color": "red", "figure.autolayout": True, "lines.marker": "x",
        "patch.antialiased": False, "text.antialiased": False, "lines.antialiased": False,
    }  # fmt: skip
    with matplotlib.rc_context(mine):
        assert png(valley(13), dpi=DPI, caption="Seed 0.") == expected


def test_neither_pyplot_nor_torch_is_loaded():
    code = """
import sys, numpy as np
from landscape_widgets.figures import html, matplotlib_figure
from landscape_widgets.results import Axis, Surface
from landscape_widgets.errors import Outcome
a = np.linspace(-1, 1, 7)
loss = np.add.outer(a**2, a**2) + 0.1
axes = (Axis("a", "raw", ""), Axis("b", "raw", ""))
matplotlib_figure.png(Surface(a, a, loss, loss > 0, axes, Outcome.COMPLETE), dpi=40)
assert not {"matplotlib.pyplot", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
