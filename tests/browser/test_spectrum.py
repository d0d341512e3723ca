"""The spectrum explorer in a real JupyterLab: the density streams, a row clicked changes the linked explorer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

CELLS = [
    """
import torch
import landscape_widgets as lw
inputs, targets = lw.zoo.digits()
model = lw.zoo.mlp((64, 16, 10), activation="tanh", seed=0)
objective = lw.Objective(model, torch.nn.CrossEntropyLoss(), (inputs[:200], targets[:200]), name="net <b>")
explorer = lw.explore(objective, resolution=3)
spectrum = lw.SpectrumExplorer(objective, explorer=explorer, steps=30, probes=5, largest=2, smallest=1,
                               checkpoints={0: 0.5 * objective.center, 40: objective.center})
spectrum
""",
    "print(explorer.wait(60).axes[1].label, spectrum.width, spectrum.layer)",
    "spectrum.probes = 2; print(spectrum.wait(60).finished)",
]


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("spectrum", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    return page


def settled(notebook):
    expect(notebook.widgets().first.locator(".lw-status")).to_contain_text("Complete", timeout=60_000)


def test_density_rug_and_training_run_are_drawn(notebook):
    settled(notebook)
    spectrum = notebook.widgets().first
    expect(spectrum.locator(".lw-sentence")).to_contain_text("true residuals")
    traces = spectrum.locator(".lw-spectrum-main .scatterlayer .trace")
    expect(traces).to_have_count(5)  # area, band, line, Ritz values, pairs
    expect(spectrum.locator(".lw-spectrum-past .scatterlayer .trace").first).to_be_attached()
    expect(spectrum).to_contain_text("net <b>")
    notebook.screenshot("spectrum")
    assert notebook.errors == []


def test_a_row_clicked_goes_to_the_explorers_axis(notebook):
    spectrum = notebook.widgets().first
    spectrum.locator(".lw-pairs tbody tr").last.click()
    spectrum.get_by_role("button", name="to β").click()
    expect(spectrum.locator(".lw-column")).to_contain_text("Hessian λmin on β", timeout=20_000)
    notebook.run_cell(1)
    expect(notebook.output(1)).to_contain_text("Hessian λ_min 1.0", timeout=60_000)


def test_the_keyboard_sends_too_and_a_wrong_pair_is_said(notebook):
    spectrum = notebook.widgets().first
    spectrum.get_by_label("Choose λmin").focus()
    button = spectrum.get_by_role("button", name="to α")
    button.focus()
    button.press("Enter")
    expect(spectrum.locator(".lw-error")).to_contain_text("two different directions", timeout=20_000)
    expect(spectrum.locator(".lw-sentence")).to_contain_text("true residuals")
    spectrum.get_by_label("Choose λmin").press("ArrowUp")
    button.press("Enter")
    expect(spectrum.locator(".lw-column")).to_contain_text("Hessian λ2 on α", timeout=20_000)


def test_width_layer_and_matrix(notebook):
    spectrum = notebook.widgets().first
    slider = spectrum.get_by_label("Width")
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", before)
    spectrum.get_by_label("Layer").select_option(label="layer 2 · 170")
    expect(spectrum.locator(".lw-caption").last).to_contain_text("Hessian of layer 2", timeout=30_000)
    settled(notebook)
    expect(spectrum.locator(".lw-spectrum-main")).to_contain_text("all eigenvalues")
    spectrum.get_by_role("radio", name="Gauss–Newton").check()
    expect(spectrum.locator(".lw-caption").last).to_contain_text("Gauss–Newton matrix of layer 2", timeout=30_000)
    settled(notebook)
    notebook.screenshot("spectrum-layer")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_accessibility(notebook, theme):
    notebook.theme(theme)
    dark = "dark" if "Dark" in theme else "light"
    expect(notebook.widgets().first).to_have_attribute("data-theme", dark)
    assert "\n".join(notebook.violations()) == ""


def test_python_side_changes_reach_the_page(notebook):
    notebook.run_cell(2)
    expect(notebook.output(2)).to_contain_text("2", timeout=30_000)
    expect(notebook.widgets().first.get_by_label("Probes")).to_have_attribute("aria-valuetext", "2")
    assert notebook.errors == []
