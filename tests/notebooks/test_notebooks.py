"""Every notebook runs in a fresh kernel, and shows a finished picture without a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.notebook
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_and_shows_pictures(path):
    import nbformat  # takes seconds, as does what imports it
    from nbclient import NotebookClient
    from PIL import Image

    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
    assert shown, "no widget was shown"
    for widget, output in zip(shown[::2], shown[1::2], strict=True):
        assert "image/png" not in widget["data"], "the live view waited for its picture"
        picture = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
        assert picture.width >= 600
        assert len(picture.convert("RGB").getcolors(10_000)) > 30, "the picture is empty"
        assert "points" in output["data"]["text/plain"]
    assert not [output for output in outputs if output.output_type == "error"]
