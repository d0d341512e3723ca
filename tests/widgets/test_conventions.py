"""The explorer as ipywidgets users expect a widget to be: observed, linked, laid out, nested, closed."""

from __future__ import annotations

import ipywidgets
import pytest
import torch
import traitlets
from torch import nn

import landscape_widgets as lw


@pytest.fixture
def explorer():
    torch.manual_seed(0)
    data = torch.randn(20, 3), torch.randn(20, 1)
    made = lw.explore(nn.Linear(3, 1), nn.MSELoss(), data, resolution=7, slices=0, layout={"width": "640px"})
    yield made
    made.close()


def test_observers_hear_every_public_trait_that_a_picture_changes(explorer):
    heard, names = [], ["surface", "status", "progress", "pairs", "code"]
    explorer.observe(lambda change: heard.append(change["name"]), names=names)
    explorer.wait(60)
    explorer.resolution = 13
    explorer.wait(60)
    assert set(heard) == set(names)


def test_linked_to_a_slider_both_ways(explorer):
    explorer.wait(60)
    slider = ipywidgets.FloatSlider(1.0, min=0.1, max=4.0)
    link = traitlets.link((slider, "value"), (explorer, "extent"))
    slider.value = 2.0
    assert explorer.wait(60).alpha[-1] == 2.0
    explorer.extent = 0.5
    assert slider.value == 0.5
    link.unlink()


def test_two_explorers_linked_show_the_same_window(explorer):
    torch.manual_seed(1)
    other = lw.explore(nn.Linear(3, 1), nn.MSELoss(), (torch.randn(9, 3), torch.randn(9, 1)), resolution=7, slices=0)
    link = traitlets.link((explorer, "extent"), (other, "extent"))
    explorer.extent = ((-1.0, 0.5), (-2.0, 2.0))
    assert other.wait(60).alpha[0] == explorer.wait(60).alpha[0] == -1.0
    assert other.surface.beta[-1] == 2.0
    link.unlink()
    other.close()


@pytest.mark.parametrize("trait", ["extent", "resolution", "scale", "view", "height", "colours"])
def test_what_jslink_may_touch_is_synchronised(explorer, trait):
    assert explorer.trait_metadata(trait, "sync")
    slider = ipywidgets.FloatSlider()
    assert ipywidgets.jslink((slider, "value"), (explorer, trait)) is not None


def test_a_page_that_sets_a_trait_is_followed(explorer):
    explorer.wait(60)
    explorer.set_state({"extent": 2.0})  # what jslink does in the end
    assert explorer.wait(60).alpha[-1] == 2.0


def test_layout_and_boxes(explorer):
    assert explorer.layout.width == "640px"
    box = ipywidgets.VBox([ipywidgets.Label("one"), explorer])
    assert box.children[1] is explorer


def test_interactive_output_drives_it(explorer):
    explorer.wait(60)
    seed = ipywidgets.IntSlider(0, max=9)

    def change(seed):
        explorer.seed = seed

    ipywidgets.interactive_output(change, {"seed": seed})
    seed.value = 3
    assert [axis.seed for axis in explorer.wait(60).axes] == [3, 4]


def test_closed_twice_is_closed_and_says_so(explorer):
    explorer.close()
    explorer.close()
    with pytest.raises(lw.LandscapeError, match="expected an open explorer, got a closed one"):
        explorer.extent = 2.0
    with pytest.raises(lw.LandscapeError, match="expected an open widget, got a closed one"):
        explorer.wait(1)
