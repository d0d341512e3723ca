"""The trace lab in a real JupyterLab: budget, methods, seed, stop, both themes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

CELLS = [
    """
import torch
import landscape_widgets as lw
inputs, targets = lw.zoo.digits()
model = lw.zoo.mlp((64, 8, 10), activation="relu", seed=0)
lab = lw.TraceLab(model, torch.nn.CrossEntropyLoss(), (inputs[:64], targets[:64]), budget=100, title="net <b>")
lab
""",
    "print(lab.budget, lab.methods, lab.result['gaussian'].products, lab.exact is not None)",
    "lab.seed = 5; print(lab.wait(60)['gaussian'].outcome)",
    "lab.methods = ('gaussian',); lab.budget = 1_000_000",
]


@pytest.fixture(scope="module")
def notebook(open_notebook):
    page = open_notebook("trace", CELLS)
    page.run_cell(0)
    expect(page.widgets().first).to_be_visible(timeout=90_000)
    return page


def settled(notebook, budget):
    sentence = notebook.widgets().first.locator(".lw-sentence")
    expect(sentence).to_contain_text(f"After {budget} gradient evaluations", timeout=60_000)
    expect(notebook.widgets().first.locator(".lw-status")).to_contain_text(f"{budget} gradient", timeout=60_000)


def test_every_method_streams_to_an_end(notebook):
    settled(notebook, 100)
    lab = notebook.widgets().first
    expect(lab.locator("tbody tr")).to_have_count(7)
    expect(lab.locator("tbody tr", has_text="complete")).to_have_count(7, timeout=60_000)
    expect(lab.locator(".lw-sentence")).to_contain_text("the exact trace is", timeout=60_000)
    assert lab.locator(".scatterlayer .trace").count() >= 14
    notebook.screenshot("trace-lab")


def test_a_relu_network_gets_its_warning_and_labels_are_text(notebook):
    lab = notebook.widgets().first
    expect(lab.locator(".lw-cautions")).to_contain_text("kinks (ReLU)")
    expect(lab).to_contain_text("net <b>")


def test_the_budget_grows_and_methods_are_switched(notebook):
    lab = notebook.widgets().first
    slider = lab.get_by_label("Budget").locator("input")
    slider.focus()
    slider.press("ArrowRight")
    settled(notebook, 200)
    lab.get_by_label("Estimate by XTrace").uncheck()
    expect(lab.locator("tbody tr.lw-off")).to_have_count(1, timeout=20_000)
    notebook.run_cell(1)
    expect(notebook.output(1)).to_contain_text("200 ('gaussian', 'rademacher', 'deflated', 'hutch++',", timeout=20_000)
    expect(notebook.output(1)).to_contain_text("100 True")


def test_the_kernel_draws_again(notebook):
    before = notebook.widgets().first.locator("tbody tr").first.text_content()
    notebook.run_cell(2)
    expect(notebook.output(2)).to_contain_text("complete", timeout=60_000)
    expect(notebook.widgets().first.locator("tbody tr").first).not_to_have_text(before, timeout=20_000)
    expect(notebook.widgets().first.get_by_label("seed")).to_have_value("5")


def test_a_long_run_is_stopped(notebook):
    notebook.run_cell(3)
    lab = notebook.widgets().first
    expect(lab.locator("tbody tr").first).to_contain_text("running", timeout=20_000)
    lab.get_by_label(re.compile("Stop")).click()
    expect(lab.locator(".lw-status")).to_contain_text("stopped before", timeout=20_000)
    expect(lab.locator("tbody tr").first).to_contain_text("stopped")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_accessibility(notebook, theme):
    notebook.theme(theme)
    assert "\n".join(notebook.violations()) == ""
    assert notebook.errors == []
