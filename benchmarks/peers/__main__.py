"""Measure every task against the peers and write benchmarks/RESULTS.md: `make bench`, `make bench-quick`."""

from __future__ import annotations

import argparse
import importlib
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.neighbours import Neighbours
from benchmarks.peers import environments, report
from benchmarks.peers.verdict import Verdict
from benchmarks.peers.workers import Worker, alternate, summary

TARGET = Path(__file__).parents[1] / "RESULTS.md"
TASKS = {
    "T1": "t01_plane",
    "T2": "t02_grid",
    "T2-first": "t02_first",
    "T3": "t03_overhead",
    "T4": "t04_products",
    "T5": "t05_uneven",
    "T6": "t06_eigenpairs",
    "T7": "t07_trace",
    "T8": "t08_density",
    "T9": "t09_trajectory",
    "T10": "t10_resume",
    "T11": "t11_transformer",
}
QUICK_LIMIT = 120.0


def matrix_roof() -> str:
    """The rate of float32 matrix products on one thread, the floor of everything else."""
    torch.set_num_threads(1)
    a = torch.randn(1024, 1024)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return f"float32 matrix products reach {2 * 1024**3 / statistics.median(times) / 1e9:.0f} GFLOP/s on one thread"


def judged(module: Any, case: str, found: dict[str, dict[str, Any]]) -> dict[str, Verdict]:
    """Verdicts on the arms that answered; a judge that fails is itself a verdict."""
    values = {arm: own["values"] for arm, own in found.items() if "error" not in own}
    try:
        verdicts: dict[str, Verdict] = module.judge(case, values)
    except Exception as error:  # noqa: BLE001 -- a failing comparison is a row, never an abort
        return {arm: Verdict(f"could not be compared: {type(error).__name__}: {error}", None) for arm in values}
    return verdicts


def measure(name: str, case: str, quick: bool, repeats: int, absent: dict[str, str]) -> list[str]:
    """The table of a task and case."""
    module = importlib.import_module(f"benchmarks.peers.tasks.{TASKS[name]}")
    arms = list(module.arms(case))
    here = [arm for arm in arms if environments.environment_of(arm) not in absent]
    workers = {arm: Worker(TASKS[name], case, arm, quick) for arm in here}
    limit = QUICK_LIMIT if quick else float(getattr(module, "LIMIT", 600))
    try:
        runs = alternate(workers, repeats if module.TIMED else 1, limit)
    finally:
        for worker in workers.values():
            worker.close()
    found = {
        arm: summary(runs[arm]) if arm in runs else {"error": absent[str(environments.environment_of(arm))]}
        for arm in arms
    }
    if not module.TIMED:  # one run, that imports and sets up: its time says nothing
        found = {arm: {**own, "median": None} for arm, own in found.items()}
    title = f"{module.TITLE}: {case}" if case else module.TITLE
    what = module.what(case, quick) if hasattr(module, "what") else module.WHAT
    return report.table(title, what, found, judged(module, case, found))


def arguments() -> argparse.Namespace:
    """What was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases, smaller problems, three repeats")
    parser.add_argument("--long", action="store_true", help="the cases that take hours too, every arm once")
    parser.add_argument("--tasks", default=",".join(TASKS), help="for example T1,T4")
    parser.add_argument("--output", type=Path, default=TARGET)
    return parser.parse_args()


def main() -> None:
    """Build the environments, run the tasks, write the page after each."""
    asked = arguments()
    absent, versions = {}, {"Python": platform.python_version(), "torch": torch.__version__}
    for peer in environments.PEERS:
        print(f"environment of {peer} …", flush=True)
        why = environments.build(peer)
        versions[peer] = environments.version(peer)
        if why:
            absent[peer] = why
            print(f"  {why}", flush=True)
    started, neighbours, roof = time.monotonic(), Neighbours(), matrix_roof()
    tables: list[str] = []
    for name in asked.tasks.split(","):
        module = importlib.import_module(f"benchmarks.peers.tasks.{TASKS[name]}")
        long = getattr(module, "LONG", ()) if asked.long else ()
        for case in (*(getattr(module, "QUICK", module.CASES) if asked.quick else module.CASES), *long):
            repeats = 1 if case in long else report.repeats(asked.quick)
            own = measure(name, case, asked.quick, repeats, absent)
            print("\n".join(own), flush=True)
            tables += own
            minutes = (time.monotonic() - started) / 60
            head = report.head(asked.quick, versions, neighbours.words(minutes), minutes, roof)
            page = [*head, *report.missing(absent), *tables]
            asked.output.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
