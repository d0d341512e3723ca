"""One arm of one task in its own process: lines on stdin say "set up" or "run", each is answered by a line of JSON."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import sys
import time
import traceback
import warnings
from typing import Any

import torch


def plain(value: Any) -> Any:
    """Tensors and arrays as lists, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot send {type(value).__name__}")


def failure(error: BaseException) -> dict[str, Any]:
    """The last line of an error, and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = (str(error).strip().splitlines() or [""])[0][:160]
    return {"error": f"{type(error).__name__}: {text} ({os.path.basename(place.filename)}:{place.lineno})"}


def measured(run: Any) -> dict[str, Any]:
    """One run with its time and the peak of memory so far."""
    started = time.perf_counter()
    found = dict(run())
    found.setdefault("seconds", time.perf_counter() - started)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> None:
    """Set up at the first line, whatever it says; run at every "run"."""
    task, case, arm, quick = sys.argv[1:5]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    out = sys.stdout

    def say(content: dict[str, Any]) -> None:
        out.write(json.dumps(content, default=plain) + "\n")
        out.flush()

    run = None
    for line in sys.stdin:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                if run is None:
                    module = importlib.import_module(f"benchmarks.peers.tasks.{task}")
                    run = module.arms(case)[arm](quick == "quick")
                content = measured(run) if line.strip() == "run" else {}
        except BaseException as error:  # noqa: BLE001 -- a failing arm is a row of the table
            content = failure(error)
        say(content)


if __name__ == "__main__":
    main()
