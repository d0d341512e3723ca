"""DenseNet-121 on two cores: both ends of the spectrum, a grid, a cancel, time and memory: `make densenet`.

Writes its table into docs/hessian-directions.md, and the eigenvalues and surfaces that notebook 03 shows into
notebooks/recorded. The network is trained briefly first, as in notebooks/recorded/classifiers.py.
"""

from __future__ import annotations

import resource
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import landscape_widgets as lw
from benchmarks.page import ROOT, replace_part, table
from notebooks.recorded.classifiers import BUDGET, RESOLUTION, SEED, TOLERANCE, Study
from notebooks.recorded.records import FOLDER, facts, note

PAGE = ROOT / "docs" / "hessian-directions.md"
COMMAND = "python -m benchmarks.densenet"
MOMENTS = (0.1, 0.5, 0.9)
"""When a cancel is asked for, in lengths of a step after the step began."""


def peak_gigabytes() -> float:
    """The largest resident memory of this process so far, in 10⁹ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class Cancelled:
    """A computation in a thread of its own that is asked to stop in the middle of a step.

    Parameters
    ----------
    computation : whose stream is cancelled.
    warm : steps taken before, whose median is the time of one batch.
    """

    def __init__(self, computation: Any, warm: int = 8) -> None:
        self._stream = computation.stream()
        self._asked, self._began = threading.Event(), threading.Event()
        self._ended = self.under_way = 0.0
        times = []
        for _ in range(warm):
            started = time.perf_counter()
            next(self._stream)
            times.append(time.perf_counter() - started)
        self.step = statistics.median(times[warm // 2 :])

    def after(self, moment: float) -> float:
        """Seconds from the wish to stop, `moment` steps into a step, to the return of `close()`."""
        thread = threading.Thread(target=self._work)
        thread.start()
        self._began.wait()
        time.sleep(moment * self.step)
        asked = time.perf_counter()
        self._asked.set()
        thread.join()
        return self._ended - asked

    def _work(self) -> None:
        self._began.set()
        while not self._asked.is_set():
            started = time.perf_counter()
            next(self._stream)
            self.under_way = time.perf_counter() - started
        self._stream.close()
        self._ended = time.perf_counter()


def cancels(study: Study, planes: Any, extent: float) -> dict[str, Any]:
    """How long a cancel takes in Lanczos and in the grid, against the time of one batch."""
    found = {}
    for name, make in {
        "eigenpairs": lambda: lw.Lanczos(study.operator, 1, 1, tol=TOLERANCE, max_products=BUDGET, seed=SEED + 1),
        "grid": lambda: lw.GridEvaluator(study.objective, planes, extent=extent, resolution=RESOLUTION),
    }.items():
        runs = [Cancelled(make()) for _ in MOMENTS]
        times = [run.after(moment) for run, moment in zip(runs, MOMENTS, strict=True)]
        found[name] = {
            "batch": statistics.median(run.step for run in runs),
            "cancel": times,
            "under way": [run.under_way for run in runs],
        }
    return found


def measure() -> dict[str, Any]:
    """Run everything and enter the figures into the index of recorded runs."""
    study = Study("densenet121", COMMAND)
    after_training = peak_gigabytes()
    pairs = study.run()
    planes = lw.directions.hessian(pairs)
    extent = float(lw.Surface.load(FOLDER / "densenet121-hessian.npz").alpha[-1])
    figures = {
        "peak after training, GB": after_training,
        "peak, GB": peak_gigabytes(),
        "cancel": cancels(study, planes, extent),
        "products": pairs.products,
        "outcome": str(pairs.outcome),
    }
    study.facts |= figures
    for path in sorted(FOLDER.glob("densenet121-*.npz")):
        note(path, COMMAND, SEED, study.facts)
    return study.facts


def _sizes(found: dict[str, Any], pairs: lw.Eigenpairs) -> list[tuple[str, str]]:
    return [
        ("parameters, images, batch", f"{found['parameters']:,}, {found['studied images']}, {found['batch']}"),
        (f"λ_max and λ_min (asked: residual {TOLERANCE:g}·abs(λ), or {BUDGET} products)", f"outcome: {pairs.outcome}"),
    ]


def _pair_rows(pairs: lw.Eigenpairs) -> Iterator[tuple[str, str]]:
    for name, index in (("λ_max", 0), ("λ_min", -1)):
        value, residual = pairs.values[index], pairs.residuals[index]
        met = "meets its bound" if pairs.accepted[index] else "does not meet its bound"
        relative = f"{residual / abs(value):.1e} of abs(λ), {met}"
        yield name, f"{value:.4g}, residual {residual:.2g} ({relative})"


def _work_rows(found: dict[str, Any], pairs: lw.Eigenpairs, trace: lw.TraceEstimate) -> list[tuple[str, str]]:
    seconds, grid = found["seconds"], f"{RESOLUTION} × {RESOLUTION} grid along λ_max and λ_min"
    return [
        ("Hessian-vector products", str(pairs.products)),
        ("time of the eigenpairs", f"{seconds['eigenpairs']:.0f} s"),
        (f"time of the {grid}", f"{seconds['Hessian grid']:.0f} s"),
        (f"trace, {trace.probes} probes", f"{trace.value:.4g} ± {trace.standard_error:.2g}"),
        ("peak memory of the process (8 GB allowed)", f"{found['peak, GB']:.2f} GB"),
    ]


def _cancel_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, figures in found["cancel"].items():
        each = zip(figures["cancel"], figures["under way"], strict=True)
        waited = ", ".join(f"{cancel:.2f} s ({batch:.2f} s)" for cancel, batch in each)
        yield (
            f"cancel of the {name}, from the wish to the return of close() (beside it, the batch then under way)",
            f"{waited}; one batch takes {figures['batch']:.2f} s (median)",
        )


def lines(found: dict[str, Any]) -> list[str]:
    """The section of the page, from the recorded figures."""
    pairs = lw.Eigenpairs.load(FOLDER / "densenet121-pairs.npz")
    trace = lw.TraceEstimate.load(FOLDER / "densenet121-trace.npz")
    before, after = found["machine before"], found["machine after"]
    quiet = before["quiet"] and after["quiet"]
    rows = [*_sizes(found, pairs), *_pair_rows(pairs), *_work_rows(found, pairs, trace), *_cancel_rows(found)]
    state = "a quiet machine" if quiet else "**measured beside other jobs**, run the command again for quiet figures"
    return [
        "## DenseNet-121 on two cores",
        "",
        f"Written by `make densenet`. {found['data'].capitalize()}, {found['training images']} training images, "
        f"{found['epochs']} epochs, {found['training accuracy']:.0%} of them right; loss {found['loss']:.4g} over the "
        f"images studied, |∇L| = {found['gradient norm']:.3g}.",
        "",
        f"Machine: {before['cores']} cores ({before['processor']}), torch {before['torch']}; load average "
        f"{before['load average'][0]} before and {after['load average'][0]} after; {state}.",
        "",
        *table(("what", "measured"), rows),
    ]


def main() -> None:
    """Measure, then write the section; `page` behind the command writes it from what was recorded."""
    found = facts("densenet121-pairs.npz") if "page" in sys.argv[1:] else measure()
    replace_part(PAGE, "densenet", lines(found))


if __name__ == "__main__":
    main()
