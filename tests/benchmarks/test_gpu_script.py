"""The graphics card's benchmark runs line by line on tiny models without one, so that it works where one is lent."""

import sys

import pytest
import torch

from benchmarks import gpu, gpu_models
from benchmarks import page as page_module


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "ROOT", folder)
        gpu.write(gpu.Machine(torch.device("cpu"), tiny=True), folder / "GPU.md")
    return (folder / "GPU.md").read_text(encoding="utf-8")


def test_every_line_of_a_dry_run_has_numbers(page):
    assert "A dry run on tiny models" in page
    assert "failed" not in page
    rows = [line for line in page.splitlines() if line.startswith(("| ResNet-50", "| transformer"))]
    assert len(rows) == 2 * 2 * len(gpu.MODES) + 2 * 2 * len(gpu.SECOND_ORDER)
    assert "## A preview in bfloat16" in page


def test_a_captured_pass_gives_the_values_of_ours(page):
    errors = [line.split("|")[-2].strip() for line in page.splitlines() if "| CUDA graph, no copy | float32 |" in line]
    assert len(errors) == 2
    assert all(float(error) < 1e-5 for error in errors)


def test_the_models_have_the_size_they_are_named_for():
    with torch.device("meta"):
        resnet = gpu_models.bottleneck_net((3, 4, 6, 3), 64, 1000)
        text = gpu_models.TextModel(10_000, 256, 768, 12, 12)
    assert sum(p.numel() for p in resnet.parameters()) == 25_557_032  # He et al., as torchvision's
    assert sum(p.numel() for p in text.parameters()) == pytest.approx(1e8, rel=0.05)


def test_precision_is_put_back():
    before = torch.backends.cudnn.allow_tf32
    with gpu.precision("float32"):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_without_a_card_it_says_so_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device here"):
        gpu.main()
