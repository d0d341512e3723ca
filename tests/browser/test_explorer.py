"""The explorer in a real JupyterLab: what a person does, one kernel, each behaviour once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

CELLS = [
    """
import time, asyncio, numpy as np, torch
import landscape_widgets as lw
inputs, targets = lw.zoo.digits()
model = lw.zoo.mlp((64, 32, 10), activation="tanh", seed=0)
explorer = lw.explore(model, torch.nn.CrossEntropyLoss(), (inputs, targets), resolution=13, title="small <b>MLP</b>")
done = []
explorer.observe(lambda change: done.append(time.time()), "surface")
explorer
""",
    "began = time.time(); time.sleep(6); ended = time.time(); print('redrawn', any(began < m < ended for m in done))",
    """
began = time.time(); await asyncio.sleep(6); ended = time.time()
print('redrawn', any(began < m < ended for m in done))
""",
    "print(explorer.extent, explorer.resolution, explorer.view, explorer.status, explorer.surface.loss.shape)",
    "explorer.extent = 0.5; print(explorer.wait(60).outcome)",
    "second = lw.explore(explorer.objective, resolution=7); second",
    """
class Broken(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))
    def forward(self, x):
        return x * torch.where(self.weight.abs().sum() > 0, torch.nan, 1.0) + self.weight.sum()
nan = lw.explore(Broken(), lambda o, t: o.mean(), (torch.ones(4, 1), torch.ones(4, 1)), resolution=7,
                 directions=("random", "random"), scale="unit")
nan
""",
]


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("explorer", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    return page


def settled(notebook, number=0, points="13 × 13"):
    """Wait until the picture of a widget is complete."""
    expect(notebook.widgets().nth(number).locator(".lw-pill")).to_have_text(f"{points} exact", timeout=60_000)


def drag(slider, keys, key="ArrowRight"):
    """Move a slider with the keyboard, as its users can."""
    slider.focus()
    for _ in range(keys):
        slider.press(key)


def test_surface_streams_and_completes(notebook):
    settled(notebook)
    explorer = notebook.widgets().first
    assert explorer.locator(".lw-plot .gl-container canvas").count() >= 1
    expect(explorer.locator(".lw-caption")).to_contain_text("Mean cross-entropy over all 1,797 samples")
    expect(explorer.locator(".lw-caption")).to_contain_text("random, seed 0")
    notebook.screenshot("explorer-surface")
    assert notebook.errors == []


def test_labels_with_html_are_text(notebook):
    expect(notebook.widgets().first).to_contain_text("small <b>MLP</b>")


def test_eigenvalues_stream_in_with_residuals(notebook):
    centre = notebook.widgets().first.get_by_label("At the centre")
    expect(centre).to_contain_text("residual", timeout=60_000)
    expect(centre.locator("text=✓")).to_have_count(2, timeout=60_000)


def test_range_slider_redraws_on_commit(notebook):
    explorer = notebook.widgets().first
    slider = explorer.get_by_label("Range")
    before = slider.get_attribute("aria-valuetext")
    drag(slider, 2)
    expect(slider).not_to_have_attribute("aria-valuetext", before)
    expect(explorer.locator(".lw-value").first).to_have_text("± 2.0")
    settled(notebook)
    notebook.say(3, "2.0 13 surface")


def test_hessian_directions_and_verdict(notebook):
    explorer = notebook.widgets().first
    explorer.get_by_label("α", exact=True).select_option("Hessian λmax")
    explorer.get_by_label("β", exact=True).select_option("Hessian λmin")
    expect(explorer.locator(".lw-caption")).to_contain_text("Hessian λ_max", timeout=30_000)
    expect(explorer.locator(".lw-caption")).to_contain_text("Hessian λ_min", timeout=30_000)
    settled(notebook)
    expect(explorer.locator(".lw-verdict")).to_contain_text("Curvatures")
    notebook.screenshot("explorer-hessian")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_accessibility(notebook, theme):
    notebook.theme(theme)
    dark = "dark" if "Dark" in theme else "light"
    expect(notebook.widgets().first).to_have_attribute("data-theme", dark)
    assert "\n".join(notebook.violations()) == ""


def test_views_switch(notebook):
    explorer = notebook.widgets().first
    explorer.get_by_role("radio", name="Contour").check()
    expect(explorer.locator(".contourlayer, .contour").first).to_be_attached(timeout=20_000)
    notebook.screenshot("explorer-contour")
    explorer.get_by_role("radio", name="Curves").check()
    expect(explorer.locator(".scatterlayer .trace").first).to_be_attached(timeout=20_000)
    notebook.screenshot("explorer-curves")
    explorer.get_by_role("radio", name="Surface").check()
    expect(explorer.locator(".gl-container canvas").first).to_be_attached(timeout=20_000)


@pytest.mark.parametrize("cell", [1, 2], ids=["blocking", "async"])
def test_slider_redraws_while_a_cell_runs(notebook, cell):
    explorer = notebook.widgets().first
    settled(notebook)
    notebook.run_cell(cell)
    notebook.page.wait_for_timeout(500)
    slider = explorer.get_by_label("Range")
    ticks = explorer.locator(".lw-status")
    before = ticks.text_content()
    drag(slider, 1, "ArrowLeft" if cell == 1 else "ArrowRight")
    expect(ticks).not_to_have_text(before, timeout=4_000)
    expect(explorer.locator(".lw-pill")).to_have_text("13 × 13 exact", timeout=5_000)
    assert "redrawn" not in notebook.output(cell).text_content(), "the cell ended before the page had redrawn"
    expect(notebook.output(cell)).to_contain_text("redrawn True", timeout=20_000)


def test_a_picture_replaced_in_the_notebook_leaves_the_live_view_alone(notebook):
    """To wait puts the finished picture behind the view that shows nothing."""
    shown = "window.jupyterapp.shell.currentWidget.content.widgets[0].model.outputs"
    mark = "() => { document.querySelector('.lw-explorer').dataset.kept = 'yes'; }"
    notebook.page.evaluate(mark)
    before = notebook.page.evaluate(f"{shown}.get(1).data['image/png']?.length ?? 0")
    notebook.run_cell(4)
    notebook.page.wait_for_function(f"before => {shown}.get(1).data['image/png']?.length !== before", arg=before)
    assert notebook.page.evaluate(f"{shown}.length") == 2
    assert notebook.page.evaluate(f"'image/png' in {shown}.get(0).data") is False
    expect(notebook.widgets()).to_have_count(1)
    expect(notebook.widgets().first).to_have_attribute("data-kept", "yes")
    expect(notebook.output(0).locator("img")).to_have_count(0)
    assert notebook.output(0).locator(".jp-OutputArea-child").nth(1).bounding_box()["height"] < 12
    settled(notebook)
    assert notebook.errors == []


def test_python_side_changes_reach_the_page(notebook):
    notebook.run_cell(4)
    expect(notebook.output(4)).to_contain_text("complete", timeout=60_000)
    expect(notebook.widgets().first.locator(".lw-value").first).to_have_text("± 0.5")


def test_cancel_keeps_what_is_known(notebook):
    explorer = notebook.widgets().first
    slider = explorer.get_by_label("Resolution")
    drag(slider, 3)
    stop = explorer.get_by_label(re.compile("Stop"))
    expect(stop.first).to_be_visible(timeout=20_000)
    stop.first.click()
    expect(explorer).to_contain_text("cancelled", timeout=20_000)
    drag(slider, 3, "ArrowLeft")
    settled(notebook)


def test_a_further_widget_costs_few_bytes(notebook):
    notebook.page.wait_for_timeout(500)
    before = len(notebook.frames)
    notebook.run_cell(5)
    settled(notebook, 1, "7 × 7")
    notebook.page.wait_for_timeout(500)
    opened = sum(size for kind, size in notebook.frames[before:] if kind == "comm_open")
    shown = sum(size for kind, size in notebook.frames[before:] if kind == "display_data")
    assert 0 < opened < 25_000
    assert 0 < shown < 60_000  # with the static picture behind it
    assert sum(size for _, size in notebook.frames) < 3_000_000  # one bundle for the whole page


def test_all_nan_is_said_and_leaves_the_page_well(notebook):
    notebook.run_cell(6)
    nan = notebook.widgets().nth(2)
    expect(nan).to_contain_text(re.compile("NaN", re.I), timeout=60_000)
    notebook.screenshot("explorer-nan")
    first = notebook.widgets().first
    first.scroll_into_view_if_needed()
    first.get_by_role("radio", name="Contour").check()
    first.get_by_role("radio", name="Surface").check()
    settled(notebook)
    assert notebook.errors == []
