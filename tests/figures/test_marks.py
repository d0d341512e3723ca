"""The lowest point, tracks, windows away from the model, colours and both views, in plotly and as pixels."""

import dataclasses
import io
import itertools
import json
import re

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from PIL import Image
from scipy.interpolate import RegularGridInterpolator
from valleys import EVIL, bowl, path, picture_of, points, surface, valley

from landscape_widgets.errors import InputError
from landscape_widgets.figures import camera, triangles
from landscape_widgets.figures.html import html
from landscape_widgets.figures.matplotlib_figure import BOTH_WIDTH, WIDTH, png, sheet
from landscape_widgets.figures.mesh import height_at, mesh_of
from landscape_widgets.figures.plotly_figure import figure
from landscape_widgets.figures.relief import Relief
from landscape_widgets.figures.sheet import Sheet
from landscape_widgets.figures.theme import DARK, LIGHT
from landscape_widgets.results import Axis

DPI = 60


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Divide meshes less finely than a reader wants: the same code, faster."""
    monkeypatch.setattr(triangles, "CELLS", 24)


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def middle(image, colour, within=8):
    """The middle of the pixels of nearly this colour, (right, up) in inches, and how many they are."""
    rows, columns = np.nonzero(np.abs(image - np.array(to_rgb(colour)) * 255).max(axis=-1) <= within)
    return np.array([columns.mean(), -rows.mean()]) / DPI if len(rows) else None, len(rows)


def traces(drawn, name):
    return [trace for trace in drawn.data if trace.name == name]


# ---------------------------------------------------------------- the lowest point found


def test_the_lowest_point_is_the_known_minimum_of_the_bowl():
    found = picture_of(bowl()).lowest
    assert (found.alpha, found.beta, found.loss) == pytest.approx((1.0, -2.0, 0.5), abs=1e-9)
    assert picture_of(bowl()).words == "Ring: lowest point found, loss 0.5 at α 1, β −2."


def test_only_what_was_computed_and_is_finite_can_be_lowest():
    one = bowl()
    loss, known = one.loss.copy(), one.known.copy()
    known[6, 15] = False
    loss[5, 15] = np.nan
    loss[7, 15] = -np.inf
    known[12, :] = known[:, 12] = known[0] = known[-1] = True
    found = picture_of(dataclasses.replace(one, loss=loss, known=known)).lowest
    expected = min(loss[j, i] for j in range(25) for i in range(25) if known[j, i] and np.isfinite(loss[j, i]))
    assert found.loss == expected
    assert found.loss == pytest.approx(0.5 + 1 / 9)
    assert picture_of(one, preview=True).lowest is None
    assert picture_of(surface(np.full((7, 7), np.nan))).lowest is None


def test_no_ring_where_the_model_is_as_low():
    assert picture_of(valley(25)).lowest is None
    assert picture_of(bowl(), centre_loss=0.5).lowest is None
    assert picture_of(bowl(), centre_loss=0.5 * (1 + 1e-8)).lowest is None
    assert picture_of(bowl(), centre_loss=0.51).lowest is not None
    beside = bowl((-3.0, -1.0), (0.5, 2.0))
    assert picture_of(beside, centre_loss=0.01).lowest.loss == pytest.approx(4.5 + 12.5), "the model is elsewhere"


@pytest.mark.parametrize("view", ["surface", "contour", "both"])
def test_plotly_rings_the_lowest_point_and_says_its_loss(view):
    for ring in traces(figure(bowl(), view=view), "lowest point found"):
        assert (ring.x[0], ring.y[0]) == pytest.approx((1.0, -2.0), abs=1e-9)
        assert ring.hovertext == ("lowest point found<br>loss 0.5<br>α 1<br>β −2",)
    assert len(traces(figure(bowl(), view=view), "lowest point found")) == 1 + (view == "both")
    ring = traces(figure(bowl(), view="surface"), "lowest point found")[0]
    span = np.log10(bowl().loss.max()) - np.log10(0.5)
    assert 0 < ring.z[0] - np.log10(0.5) < 0.05 * span


def test_the_ring_in_the_png_lies_where_the_minimum_is_as_seen_from_the_model():
    image = pixels(png(bowl(), view="contour", dpi=DPI, colours="magma"))
    ring, count = middle(image, LIGHT.accent)
    model, _ = middle(image, LIGHT.mark)
    assert count > 10
    inch = 3.8 / 8
    np.testing.assert_allclose(ring - model, [1 * inch, -2 * inch], atol=0.02)
    plain = pixels(png(bowl(), view="contour", dpi=DPI, colours="magma", centre_loss=0.5))
    assert middle(plain, LIGHT.accent)[1] == 0


def test_the_ring_of_a_curve_lies_on_it():
    one = bowl(rows=3)
    line = dataclasses.replace(one, beta=None, loss=one.loss[1], known=one.known[1], axes=one.axes[:1])
    ring = traces(figure(line), "lowest point found")[0]
    assert (ring.x[0], ring.y[0]) == pytest.approx((1.0, np.log10(line.loss.min())))
    assert not traces(figure(bowl(), view="curves"), "lowest point found"), "cuts may pass beside it"
    assert "Ring" not in picture_of(bowl(), view="curves").words


# ---------------------------------------------------------------- heights and sight


def test_heights_between_points_are_bilinear_and_nan_outside_and_in_holes():
    one = valley(9, 7)
    mesh = mesh_of(one)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-4, 4, (2, 200))
    oracle = RegularGridInterpolator((one.beta, one.alpha), one.loss)
    np.testing.assert_allclose(height_at(mesh, one.loss, x, y), oracle(np.stack([y, x], axis=-1)), rtol=1e-12)
    grid = np.meshgrid(one.alpha, one.beta)
    z = one.loss.copy()
    z[3, 4] = np.nan
    np.testing.assert_array_equal(height_at(mesh, z, *grid), z)
    assert np.isnan(height_at(mesh, z, np.array([4.1, 0.1]), np.array([0.0, 0.1]))).all()


def hits(corners, origin):
    """How many triangles (K, 3, 3) each line of sight from origins (n, 3) to the eye crosses."""
    counts = []
    for point in origin:
        ray = camera.EYE - point
        edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=-1)
        matrix = np.concatenate([edges, np.tile(-ray, (len(corners), 1))[..., None]], axis=-1)
        a, b, distance = np.linalg.solve(matrix, (point - corners[:, 0])[..., None])[..., 0].T
        counts.append(int(((a >= 0) & (b >= 0) & (a + b <= 1) & (distance > 0) & (distance < 1)).sum()))
    return np.array(counts)


def test_what_the_surface_hides_is_what_stands_behind_its_triangles():
    a = np.linspace(-4, 4, 25)
    picture = picture_of(surface(3 + 2 * np.sin(1.7 * a) * np.cos(1.3 * a[:, None])), height="linear")
    relief = Relief(Sheet(7, 5, LIGHT), picture, picture.heights, (0.0, 0.0, 6.0, 4.0))
    mesh = picture.mesh
    grid = np.stack([*np.broadcast_arrays(mesh.x[None, :], mesh.y[:, None]), mesh.loss], axis=-1)
    corners = camera.place(triangles.triangles(grid).reshape(-1, 3, 3), relief.lower, relief.upper)
    places = np.random.default_rng(0).uniform(-3.9, 3.9, (120, 2))
    ground = height_at(mesh, mesh.loss, *places.T)
    seen = []
    for lift in (0.0, 0.15, 0.3):
        lifted = np.concatenate([places, (ground + lift)[:, None]], axis=1)
        seen.append(hits(corners, camera.place(lifted, relief.lower, relief.upper)) == 0)
    clear = (seen[1] == seen[2]) & ((seen[0] == seen[1]) | seen[1])
    lifted = np.concatenate([places, (ground + 0.2)[:, None]], axis=1)
    found = relief.visible(lifted)
    np.testing.assert_array_equal(found[clear], seen[1][clear])
    assert clear.sum() > 90
    assert 20 < (~found[clear]).sum() < 90


# ---------------------------------------------------------------- tracks


TRAIN = path([3.0, 1.5, 0.0], [3.0, 1.0, 0.0])
OTHERS = points([-2.0, 30.0], [2.0, 0.0], labels=["other run", "far away"])


@pytest.mark.parametrize("view", ["surface", "contour", "both"])
def test_plotly_draws_tracks_without_stretching_an_axis(view):
    drawn, bare = figure(bowl(), view=view, tracks=(TRAIN, OTHERS)), figure(bowl(), view=view)
    for name in ("xaxis", "yaxis"):
        for one, other in ((drawn.layout, bare.layout), (drawn.layout.scene, bare.layout.scene)):
            assert one[name].range == other[name].range
    lines = traces(drawn, "path")
    for casing, ink in zip(lines[::2], lines[1::2], strict=True):
        assert (casing.x[0], casing.y[0], ink.x[-1], ink.y[-1]) == (3.0, 3.0, 0.0, 0.0)
        assert casing.line.width > ink.line.width
    for ends in traces(drawn, "ends"):
        assert ends.marker.symbol == ("circle", "square")
    for models in traces(drawn, "models"):
        assert (*models.x, *models.y) == (-2.0, 2.0)
        assert models.hovertext[0].startswith("other run<br>projects to α −2, β 2<br>its own loss 0<br>off the plane")
    assert len(traces(drawn, "models")) == 1 + (view == "both")


def test_a_path_on_the_surface_lies_just_above_it():
    ink = traces(figure(bowl(), tracks=[TRAIN]), "path")[1]
    oracle = RegularGridInterpolator((bowl().beta, bowl().alpha), np.log10(bowl().loss))
    above = np.asarray(ink.z) - oracle(np.stack([ink.y, ink.x], axis=-1))
    assert above.min() > 0
    assert above.max() < 0.05


def test_the_png_draws_models_where_they_project_to_and_names_them():
    page = sheet(picture_of(bowl(), view="contour", tracks=[OTHERS, TRAIN]))
    words = [text.get_text() for text in page.texts]
    assert "other run" in words
    assert "start" in words
    assert "end" not in words, "there is the model's own label"
    assert "far away" not in words
    lines = [artist for artist in page.figure.artists if isinstance(artist, Line2D)]
    marks = {artist.get_marker(): artist for artist in lines}
    model = next(artist for artist in lines if artist.get_markerfacecolor() == LIGHT.mark)
    here = np.array([model.get_xdata()[0], model.get_ydata()[0]])
    diamond, square = (np.array([marks[m].get_xdata()[0], marks[m].get_ydata()[0]]) for m in "Ds")
    np.testing.assert_allclose(diamond - here, np.array([-2.0, 2.0]) * 3.8 / 8, atol=1e-9)
    np.testing.assert_allclose(square, here, atol=1e-9)


def test_labels_keep_clear_of_one_another():
    crowd = points(np.linspace(-0.4, 0.4, 4), np.zeros(4), labels=["one", "two", "three", "four"])
    page = sheet(picture_of(bowl(), view="contour", tracks=[crowd]))
    boxes = [text.get_window_extent(page.figure._get_renderer()) for text in page.texts if text.get_bbox_patch()]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("view", ["surface", "contour", "both", "curves"])
def test_labels_of_tracks_and_names_of_metrics_are_text(view):
    one = dataclasses.replace(valley(9, label=EVIL, unit=EVIL), metrics={EVIL: valley(9).loss})
    tracks = [path([0, 2], [0, 2], labels=[EVIL, EVIL], shown=EVIL), points([1], [-1], labels=[EVIL])]
    drawn = json.dumps(figure(one, view=view, tracks=tracks).to_dict(), default=str, ensure_ascii=False)
    assert set(re.findall(r"<\w+", drawn)) <= {"<br"}
    assert png(one, view=view, tracks=tracks, dpi=30)
    if view != "curves":
        words = " ".join(text.get_text() for text in sheet(picture_of(one, view=view, tracks=tracks)).texts)
        assert EVIL[:23] in words
    assert "<img" not in html(one, view=view, tracks=tracks, title=EVIL).rsplit("Plotly.newPlot(", 1)[1]


# ---------------------------------------------------------------- windows, metrics, scales, views


ASIDE = {"alpha": (1.0, 3.0), "beta": (-4.0, -0.5)}


def test_a_window_beside_the_model_has_no_model_and_cuts_nearest_to_it():
    one = bowl(**ASIDE, columns=9, rows=15)
    for view in ("surface", "contour", "both", "curves"):
        drawn = figure(one, view=view)
        assert not traces(drawn, "model")
        assert not drawn.layout.shapes
        assert "model" not in json.dumps(drawn.layout.to_plotly_json(), default=str)
        assert not [t for t in sheet(picture_of(one, view=view)).texts if t.get_text().startswith("model")]
    first, second = figure(one, view="curves").data
    assert first.name == "α · Hessian λ_max (parameter distance), at β = −0.5"
    assert second.name == "β · Hessian λ_min (parameter distance), at α = 1"
    np.testing.assert_allclose(10**first.y, 0.5 + (one.alpha - 1) ** 2 + 2 * 1.5**2, rtol=1e-12)
    np.testing.assert_allclose(10**second.y, 0.5 + 2 * (one.beta + 2) ** 2, rtol=1e-12)


def test_unequal_windows_keep_their_own_ends_and_their_lengths():
    one = bowl((-1.0, 5.0), (-3.5, 1.5), columns=13, rows=11)
    drawn = figure(one, view="contour")
    assert (drawn.layout.xaxis.range, drawn.layout.yaxis.range) == ((-1, 5), (-3.5, 1.5))
    assert drawn.layout.yaxis.scaleanchor == "x"
    assert figure(bowl((-1.0, 1.0), (-9.0, 9.0)), view="contour").layout.yaxis.scaleanchor is None
    image = pixels(png(one, view="contour", dpi=DPI, colours="magma", centre_loss=9.5))
    ring, model = middle(image, LIGHT.accent)[0], middle(image, LIGHT.mark)[0]
    np.testing.assert_allclose((ring - model)[1] / (ring - model)[0], -2.0, rtol=0.05)


def test_titles_say_the_unit_of_each_axis_s_own_normalisation():
    axes = (Axis("random, seed 0", "filter", "filter norms", 0), Axis("gradient", "unit", "parameter distance"))
    picture = picture_of(surface(valley(9).loss, axes=axes))
    assert not picture.to_scale, "one unit is not as long as the other"
    assert picture.curves_title == "position along the direction"
    assert [cut.name for cut in picture_of(picture.surface).cuts] == [
        "α · random, seed 0 (filter norms)",
        "β · gradient (parameter distance)",
    ]
    scene = figure(picture.surface).layout.scene
    assert scene.xaxis.title.text.endswith("(filter norms)")
    assert scene.yaxis.title.text.endswith("(parameter distance)")


def test_hover_says_every_metric():
    accuracy = np.linspace(0, 1, 25 * 25).reshape(25, 25)
    accuracy[0, 0] = np.nan
    one = dataclasses.replace(bowl(), metrics={"accuracy": accuracy})
    text = figure(one, view="both").data[0].text
    assert text[12][24] == "α 4<br>β 0<br>loss 17.5<br>accuracy 0.5192"
    assert text[0][0] == "α −4<br>β −4<br>loss 33.5<br>accuracy NaN"
    assert figure(one, view="curves").data[0].text[24] == "α 4<br>loss 17.5<br>accuracy 0.5192"
    with pytest.raises(InputError, match="metrics"):
        figure(dataclasses.replace(one, metrics={"accuracy": accuracy[0]}))


@pytest.mark.parametrize("colours", ["viridis", "cividis", "magma"])
def test_colours_are_those_of_the_scale(colours):
    loss = np.full((13, 13), 0.01)
    loss[:, 7:] = 10.0
    image = pixels(png(surface(loss), view="contour", dpi=DPI, colours=colours))
    scale = figure(valley(9), colours=colours).data[0].colorscale
    for end in (0, 1):
        expected = np.array(colormaps[colours](float(end))[:3])
        assert (np.abs(image - expected * 255).max(axis=-1) <= 6).sum() > 5000
        at, colour = scale[-end]
        assert at == end
        given = [int(c) for c in re.findall(r"\d+", colour)] if "rgb" in colour else np.array(to_rgb(colour)) * 255
        np.testing.assert_allclose(given, expected * 255, atol=4)


@pytest.mark.parametrize("dark", [False, True])
def test_both_views_stand_side_by_side_with_one_bar(dark):
    drawn = figure(bowl(), view="both", dark=dark)
    assert [trace.type for trace in drawn.data if trace.type in ("surface", "contour")] == ["surface", "contour"]
    assert drawn.layout.scene.domain.x[1] <= drawn.layout.xaxis.domain[0]
    assert [trace.showscale for trace in drawn.data if trace.type == "surface"] == [False]
    np.testing.assert_array_equal(drawn.data[0].z, traces(drawn, None)[-1].z)
    image = pixels(png(bowl(), view="both", dpi=DPI, dark=dark))
    assert image.shape[1] == round(BOTH_WIDTH * DPI)
    half = image.shape[1] // 2
    mark = (DARK if dark else LIGHT).mark
    assert all(middle(part, mark)[1] > 8 for part in (image[:, :half], image[:, half:]))
    assert pixels(png(valley(9), dpi=DPI)).shape[1] == round(WIDTH * DPI)


@pytest.mark.parametrize("draw", [figure, html, png])
def test_an_unknown_option_raises_with_the_nearest_name(draw):
    with pytest.raises(TypeError, match=rf"{draw.__name__}\(\).*'colors'.*'colours'"):
        draw(valley(7), colors="magma")
    with pytest.raises(InputError, match="viridis") as caught:
        draw(valley(7), colours="cividi")
    assert 'colours="cividis"' in str(caught.value) + caught.value.advice
    with pytest.raises(InputError, match="both"):
        draw(valley(7), view=3)
