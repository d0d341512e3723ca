"""Take the pictures of the documentation from a real JupyterLab: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab import CHROMIUM_FLAGS, NotebookPage, chromium, start_server, write_notebook  # noqa: E402

CELL = """
import torch
import landscape_widgets as lw
model, train, test = lw.zoo.trained_digits_mlp(seed=0)
data = (torch.cat([train[0], test[0]]), torch.cat([train[1], test[1]]))
explorer = lw.explore(model, torch.nn.CrossEntropyLoss(), data, directions=("λ_max", "λ_min"),
                      scale="unit", extent=4.0, resolution=49, title="digits MLP")
explorer
"""


def main() -> None:
    """Light and dark, wide and narrow."""
    root = Path(tempfile.mkdtemp())
    server = start_server(root)
    write_notebook(root / "picture.ipynb", [CELL])
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1340, "height": 1000})
            notebook = NotebookPage(page, server, "picture.ipynb")
            notebook.run_cell(0)
            widget = notebook.widgets().first
            expect(widget.locator(".lw-pill")).to_have_text("49 × 49 exact", timeout=300_000)
            for theme in ("Light", "Dark"):
                page.evaluate(
                    "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
                    f"JupyterLab {theme}",
                )
                page.wait_for_timeout(4000)
                for width in (1340, 640):
                    page.set_viewport_size({"width": width, "height": 1000 if width > 700 else 1500})
                    page.wait_for_timeout(5000)
                    widget.scroll_into_view_if_needed()
                    kind = "wide" if width > 700 else "narrow"
                    widget.screenshot(path=ROOT / "docs" / "images" / f"explorer-{theme.lower()}-{kind}.png")
            browser.close()
    finally:
        server.process.terminate()


if __name__ == "__main__":
    main()
