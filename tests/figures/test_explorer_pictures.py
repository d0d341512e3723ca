"""The explorer's static pictures look as the page does: its view, height, colours, tracks and metrics."""

import io

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image
from torch import nn

import landscape_widgets as lw
from landscape_widgets.figures.matplotlib_figure import BOTH_WIDTH


@pytest.fixture(scope="module")
def training():
    """A least-squares model of three parameters, the checkpoints on its way to the minimum, and its objective."""
    torch.manual_seed(0)
    inputs = torch.randn(32, 2, dtype=torch.float64)
    data = inputs, inputs @ torch.tensor([[1.0], [-2.0]], dtype=torch.float64) + 0.5
    model = nn.Linear(2, 1).double()
    checkpoints = []
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(6):
        checkpoints.append({name: value.clone() for name, value in model.state_dict().items()})
        optimiser.zero_grad()
        nn.functional.mse_loss(model(data[0]), data[1]).backward()
        optimiser.step()
    return lw.Objective(model, nn.MSELoss(), data), checkpoints


@pytest.fixture(scope="module")
def explorer(training):
    objective, checkpoints = training
    directions = ("trajectory 0", "trajectory 1")
    widget = lw.explore(objective, checkpoints=checkpoints, directions=directions, scale="unit", resolution=7, extent=3)
    widget.wait(60)
    yield widget
    widget.close()


def test_the_pictures_follow_the_view_height_and_colours_of_the_page(explorer, tmp_path):
    explorer.view, explorer.height, explorer.colours = "both", "linear", "magma"
    drawn = explorer.to_figure()
    solid, flat = (next(trace for trace in drawn.data if trace.type == kind) for kind in ("surface", "contour"))
    np.testing.assert_array_equal(solid.z, explorer.surface.loss)
    assert solid.colorscale == flat.colorscale == go.Surface(colorscale="Magma").colorscale
    with Image.open(explorer.save_png(tmp_path / "both.png", dpi=50)) as image:
        assert image.width == BOTH_WIDTH * 50
    with Image.open(io.BytesIO(explorer._png())) as image:
        assert image.width == BOTH_WIDTH * 100
    assert explorer.to_figure(view="contour", colours="viridis").data[0].type == "contour"
    explorer.view, explorer.height, explorer.colours = "surface", "log", "viridis"
    with pytest.raises(TypeError, match="'view'"):
        explorer.to_figure(veiw="contour")


def test_the_training_path_is_drawn_where_its_checkpoints_project_to(explorer, training):
    objective, checkpoints = training
    centre = objective.center.numpy()
    moved = np.stack([np.concatenate([c["weight"].numpy().ravel(), c["bias"].numpy()]) for c in checkpoints]) - centre
    basis = np.linalg.svd(moved, full_matrices=False)[2][:2]
    places = np.abs(moved @ basis.T)
    drawn = explorer.to_figure(view="contour")
    x, y = (np.concatenate([t[name] for t in drawn.data if t.name in ("checkpoints", "ends")]) for name in "xy")
    found = np.abs(np.stack([x, y], axis=1))
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(places, axis=0), atol=1e-9)
    words = drawn.layout.annotations[-1].text.replace("<br>", " ")
    assert "of the training path lies in this plane" in words
    assert drawn.layout.annotations[-2].text.startswith("model, loss "), "the loss of the model itself"
