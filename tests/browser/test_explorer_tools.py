"""The explorer's tools in a real JupyterLab: paths, metrics, windows, curves, pause, code; one kernel, each once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

CELLS = [
    """
import time, torch
import landscape_widgets as lw
inputs, targets = lw.zoo.digits()
model = lw.zoo.mlp((64, 24, 10), activation="tanh", seed=0)
loss = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
checkpoints = []
for step in range(60):
    if step % 4 == 0:
        checkpoints.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    optimizer.zero_grad()
    loss(model(inputs), targets).backward()
    optimizer.step()
checkpoints.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
def accuracy(outputs, targets):
    return (outputs.argmax(1) == targets).float().mean()
explorer = lw.explore(model, loss, (inputs, targets), directions=("trajectory 0", "trajectory 1"), scale="unit",
                      extent=4.0, resolution=13, checkpoints=checkpoints, metrics={"accuracy": accuracy},
                      models={"seed 1": lw.zoo.mlp((64, 24, 10), activation="tanh", seed=1)})
explorer
""",
    "print(explorer.extent, explorer.scale, explorer.view, explorer.colours)",
    """
copied = explorer.code
names = dict(model=model, loss=loss, data=(inputs, targets), models=[model.state_dict()], checkpoints=checkpoints)
print(copied)
""",
    """
began = time.time(); marks = []
explorer.observe(lambda change: marks.append(time.time()), "surface")
net = lw.zoo.mlp((64, 256, 10), seed=2); steps = 0
training = torch.optim.SGD(net.parameters(), lr=0.1)
while time.time() - began < 6:
    training.zero_grad(); loss(net(inputs), targets).backward(); training.step(); steps += 1
ended = time.time()
print('redrawn', any(began < m < ended for m in marks), 'steps', steps > 20)
""",
    "estimated = lw.explore(model, loss, (inputs, targets), until=0.01, slices=0)\nestimated",
]


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("tools", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    return page


@pytest.fixture
def explorer(notebook):
    return notebook.widgets().first


def settled(explorer, points="13 × 13"):
    expect(explorer.locator(".lw-pill")).to_have_text(f"{points} exact", timeout=60_000)


def test_the_training_path_is_drawn_and_its_share_said(notebook, explorer):
    settled(explorer)
    expect(explorer.locator(".lw-caption")).to_contain_text(
        re.compile(r"\d+ % of the training path lies in this plane"), timeout=30_000
    )
    notebook.screenshot("tools-path")


def test_metrics_and_coordinates_on_hover(notebook, explorer):
    explorer.get_by_role("radio", name="Contour").check()
    plot = explorer.locator(".lw-plot .draglayer .nsewdrag").first
    expect(plot).to_be_attached(timeout=20_000)
    box = plot.bounding_box()
    notebook.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    hover = explorer.locator(".hoverlayer .hovertext").first
    expect(hover).to_contain_text("accuracy", timeout=10_000)
    for words in ("α", "β", "loss"):
        expect(hover).to_contain_text(words)
    notebook.screenshot("tools-contour")


def test_a_dragged_window_becomes_the_picture_and_can_be_undone(notebook, explorer):
    before = explorer.locator(".lw-caption").text_content()
    box = explorer.locator(".lw-plot .draglayer .nsewdrag").first.bounding_box()
    mouse = notebook.page.mouse
    mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=6)
    mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.7, steps=6)
    mouse.up()
    expect(explorer).to_contain_text("…", timeout=10_000)
    settled(explorer)
    notebook.screenshot("tools-zoomed")
    notebook.say(1, r"\(\(-?\d")
    explorer.get_by_role("button", name=re.compile("undo|zoom out|back", re.I)).first.click()
    expect(explorer.locator(".lw-caption")).to_have_text(before, timeout=20_000)
    settled(explorer)


def test_two_linked_pictures(notebook, explorer):
    explorer.get_by_role("radio", name="Both").check()
    expect(explorer.locator(".lw-plot")).to_have_count(2)
    expect(explorer.locator(".gl-container canvas").first).to_be_attached(timeout=30_000)
    notebook.page.wait_for_timeout(1500)
    notebook.screenshot("tools-both")
    assert notebook.errors == []


def test_curves_with_a_band_over_seeds(notebook, explorer):
    explorer.get_by_role("radio", name="Curves").check()
    explorer.get_by_role("radio", name=re.compile(r"^8")).check()
    expect(explorer.locator(".legend")).to_contain_text("8 seeds", timeout=60_000)
    expect(explorer.locator(".lw-caption")).to_contain_text("seeds 0 to 7", timeout=60_000)
    notebook.screenshot("tools-curves")
    explorer.get_by_role("radio", name="Surface").check()


def test_normalisation_an_axis_keeps_the_parameter_distance(notebook, explorer):
    explorer.get_by_label("Normalisation of β").select_option("filter")
    expect(explorer.locator(".lw-caption")).to_contain_text("same parameter distance", timeout=30_000)
    settled(explorer)
    notebook.say(1, r"\('unit', 'filter'\)")
    explorer.get_by_label("Normalisation of β").select_option("unit")
    settled(explorer)


def test_pause_holds_and_resume_goes_on(notebook, explorer):
    slider = explorer.get_by_label("Resolution")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    pause = explorer.get_by_role("button", name="Pause the picture")
    expect(pause).to_be_visible(timeout=20_000)
    pause.click()
    expect(explorer.locator(".lw-status")).to_contain_text("paused", timeout=10_000)
    notebook.screenshot("tools-paused")
    explorer.get_by_role("button", name="Resume the picture").click()
    expect(explorer.get_by_role("button", name="Pause the picture")).to_be_visible(timeout=10_000)
    for _ in range(3):
        slider.press("ArrowLeft")
    settled(explorer)


def test_the_code_and_the_colours_of_the_menu(notebook, explorer):
    explorer.get_by_role("button", name="More").click()
    explorer.get_by_role("radio", name="cividis").check()
    notebook.screenshot("tools-menu")
    notebook.page.keyboard.press("Escape")
    notebook.say(1, "cividis")
    notebook.say(2, "colours='cividis'")
    expect(notebook.output(2)).to_contain_text('directions=("trajectory 0", "trajectory 1")')


def test_arrow_keys_turn_the_surface(notebook, explorer):
    plot = explorer.locator(".lw-plot").first
    plot.focus()
    eye = "element => element._fullLayout.scene.camera.eye.x"
    before = plot.evaluate(eye)
    notebook.page.keyboard.press("ArrowLeft")
    notebook.page.keyboard.press("ArrowLeft")
    notebook.page.wait_for_function(
        "([element, before]) => element._fullLayout.scene.camera.eye.x !== before",
        arg=[plot.element_handle(), before],
        timeout=10_000,
    )


def test_the_slider_redraws_while_a_model_trains(notebook, explorer):
    settled(explorer)
    notebook.run_cell(3)
    notebook.page.wait_for_timeout(500)
    slider = explorer.get_by_role("slider", name=re.compile("^Range")).first
    slider.focus()
    slider.press("ArrowLeft")
    expect(notebook.output(3)).to_contain_text("redrawn True steps True", timeout=30_000)
    settled(explorer)
    assert notebook.errors == []


def test_accessibility_of_every_tool(notebook, explorer):
    explorer.get_by_role("button", name="More").click()
    assert "\n".join(notebook.violations()) == ""
    notebook.page.keyboard.press("Escape")


def test_a_picture_ends_once_it_is_known_and_every_point_can_still_be_had(notebook):
    notebook.run_cell(4)
    explorer = notebook.output(4).locator(".lw-explorer")
    pill = explorer.locator(".lw-pill")
    expect(pill).to_have_text(re.compile(r"^interpolated, held-out error [\d.]+ %$"), timeout=60_000)
    expect(explorer.locator(".lw-caption")).to_contain_text("points computed, the others interpolated")
    expect(explorer.locator(".lw-status")).to_contain_text("of 2,401 points computed")
    expect(explorer.get_by_role("radio", name="until 1 % error")).to_be_checked()
    explorer.scroll_into_view_if_needed()
    notebook.screenshot("tools-estimate")
    explorer.get_by_role("radio", name="every one").check()
    expect(pill).to_have_text("49 × 49 exact", timeout=60_000)
    expect(explorer.locator(".lw-caption")).not_to_contain_text("interpolated")
