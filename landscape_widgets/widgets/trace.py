"""`TraceLab`: estimators of the trace of a Hessian side by side, on one axis of cost."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import traitlets

from landscape_widgets.protocol.labs import TraceMethod, TraceRequest, TraceSettings
from landscape_widgets.session.lab_trace import (
    TraceNow,
    Traces,
    check_budget,
    check_methods,
    check_seed,
    operator_of,
)
from landscape_widgets.session.model import OBJECTIVE_OPTIONS, Loss, objective_of
from landscape_widgets.widgets.arguments import reject_unknown
from landscape_widgets.widgets.lab import LandscapeLab
from landscape_widgets.widgets.library import loader

_ASKED = ("methods", "budget", "seed")


class TraceLab(LandscapeLab):
    """Estimate the trace of the Hessian in several ways at once; display the widget, or `wait()` for the result.

    tr(H) = Σ λ_i, by Hutchinson's estimator (Gaussian and Rademacher probes, and deflated), Hutch++, XTrace, loss
    differences, and exactly. They take turns, so that all have spent about the same at any moment; a larger budget goes
    on with what is there.

    Cost: `budget` gradient evaluations a method, and 2P for the exact value.

    Parameters
    ----------
    model, loss, data : as for `Objective`; or an `Objective` alone; or a symmetric operator alone, which has no loss.
    methods : of "gaussian", "rademacher", "deflated", "hutch++", "xtrace", "differences", "exact"; None takes all
        that can be had, the exact value up to 2,000 parameters.
    budget : gradient evaluations of each method, at least 8: a product counts 2, a loss evaluation 1/3.
    seed : of the probes.
    pairs : `Eigenpairs` to deflate; None has Lanczos find the 5 largest, whose products are counted.
    title, layout : how it is shown.
    options : further keywords of `Objective`.

    Traits, to observe and to link: `methods`, `budget` and `seed`, which begin a run when they are set, and `result`
    (a mapping from method to `TraceEstimate`), `failures` (from method to error), `exact`, `sentence`, `status`,
    `progress`, `error`. Observers of the latter run on the scheduler's thread.

    Raises
    ------
    InputError : a budget below 8, no method or an unknown one, eigenpairs of another size.
    TypeError : an unknown keyword, with the nearest name.

    >>> from landscape_widgets.zoo import toy_saddle
    >>> model, _, _ = toy_saddle(n=50, positive=60)
    >>> lab = TraceLab(model.hessian_operator(), methods=("rademacher", "exact"), budget=20)
    >>> found = lab.wait(timeout=60)
    >>> found["rademacher"].value, lab.exact
    (20.0, 20.0)
    >>> lab.close()
    """

    _esm = loader("trace")
    _request_class = TraceRequest

    methods: Any = traitlets.Any((), help="which estimators")
    budget: Any = traitlets.Any(200, help="gradient evaluations of each")
    seed: Any = traitlets.Any(0, help="of the probes")
    exact = traitlets.Any(None, allow_none=True, help="the exact trace, once it is known")
    failures = traitlets.Any(MappingProxyType({}), help="what each method raised that could not run")
    sentence = traitlets.Unicode(help="what is known, in one sentence")

    def __init__(
        self,
        model: Any,
        loss: Loss | None = None,
        data: Any = None,
        *,
        methods: Any = None,
        budget: int = 200,
        seed: int = 0,
        pairs: Any = None,
        title: str = "",
        layout: Any = None,
        **options: Any,
    ) -> None:
        reject_unknown("TraceLab", options, OBJECTIVE_OPTIONS, TraceLab)
        operator, objective = operator_of(model, lambda: objective_of(model, loss, data, options))
        dtype = str(operator.dtype).removeprefix("torch.")
        if objective is None:
            caption = f"{type(operator).__name__}, {operator.size:,} × {operator.size:,}"
            title, subtitle = title or type(operator).__name__, f"{operator.size:,} × {operator.size:,}"
        else:
            caption = f"Hessian of the mean {objective.loss_name} over all {objective.samples:,} samples"
            title = title or objective.name
            subtitle = f"{objective.size:,} parameters · {objective.loss_name}, {objective.samples:,} samples"
        self._applying = True
        self._lab = lab = Traces(operator, objective, self, caption, pairs)
        chosen = lab.usual if methods is None else check_methods(methods)
        asked = TraceSettings(chosen, check_budget(budget), check_seed(seed))
        lab.check(asked)
        state: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(
            title=title, subtitle=subtitle, footer=f"{dtype} · a Hessian-vector product counts 2, a loss 1/3", **state
        )
        self.methods, self.budget, self.seed = chosen, asked.budget, asked.seed
        self.operator, self.objective = operator, objective
        self._follow(asked)
        self._open(lab)
        self._wanted = asked
        self._applying = False
        self.observe(self._changed, names=list(_ASKED))

    def save_png(self, path: str | Path, **options: Any) -> Path:
        """Write the picture as a PNG, drawn by matplotlib without a browser; returns the path."""
        from landscape_widgets.figures.lab_trace import png

        target = Path(path)
        target.write_bytes(png(self.result or {}, **{**self._figure_options(), **options}))
        return target

    def __repr__(self) -> str:
        return f"TraceLab({self.title}: {self.subtitle}; {self.status})"

    # ------------------------------------------------------------ what the lab reports (scheduler's thread)

    def begun(self, settings: TraceSettings) -> None:
        """A run with these settings begins."""
        self._applying = True
        try:
            super().begun(settings)
            self.methods, self.budget, self.seed = settings.methods, settings.budget, settings.seed
        finally:
            self._applying = False

    def traced(self, now: TraceNow, finished: bool) -> None:
        """The estimates have moved."""
        with self.hold_trait_notifications():
            self.exact, self.sentence = now.exact, now.sentence
            self.failures = MappingProxyType(dict(now.failures))
            self.moved(MappingProxyType(dict(now.results)), now.status, now.progress, finished)

    # ------------------------------------------------------------ inside

    @traitlets.validate(*_ASKED)
    def _check_trait(self, proposal: Any) -> Any:
        """Refuse what cannot be, where it is set: the trait keeps its value."""
        check = {"methods": check_methods, "budget": check_budget, "seed": check_seed}
        value: Any = check[proposal["trait"].name](proposal["value"])
        if proposal["trait"].name == "methods":
            self._lab.check(TraceSettings(value, 200, 0))
        return value

    def _changed(self, _change: Any) -> None:
        if self._applying and (self._scheduler.on_own_thread or not hasattr(self, "_wanted")):
            return
        methods: tuple[TraceMethod, ...] = tuple(self.methods)
        asked = TraceSettings(methods, self.budget, self.seed)
        self._follow(asked)
        self._request(asked)

    def _follow(self, settings: TraceSettings) -> None:
        """Show what is chosen, before it is begun."""
        from landscape_widgets.protocol.codec import encode

        self.settings = encode(settings)

    def _figure_options(self) -> dict[str, Any]:
        return {
            "title": f"{self.title}: {self.subtitle}",
            "caption": self.sentence,
            "exact": self.exact,
            "budget": self.budget,
        }

    def _png(self) -> bytes | None:
        from landscape_widgets.figures.lab_trace import png

        return png(self.result, dpi=100, **self._figure_options()) if self.result else None
