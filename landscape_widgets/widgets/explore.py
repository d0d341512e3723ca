"""`explore`: from a model, its loss and its data to the explorer."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from torch import nn

from landscape_widgets.errors import InputError
from landscape_widgets.session.model import OBJECTIVE_OPTIONS, Loss, Objective, objective_of
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.explorer import LandscapeExplorer


def explore(
    model: nn.Module | Objective,
    loss: Loss | None = None,
    data: Any = None,
    *,
    directions: Any = None,
    models: Any = None,
    checkpoints: Any = None,
    results: Any = (),
    extent: Any = 1.0,
    resolution: int = 49,
    until: float = 0.0,
    preview: str | None = None,
    scale: Any = "filter",
    seed: int = 0,
    view: str = "surface",
    height: str = "log",
    colours: str = "viridis",
    title: str = "",
    layout: Any = None,
    executor: Executor | None = None,
    largest: int = 1,
    smallest: int = 1,
    tol: float = 1e-3,
    slices: int = 40,
    **options: Any,
) -> LandscapeExplorer:
    """Explore the loss landscape around a model; display the returned widget.

    Cost: a forward pass over the data a point (2,401 for 49 × 49), and some 50 to 150 Hessian-vector products.

    Parameters
    ----------
    model, loss, data : as for `Objective`; or an `Objective` alone.
    directions : two of "random", "random 7", "λ_max", "λ_min", "gradient", "trajectory 0", "model 0", an eigenpair
        index, a `Direction`, a vector (P,).
    models : other models of the same architecture to look towards, by name or in order: modules, state dicts, vectors
        (P,), paths of safetensors files. Each is marked in the picture where it projects to.
    checkpoints : the training path, in order, in the same forms; it is drawn with its distance from the plane, and its
        principal components are offered as directions.
    results : `Eigenpairs` and `Surface` computed before; checked against the objective, and not computed again.
    extent : half the width of both axes, in the unit of the scale; or (lo, hi); or one of these an axis.
    resolution : points an axis; 7, 13, 25, 49 and 97 nest.
    until : 0 computes every point; 0.01 ends once the surface between them is known to 1 % of the drawn range, as
        held-out points show (`AdaptiveGrid`), and the caption says so.
    preview : "bfloat16" shows the whole picture in bfloat16 first, with its error, until exact values replace it, on
        machines where that is faster (`PreviewGrid`): elsewhere the caption says why not. Not together with `until`.
    scale : "filter" (relative to filter norms), "unit" (parameter distance) or "raw" (Gaussian steps; the own length
        of what was given); or a pair, one an axis.
    seed : of the α direction if random; β takes the next one.
    view : "surface", "contour", "both" or "curves".
    height, colours, title, layout : "log" or "linear"; "viridis", "cividis" or "magma"; how else it is shown.
    largest, smallest, tol : eigenpairs offered from each end of the Hessian's spectrum, and their tolerance.
    slices : random slices drawn beside a finished picture while nothing else is to be done, two products each, to say
        how usual it is; 0 draws none, and `wait` does not wait for them.
    executor : threads that evaluate the points; None: two to four of this process, shared by all explorers.
    options : further keywords of `Objective`.

    Raises
    ------
    InputError, ModelError : as `Objective`; TypeError for an unknown keyword, with the nearest name.

    >>> model = nn.Linear(2, 1)
    >>> import torch
    >>> explorer = explore(model, nn.MSELoss(), (torch.ones(4, 2), torch.ones(4, 1)), resolution=7)
    >>> explorer.wait(timeout=60).loss.shape
    (7, 7)
    """
    reject_unknown("explore", options, OBJECTIVE_OPTIONS, explore)
    if preview is not None and until:
        raise InputError(f"expected preview= or until=, got {preview!r} and {until!r}", "leave out one of them")
    objective = objective_of(model, loss, data, options)
    state: dict[str, Any] = {
        "extent": extent,
        "resolution": resolution,
        "until": until,
        "scale": scale,
        "seed": seed,
        "view": view,
        "height": height,
        "colours": colours,
    }
    if layout is not None:
        state["layout"] = layout
    return LandscapeExplorer(
        objective,
        title=title,
        executor=executor,
        largest=largest,
        smallest=smallest,
        tol=tol,
        slices=slices,
        preview=preview,
        directions=directions,
        models=models,
        checkpoints=checkpoints,
        results=results,
        **state,
    )
