"""The spectrum explorer: the density of a model's curvature, its ends, and what they look like in the landscape."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from landscape_widgets.errors import InputError, LandscapeError
from landscape_widgets.protocol.labs import SendPair, SpectrumRequest, SpectrumSettings
from landscape_widgets.protocol.messages import Result
from landscape_widgets.results import SpectrumEstimate
from landscape_widgets.session.lab_spectrum import SpectrumLab, SpectrumView
from landscape_widgets.session.model import OBJECTIVE_OPTIONS, Loss, Objective, objective_of
from landscape_widgets.session.spectrum_words import caption, matrix_name
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.explorer import LandscapeExplorer
from landscape_widgets.widgets.lab import LandscapeLab
from landscape_widgets.widgets.library import loader

SETTINGS = ("matrix", "layer", "steps", "probes", "seed", "width")
AXES = ("alpha", "beta")


class SpectrumExplorer(LandscapeLab):
    """The density of the eigenvalues of a Hessian, streamed; its ends as eigenpairs, to be sent to an explorer.

    The density is the mean over random probes v of the Gauss quadrature of vᵀf(H)v, smoothed by a Gaussian. Its public
    state are plain traits, to observe and to link: `matrix`, `layer`, `steps`, `probes`, `seed`, `width` ask for a
    new picture when set; `result`, `pairs`, `history`, `sentence`, `status`, `progress`, `error` follow. Traits set by
    a running computation run their observers on the scheduler's thread.

    Cost: steps × probes products for the density (500), 20 to 150 for the eigenpairs; P more for all eigenvalues
    where P is at most 800; some 20 to 100 a checkpoint. Nothing is computed twice: another width computes nothing,
    more probes go on, and a matrix or layer seen before is there at once.

    Parameters
    ----------
    model, loss, data : as for `Objective`; or an `Objective` alone; or none of them, for the linked explorer's.
    checkpoints : the training run, in order: flat vectors, modules, state dicts or safetensors paths, or {step: one of
        these}; λ_max, λ_min and the trace of each are drawn against the training step.
    explorer : a `LandscapeExplorer` of the same model, to whose axes eigenvectors may be sent.
    matrix : "hessian", "gauss_newton" or "difference" (H - G); layer : name of a layer, "" for the whole model.
    steps, probes, seed : of the density, as for `SpectralDensity`; width : times its default width of smoothing.
    largest, smallest, tol, verify : of the eigenpairs, as for `Lanczos`.
    title, layout : what it is called and how it is laid out.
    options : further keywords of `Objective`.

    Raises
    ------
    InputError : wrong settings, an unknown layer, checkpoints or an explorer of another architecture; TypeError for
        an unknown keyword, with the nearest name.

    Source: B. Ghorbani, S. Krishnan and Y. Xiao, "An investigation into neural net optimization via Hessian eigenvalue
    density" (2019), section 2.

    >>> import torch
    >>> model, data = torch.nn.Linear(2, 1), (torch.ones(4, 2), torch.ones(4, 1))
    >>> spectrum = SpectrumExplorer(model, torch.nn.MSELoss(), data, largest=1, smallest=1)
    >>> round(spectrum.wait(timeout=60).mass, 6), spectrum.sentence.partition(" (")[0]
    (1.0, '3 eigenvalues lie between 0 and 6.00; λ_max = 6.00, λ_min = 0')
    """

    _esm = loader("spectrum")
    _request_class = SpectrumRequest
    explorer: LandscapeExplorer | None = None

    matrix = traitlets.Enum(("hessian", "gauss_newton", "difference"), "hessian")
    layer = traitlets.Unicode("", help='name of a layer; "" is the whole model')
    steps = traitlets.Int(50, help="Lanczos steps of each probe")
    probes = traitlets.Int(10, help="random vectors")
    seed = traitlets.Int(0, help="seed of the probes")
    width = traitlets.Float(1.0, help="times the default width of smoothing")
    pairs = traitlets.Any(None, allow_none=True, help="the newest finished Eigenpairs")
    history = traitlets.Any(None, allow_none=True, help="the newest SpectrumHistory, with checkpoints")
    sentence = traitlets.Unicode(help="what the spectrum says, in one sentence")

    def __init__(
        self,
        model: Any = None,
        loss: Loss | None = None,
        data: Any = None,
        *,
        checkpoints: Iterable[Any] | Mapping[int, Any] | None = None,
        explorer: LandscapeExplorer | None = None,
        largest: int = 3,
        smallest: int = 3,
        tol: float = 1e-3,
        verify: bool = False,
        title: str = "",
        **options: Any,
    ) -> None:
        reject_unknown("SpectrumExplorer", options, [*SETTINGS, "layout", *OBJECTIVE_OPTIONS])
        traits = {name: options.pop(name) for name in (*SETTINGS, "layout") if name in options}
        objective = _objective(model, loss, data, explorer, options)
        self._checked = False
        self._applying = False
        self._sent: dict[tuple[str, str, int], str] = {}
        super().__init__(
            title=title or objective.name,
            subtitle=f"{objective.size:,} parameters · {objective.loss_name}, {objective.samples:,} samples",
            footer=f"{str(objective.dtype).removeprefix('torch.')} · {objective.device}",
            **traits,
        )
        self.objective, self.explorer = objective, explorer
        lab = SpectrumLab(
            objective,
            self,
            checkpoints=checkpoints,
            largest=largest,
            smallest=smallest,
            tol=tol,
            verify=verify,
            axes=functools.partial(shown_on_axes, explorer),
        )
        self._open(lab)
        lab.check(self._settings())
        self._checked = True
        self.settings = dataclasses.asdict(self._settings())
        self._request(self._settings())
        self.observe(self._changed, names=list(SETTINGS))
        if explorer is not None:
            explorer.observe(self._explorer_moved, names=["directions"])

    # ------------------------------------------------------------ for users

    def send(self, index: Any, axis: Any = "alpha", **options: Any) -> None:
        """Put the eigenvector of an index (0 is λ_max, -1 is λ_min) on an axis of the linked explorer.

        A message, as `ipywidgets.Widget.send` takes it, goes to the page.

        Raises
        ------
        InputError : no linked explorer, an index beyond what was computed, another axis than "alpha" or "beta", or the
            eigenvector that the other axis shows.
        """
        if isinstance(index, dict):
            super().send(index, None if axis == "alpha" else axis, **options)
        else:
            self._send_pair(index, axis)

    def _send_pair(self, index: int, axis: str) -> None:
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)):
            raise InputError(f"expected an eigenpair index, got {index!r}", "0 is λ_max, -1 is λ_min")
        if self.explorer is None:
            raise InputError(
                "expected a linked explorer, got none",
                "pass explorer=lw.explore(objective), made from the same objective",
            )
        if axis not in AXES:
            raise InputError(f'expected axis as "alpha" or "beta", got {axis!r}', "choose one of them")
        settings = self._settings()
        direction = self._lab.direction(settings, index)
        key = (settings.matrix, settings.layer, index % len(self._known_pairs().values))
        place, shown = AXES.index(axis), list(self.explorer.directions)
        wanted: Any = self._sent.get(key, direction)
        if wanted == shown[1 - place] and isinstance(wanted, str):
            raise InputError(
                f"expected two different directions, got {direction.label} on both axes", "send another eigenvector"
            )
        shown[place] = wanted
        self.explorer.directions = tuple(shown)
        self._sent[key] = self.explorer.directions[place]

    def save_png(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as a PNG, drawn by matplotlib without a browser; returns the path."""
        if self.result is None:
            raise LandscapeError("expected a computed spectrum, got none yet", "call wait() first")
        target = Path(path)
        target.write_bytes(self._draw(dpi=150, **options))
        return target

    def close(self) -> None:
        """End the computations, close the comm, free the memory."""
        explorer, self.explorer = self.explorer, None
        if explorer is not None:
            explorer.unobserve(self._explorer_moved, names=["directions"])
        super().close()

    def __repr__(self) -> str:
        return f"SpectrumExplorer({self.title}: {self.subtitle}; {self.status})"

    # ------------------------------------------------------------ what the lab reports (scheduler's thread)

    def begun(self, settings: SpectrumSettings) -> None:
        """Follow the settings of a run that begins."""
        self._applying = True
        try:
            with self.hold_trait_notifications():
                for name in SETTINGS:
                    setattr(self, name, getattr(settings, name))
        finally:
            self._applying = False
        super().begun(settings)

    def shown(self, view: SpectrumView, finished: bool) -> None:
        """Keep what is known."""
        if view.pairs is None or view.pairs.vectors.shape[1]:
            self.pairs = view.pairs
        if view.history is not None:
            self.history = view.history
        self.sentence = view.sentence
        self.moved(view.estimate, view.status, _progress(view), finished)

    # ------------------------------------------------------------ inside

    def _settings(self) -> SpectrumSettings:
        return SpectrumSettings(**{name: getattr(self, name) for name in SETTINGS})

    @traitlets.validate(*SETTINGS)
    def _check_trait(self, proposal: Any) -> Any:
        """Refuse what cannot be, where it is set: the trait keeps its value."""
        if self._checked and not self._applying:
            changed = {proposal["trait"].name: proposal["value"]}
            self._lab.check(dataclasses.replace(self._settings(), **changed))
        return proposal["value"]

    def _changed(self, _change: Any) -> None:
        if not (self._applying and self._scheduler.on_own_thread):
            self._request(self._settings())

    def _handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {**super()._handlers(), SendPair: self._on_send}

    def _on_send(self, message: SendPair) -> None:
        self._send_pair(message.index, message.axis)
        self._outbox.post(Result(message.id, "send", "complete", ""))

    def _explorer_moved(self, _change: Any) -> None:
        if self._work is not None:
            self._scheduler.call(self._work.replay)

    def _known_pairs(self) -> Any:
        return self._lab.pairs_of(self._settings())

    def _png(self) -> bytes | None:
        return None if self.result is None else self._draw(dpi=100)

    def _draw(self, **options: Any) -> bytes:
        from landscape_widgets.figures.lab_spectrum import png

        estimate: SpectrumEstimate = self.result
        work = self._work
        state = None if work is None else work.state
        drawn: bytes = png(
            estimate,
            width=self.width * estimate.width if len(estimate.nodes) else None,
            matrix=matrix_name(self.matrix, self.layer),
            pairs=self.pairs,
            exact=None if state is None else state.exact,
            history=self.history,
            title=f"{self.title}: {self.subtitle}",
            sentence=self.sentence,
            caption=""
            if state is None
            else caption(self.objective, state.settings, state.size, estimate, state.pairs, state.width),
            **options,
        )
        return drawn


def shown_on_axes(explorer: LandscapeExplorer | None) -> tuple[str, ...]:
    """What the axes of an explorer show, in its own words; () for none."""
    if explorer is None:
        return ()
    names = {(row["source"], row["index"]): row["label"] for row in explorer.options.get("sources", ())}
    found = []
    for axis in AXES:
        choice = explorer.settings.get(axis, {})
        source, index = choice.get("source"), choice.get("index")
        found.append(f"random, seed {choice.get('seed')}" if source == "random" else names.get((source, index), "?"))
    return tuple(found)


def _objective(
    model: Any, loss: Loss | None, data: Any, explorer: LandscapeExplorer | None, options: Mapping[str, Any]
) -> Objective:
    if explorer is not None and not isinstance(explorer, LandscapeExplorer):
        raise InputError(f"expected a LandscapeExplorer, got {type(explorer).__name__}", "make it with lw.explore()")
    if model is None and explorer is None:
        raise InputError(
            "expected a model with loss and data, or an objective, got none", "pass SpectrumExplorer(objective)"
        )
    objective = (
        explorer.objective if model is None and explorer is not None else objective_of(model, loss, data, options)
    )
    if explorer is not None and explorer.objective.layout.blocks != objective.layout.blocks:
        raise InputError(
            f"expected an explorer of the same {objective.size:,} parameters, got one of {explorer.objective.size:,}",
            "make both from one objective",
        )
    return objective


def _progress(view: SpectrumView) -> float:
    """Of the whole run: the density counts most."""
    start = {"density": 0.0, "eigenpairs": 0.7, "exact": 0.8, "checkpoints": 0.85, "done": 1.0}[view.stage]
    share = {"density": 0.7, "exact": 0.05, "checkpoints": 0.15}.get(view.stage, 0.0)
    return float(np.clip(start + share * (view.part or 0.0), 0.0, 1.0))
