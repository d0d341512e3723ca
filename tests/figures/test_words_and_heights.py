import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_widgets.figures.heights import heights_of, linear_ticks, log_ticks, nice_step, tick_labels
from landscape_widgets.figures.words import axis_title, lowered, number, plain, plain_3d
from landscape_widgets.results import Axis


def read(text):
    """The number a label says."""
    text = text.replace("−", "-")
    if "10" in text and any(c in text for c in "⁰¹²³⁴⁵⁶⁷⁸⁹"):
        lead, power = text.split("10", 1) if "·" not in text else text.split("·10")
        power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        return float({"": "1", "-": "-1"}.get(lead, lead)) * 10.0 ** int(power)
    return float(text)


@settings(deadline=None, max_examples=100)
@given(st.floats(-1e200, 1e200).filter(lambda x: x == 0 or abs(x) > 1e-200))
def test_a_written_number_is_the_number_to_three_digits(value):
    assert read(number(value)) == pytest.approx(value, rel=5.01e-3)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.00359, "0.00359"), (-0.0152, "−0.0152"), (0.1, "0.1"), (1e-4, "0.0001"), (99999.0, "100000"), (1e6, "10⁶")],
)
def test_numbers_are_plain_decimals_where_they_are_short(value, words):
    assert number(value) == words


def test_axis_titles_leave_out_what_is_empty():
    assert axis_title("β", Axis("gradient", "raw", "steps")) == "β · gradient (steps)"
    assert axis_title("β", Axis("", "raw", "")) == "β"


def test_indices_of_eigenvalues_are_lowered_and_nothing_else():
    assert lowered("Hessian λ_max, my_max λ_2") == "Hessian λₘₐₓ, my_max λ₂"


def test_plain_text_holds_no_tag_no_entity_and_no_formula():
    assert not set("<>$") & set(plain("<b>$x$</b>"))
    assert plain("&lt;") == "&amp;lt;"
    assert "<b" not in plain_3d("<b>x</b>")


LOSSES = st.lists(st.floats(-1e300, 1e300) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0]), min_size=1, max_size=9)


@settings(deadline=None, max_examples=100)
@given(LOSSES, st.sampled_from(["log", "linear"]))
def test_heights_are_the_logarithm_or_the_loss_and_lie_on_the_axis(values, scale):
    loss = np.array(values)
    drawable = np.isfinite(loss) & ((loss > 0) | (scale == "linear"))
    heights = heights_of(loss, scale)
    assert (heights is None) == (not drawable.any())
    if heights is None:
        return
    expected = [math.log10(v) if scale == "log" else v for v in loss[drawable]]
    np.testing.assert_allclose(heights.z[drawable], expected, rtol=1e-15)
    assert np.isnan(heights.z[~drawable]).all()
    assert heights.holes + heights.hidden == (~drawable).sum()
    slack = 1e-9 * (heights.hi - heights.lo)
    assert heights.lo - slack <= np.nanmin(heights.z)
    assert np.nanmax(heights.z) <= heights.hi + slack
    assert 5 <= len(heights.levels) <= 40
    assert len(heights.ticks) <= 20


@settings(deadline=None, max_examples=100)
@given(st.floats(-12, 12), st.floats(0.05, 20))
def test_ticks_in_log_height_say_the_loss_that_stands_there(lo, decades):
    ticks = log_ticks(lo, lo + decades)
    labels = tick_labels([10.0**tick for tick in ticks])
    assert len(ticks) >= 2
    assert len(set(labels)) == len(labels)
    for tick, label in zip(ticks, labels, strict=True):
        assert math.log10(read(label)) == pytest.approx(tick, abs=1e-6)
        assert lo - 1e-6 <= tick <= lo + decades + 1e-6


def test_decades_are_plain_decimals():
    assert heights_of(np.array([0.001, 10.0]), "log").labels == ("0.001", "0.01", "0.1", "1", "10")


def test_a_constant_loss_has_an_axis_of_its_own():
    heights = heights_of(np.full(4, 2.302585), "linear")
    assert heights.lo <= 2.302585 <= heights.hi
    assert heights.lo < heights.hi
    assert len(set(heights.labels)) == len(heights.labels) >= 2


def test_steps_and_linear_ticks_are_round():
    assert [nice_step(x) for x in (0.14, 0.3, 4.0, 8.0)] == pytest.approx([0.1, 0.2, 5.0, 10.0])
    assert linear_ticks(-4, 4) == [-4.0, -2.0, 0.0, 2.0, 4.0]
