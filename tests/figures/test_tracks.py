import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from valleys import EVIL, path, picture_of, points, surface, valley

from landscape_widgets.errors import InputError
from landscape_widgets.figures.tracks import Track, clip, line, off_plane_share, stops, track_of
from landscape_widgets.results import Axis

WINDOW = ((-1.0, 2.0), (0.5, 1.5))
PLACES = st.tuples(st.floats(-4, 4), st.floats(-4, 4))


def inside(points):
    """Which points lie in the window, by comparison alone."""
    lower, upper = np.array(WINDOW).T
    return ((points >= lower) & (points <= upper)).all(axis=-1)


@settings(deadline=None, max_examples=200)
@given(PLACES, PLACES)
def test_a_segment_is_cut_where_its_points_leave_the_window(start, end):
    start, end = np.array(start), np.array(end)
    at = np.linspace(0, 1, 2001)
    within = at[inside(start + at[:, None] * (end - start))]
    part = clip(start, end, WINDOW)
    if part is None:
        assert len(within) <= 2, "but for a point that only touches"
    elif len(within):
        assert part == pytest.approx((within[0], within[-1]), abs=1.01 / 2000)
    else:
        assert part[1] - part[0] < 2 / 2000, "a part between two of the points that were tried"


@settings(deadline=None, max_examples=60)
@given(st.lists(PLACES, min_size=2, max_size=8))
def test_a_path_inside_the_window_is_as_long_as_its_points_there(places):
    places = np.array(places)
    drawn = line(path(*places.T), WINDOW)
    steps = np.linalg.norm(np.diff(drawn, axis=0), axis=1) if len(drawn) else np.zeros(1)
    at = np.linspace(0, 1, 4001)[:, None]
    expected = sum(np.linalg.norm(b - a) * inside(a + at * (b - a)).mean() for a, b in itertools.pairwise(places))
    assert np.nansum(steps) == pytest.approx(expected, abs=0.02 * len(places))
    seen = drawn[np.isfinite(drawn).all(axis=1)] if len(drawn) else drawn
    assert inside(seen).all()


def test_a_path_that_leaves_is_broken_there_and_one_inside_is_not():
    loop = line(path([0, 0, 1, 1], [1, 3, 3, 1]), WINDOW)
    assert np.isnan(loop).all(axis=1).sum() == 1
    assert not np.isnan(line(path([0, 0.5, 1], [1, 1.2, 0.7]), WINDOW)).any()
    assert len(line(points([0], [1]), WINDOW)) == 0
    assert len(line(path([5, 6], [1, 1]), WINDOW)) == 0
    assert len(line(path([0.0, math.nan, 1.0], [1.0, 1.0, 1.0]), WINDOW)) == 0


def test_the_share_off_the_plane_is_that_of_the_vectors():
    rng = np.random.default_rng(0)
    for _ in range(20):
        basis = rng.normal(size=(9, 2)) * [1.0, 3.0]
        vector = rng.normal(size=9) * 4
        place, _, _, _ = np.linalg.lstsq(basis, vector, rcond=None)
        off = np.linalg.norm(vector - basis @ place)
        lengths = np.linalg.norm(basis, axis=0)
        angle = math.degrees(math.acos(basis[:, 0] @ basis[:, 1] / lengths.prod()))
        axes = [Axis("", "raw", "", length=float(length)) for length in lengths]
        expected = off / np.linalg.norm(vector)
        assert off_plane_share(tuple(place), off, axes, angle) == pytest.approx(expected, rel=1e-9)


def test_a_share_needs_lengths_and_a_model_at_the_centre_has_none():
    unknown, known = Axis("", "raw", ""), Axis("", "raw", "", length=2.0)
    assert off_plane_share((1.0, 1.0), 1.0, (unknown, known), 90.0) is None
    assert off_plane_share((0.0, 0.0), 0.0, (known, known), None) == 0.0


def test_stops_are_the_models_inside_and_paler_off_the_plane():
    one = Axis("", "unit", "", length=1.0)
    track = Track("path", ("a", "b", "c"), (0.0, 5.0, 0.6), (1.0, 1.0, 0.8), (0.0, 0.0, 1.0), (0.1, 0.2, None))
    first, last = stops(track, WINDOW, (one, one), None)
    assert (first.label, first.role, first.strength) == ("a", "start", 1.0)
    assert (last.label, last.role) == ("c", "end")
    assert last.strength < first.strength
    assert last.words == (
        "c",
        "projects to α 0.6, β 0.8",
        "its own loss not computed",
        "off the plane by 1 (parameter distance),",
        "71 % of its distance from the model",
    )


def test_the_caption_says_what_lies_off_the_plane_and_outside():
    shown = "83% of the training path lies in this plane (share of squared distance)"
    words = picture_of(valley(9), tracks=[path([0, 9], [0, 9], shown=shown)]).words
    assert words == f"Path from circle to square: {shown}. 1 of 2 checkpoints lies outside of the window."
    axes = tuple(Axis(name, "unit", "parameter distance", length=1.0) for name in "ab")
    one = surface(np.ones((9, 9)), axes=axes)
    words = picture_of(one, tracks=[points([3.0, 1.0], [0.0, 0.0], off=[4.0, 0.0])]).words
    assert words == (
        "Diamonds, paler where farther off the plane: up to 80 % of the distance from the model lies off this plane."
    )
    assert picture_of(valley(9), tracks=[points([], [])]).words == ""


def test_tracks_have_no_place_on_curves():
    picture = picture_of(valley(9), tracks=[path([0, 1], [0, 1])], view="curves")
    assert picture.drawn_tracks == ()
    assert picture.words == ""


def test_anything_with_the_attributes_is_a_track():
    given = {"kind": "points", "labels": [EVIL], "alpha": [1], "beta": [2], "off_plane": [0], "loss": [None]}
    assert track_of(SimpleNamespace(**given, shown="")) == Track("points", (EVIL,), (1.0,), (2.0,), (0.0,), (None,))
    with pytest.raises(InputError, match="without shown"):
        track_of(SimpleNamespace(**given))
    with pytest.raises(InputError, match="one length"):
        track_of(SimpleNamespace(**{**given, "beta": []}, shown=""))
    with pytest.raises(InputError, match="kind"):
        track_of(SimpleNamespace(**{**given, "kind": "cloud"}, shown=""))
