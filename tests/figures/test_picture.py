import dataclasses
import itertools

import numpy as np
import pytest
from valleys import curve, picture_of, surface, valley

from landscape_widgets.errors import InputError
from landscape_widgets.figures.mesh import complete_grid, nested_indices
from landscape_widgets.figures.picture import Picture


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 8, 13, 25, 49, 50, 97])
def test_nested_grids_hold_centre_and_ends_and_one_another(count):
    grids = [set(index.tolist()) for index in nested_indices(count)]
    assert grids[-1] == set(range(count))
    for coarse, fine in itertools.pairwise(grids):
        assert coarse < fine
    assert all({0, (count - 1) // 2, count - 1} <= grid for grid in grids)


def test_the_finest_complete_grid_is_the_largest_of_all_combinations():
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = tuple(rng.integers(3, 30, size=2))
        options = [nested_indices(count) for count in shape]
        known = rng.random(shape) < 0.5
        for _ in range(2):
            known[np.ix_(*(option[rng.integers(len(option))] for option in options))] = True
        sizes = [len(a) * len(b) for a, b in itertools.product(*options) if known[np.ix_(a, b)].all()]
        found = complete_grid(known)
        assert known[np.ix_(*found)].all()
        assert len(found[0]) * len(found[1]) == max(sizes)


def partial(full, stride):
    known = np.zeros(full.known.shape, dtype=bool)
    known[::stride, ::stride] = True
    known[: stride - 1] = True
    return dataclasses.replace(full, known=known, loss=np.where(known, full.loss, np.nan))


def test_a_partial_surface_is_drawn_on_its_complete_grid_and_says_so():
    full = valley(49)
    picture = picture_of(partial(full, 4), caption="A valley.")
    np.testing.assert_array_equal(picture.mesh.loss, full.loss[::4, ::4])
    np.testing.assert_array_equal(picture.mesh.x, full.alpha[::4])
    np.testing.assert_array_equal(picture.mesh.y, full.beta[::4])
    assert picture.words == "A valley. 13 × 13 of 49 × 49 points."
    assert picture.window(0) == (-4.0, 4.0)


def test_a_complete_surface_is_drawn_whole_and_adds_no_words():
    picture = picture_of(valley(9, 7), caption="A valley.")
    assert picture.mesh.loss.shape == (7, 9)
    assert picture.words == "A valley."


def test_unknown_points_alone_give_a_sentence():
    known = np.zeros((7, 7), dtype=bool)
    known[0] = True
    assert Picture(valley(7, known=known)).message == "no complete grid is known yet: 7 of 49 points"


def test_holes_are_counted_in_words():
    loss = valley(9).loss.copy()
    loss[0, 0], loss[1, 1], loss[2, 2] = np.nan, np.inf, -1.0
    assert Picture(surface(loss)).notes == (
        "2 values are NaN or infinite: holes.",
        "1 value is not positive: holes in log height.",
    )
    assert picture_of(surface(loss), height="linear").notes == ("2 values are NaN or infinite: holes.",)


def test_nothing_to_draw_says_why():
    assert Picture(surface(np.full((7, 7), np.nan))).message == "every value is NaN or infinite"
    assert picture_of(surface(np.full((7, 7), np.inf)), height="linear").message == "every value is NaN or infinite"
    assert Picture(surface(np.zeros((7, 7)))).message == "no value is positive: choose linear height"
    assert picture_of(surface(np.zeros((7, 7))), height="linear").message == ""


def test_the_centre_is_the_value_at_zero_or_the_one_given():
    assert Picture(valley(25)).centre_label == "model, loss 0.0036"
    assert picture_of(valley(25), centre_loss=0.5).centre_label == "model, loss 0.5"
    assert Picture(valley(8)).centre_label == "model"
    assert Picture(surface(np.full((7, 7), np.nan))).centre_label == "model, loss NaN"


def test_a_window_beside_the_model_has_no_marker():
    aside = dataclasses.replace(valley(9), alpha=np.linspace(1, 2, 9))
    assert not Picture(aside).centre_inside


def test_descending_coordinates_draw_the_same():
    one = valley(9, 7)
    flipped = dataclasses.replace(one, alpha=one.alpha[::-1], loss=one.loss[:, ::-1])
    np.testing.assert_array_equal(Picture(flipped).mesh.loss, one.loss)
    np.testing.assert_array_equal(Picture(flipped).mesh.x, one.alpha)


def test_cuts_go_through_the_centre_or_name_where_they_go():
    one = valley(9, 7)
    first, second = Picture(one).cuts
    np.testing.assert_array_equal(first.loss, one.loss[3])
    np.testing.assert_array_equal(second.loss, one.loss[:, 4])
    assert first.name == "α · Hessian λ_max (parameter distance)"
    even = Picture(valley(8)).cuts
    assert even[0].name.endswith(", at β = 0.571")


def test_one_direction_is_always_a_curve():
    picture = picture_of(curve(), view="both")
    assert picture.view == "curves"
    np.testing.assert_array_equal(picture.cuts[0].loss, curve().loss)


def test_wrong_arguments_get_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match="height"):
        picture_of(valley(7), height="cubic")
    with pytest.raises(InputError, match="view"):
        picture_of(valley(7), view="side")
    with pytest.raises(InputError, match="shape"):
        Picture(dataclasses.replace(valley(7), loss=np.zeros((6, 7))))
    with pytest.raises(InputError, match="shape"):
        Picture(surface(np.zeros((0, 7))))
