"""The processes of a task: one an arm, all waiting, one running at a time."""

from __future__ import annotations

import concurrent.futures
import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.environments import ROOT, environment_of, python_of


class Worker:
    """An arm's process: `run` lets it do one run, `set_up` what comes before, within a limit of seconds."""

    def __init__(self, task: str, case: str, arm: str, quick: bool, command: list[str] | None = None) -> None:
        peer = environment_of(arm)
        python = sys.executable if peer is None else str(python_of(peer))
        own = [python, "-m", "benchmarks.peers.arm", task, case, arm, "quick" if quick else "full"]
        settings = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        self.process = subprocess.Popen(
            command or own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **settings, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.failed = ""

    def set_up(self, limit: float) -> None:
        """Import and build what the runs need; an error is that of the first run."""
        self._asked("set up", limit)

    def run(self, limit: float) -> dict[str, Any]:
        """One run; what went wrong under "error"."""
        return self._asked("run", limit)

    def _asked(self, what: str, limit: float) -> dict[str, Any]:
        if self.failed:
            return {"error": self.failed}
        try:
            self._ask(what)
            answer = self._answer(limit)
        except BrokenPipeError:
            answer = {"error": self._ended()}
        self.failed = answer.get("error", "")
        if self.failed:
            self.close()
        return answer

    def close(self) -> None:
        """End the process, waiting or not."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(what.encode() + b"\n")
        self.process.stdin.flush()

    def _answer(self, limit: float) -> dict[str, Any]:
        """The next line; bytes are read as they come, so that half a line cannot block beyond the limit."""
        assert self.process.stdout is not None
        until, text = time.monotonic() + limit, b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return {"error": f"stopped after its limit of {limit:.0f} s"}
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                return {"error": self._ended()}
            text += part
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            return {"error": f"answered with something else: {text[:80]!r}"}
        return found

    def _ended(self) -> str:
        return f"its process ended with status {self.process.wait()}"


def alternate(workers: Mapping[str, Worker], repeats: int, limit: float) -> dict[str, list[dict[str, Any]]]:
    """Runs of every arm in turn; the first arm of a round changes from round to round. Set up two at a time."""
    runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in workers}
    names = list(workers)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda worker: worker.set_up(limit), workers.values()))
    for turn in range(repeats):
        shift = turn % max(1, len(names))
        for arm in names[shift:] + names[:shift]:
            if not runs[arm] or "error" not in runs[arm][-1]:
                runs[arm].append(workers[arm].run(limit))
    return runs


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and spread of an arm's times, the last run's other numbers, and its error if it had one."""
    errors = [run["error"] for run in runs if "error" in run]
    if errors:
        return {"error": errors[-1]}
    seconds = [run["seconds"] for run in runs]
    last = runs[-1]
    ratios = [run["gradients"] for run in runs if "gradients" in run]
    return {
        "median": statistics.median(seconds),
        "low": min(seconds),
        "high": max(seconds),
        "runs": len(runs),
        "products": last.get("products"),
        "gradients": statistics.median(ratios) if ratios else None,
        "peak_mb": max(run.get("peak_mb", 0.0) for run in runs),
        "values": last.get("values"),
    }
