"""Take the pictures of the documentation from a real JupyterLab: `make screenshots`, or one scene by its name."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab import NotebookPage, laboratory, write_notebook  # noqa: E402

WIDE, NARROW = 1340, 640


@dataclasses.dataclass(frozen=True)
class Scene:
    """A cell that ends in a widget, and the text of one of its elements by which it is finished."""

    name: str
    cell: str
    finished: tuple[str, str]


SCENES = (
    Scene(
        "explorer",
        """
import torch
import landscape_widgets as lw
model, train, test = lw.zoo.trained_digits_mlp(seed=0)
data = (torch.cat([train[0], test[0]]), torch.cat([train[1], test[1]]))
explorer = lw.explore(model, torch.nn.CrossEntropyLoss(), data, directions=("λ_max", "λ_min"),
                      scale="unit", extent=4.0, resolution=49, title="digits MLP")
explorer
""",
        (".lw-pill", "49 × 49 exact"),
    ),
    Scene(
        "trace",
        """
import torch
import landscape_widgets as lw
inputs, targets = (part[:300] for part in lw.zoo.digits())
model, loss = lw.zoo.mlp((64, 16, 10), activation="tanh", seed=0), torch.nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(100):
    optimiser.zero_grad()
    loss(model(inputs), targets).backward()
    optimiser.step()
lab = lw.TraceLab(model, loss, (inputs, targets), budget=200, title="digits MLP, trained")
lab
""",
        (".lw-status", "200 gradient evaluations each"),
    ),
    Scene(
        "spectrum",
        """
import torch
import landscape_widgets as lw
train, test = lw.zoo.digits_split()
training = lw.TrainingStream(lw.zoo.mlp((64, 300, 256, 10), seed=0), torch.nn.CrossEntropyLoss(), train,
                             batch_size=64, epochs=6, lr=0.05, seed=0, record_every="epoch")
training.run()
objective = lw.Objective(training.model, torch.nn.CrossEntropyLoss(), train, name="digits MLP")
spectrum = lw.SpectrumExplorer(objective, explorer=lw.explore(objective),
                               checkpoints=dict(zip(training.trajectory_steps, training.trajectory_checkpoints)))
spectrum
""",
        (".lw-status", "Complete"),
    ),
    Scene(
        "saddle",
        """
import landscape_widgets as lw
saddle = lw.SaddleLab(n=500, positive=600)
saddle
""",
        (".lw-status", "1,000 random slices drawn"),
    ),
)


def main() -> None:
    """Each scene light and dark, wide and narrow."""
    scenes = [scene for scene in SCENES if not sys.argv[1:] or scene.name in sys.argv[1:]]
    with laboratory() as (browser, server):
        for scene in scenes:
            write_notebook(server.root / f"{scene.name}.ipynb", [scene.cell])
            page = browser.new_page(viewport={"width": WIDE, "height": 1000})
            take(page, NotebookPage(page, server, f"{scene.name}.ipynb"), scene)
            page.close()


def take(page: Any, notebook: NotebookPage, scene: Scene) -> None:
    """Run the cell, wait until its widget has finished, take four pictures."""
    notebook.run_cell(0)
    widget = notebook.widgets().first
    element, text = scene.finished
    expect(widget.locator(element)).to_contain_text(text, timeout=300_000)
    for theme in ("Light", "Dark"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}"
        )
        page.wait_for_timeout(4000)
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 1000 if width == WIDE else 1900})
            page.wait_for_timeout(5000)
            widget.scroll_into_view_if_needed()
            kind = "wide" if width == WIDE else "narrow"
            widget.screenshot(path=ROOT / "docs" / "images" / f"{scene.name}-{theme.lower()}-{kind}.png")


if __name__ == "__main__":
    main()
