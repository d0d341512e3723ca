"""T10: stop at half and resume, ours alone (no peer here resumes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.problems import classes, directions, normal, perceptron
from benchmarks.peers.verdict import Verdict

TITLE = "T10 stop at half and resume"
WHAT = "a 13 x 13 grid and 60 training steps: work done twice, and whether values and weights are bit-identical"
CASES = ("",)
TIMED = False


def _halved(make: Callable[[], Any], done: Callable[[Any], int], half: int) -> Any:
    """Run to half, close, and go on with a new computation from the checkpoint."""
    stream = make().stream()
    for partial in stream:
        if done(partial) >= half:
            break
    state = stream.checkpoint()
    stream.close()
    again = make()
    *_, last = again.stream(resume=state)
    return again, last


def ours(quick: bool) -> Callable[[], dict[str, Any]]:
    """Grid and training."""
    import landscape_widgets as lw

    torch.manual_seed(0)
    model, data = perceptron(64, 32, 10), (normal(256, 64), classes(10, 256))
    objective = lw.Objective(model, nn.CrossEntropyLoss(), data)
    pair = directions(model)

    def grid() -> Any:
        return lw.GridEvaluator(objective, pair, 1.0, 13)

    def training() -> Any:
        return lw.TrainingStream(model, nn.CrossEntropyLoss(), data, batch_size=64, epochs=15)

    def run() -> dict[str, Any]:
        whole = grid().run()
        _, resumed = _halved(grid, lambda partial: partial.done, 85)
        through = training()
        through.run()
        stopped, _ = _halved(training, lambda partial: partial.done, 30)
        same = all(
            torch.equal(a, b)
            for a, b in zip(through.model.state_dict().values(), stopped.model.state_dict().values(), strict=True)
        )
        return {
            "values": {
                "twice": resumed.evaluations - whole.evaluations,
                "grid": bool(np.array_equal(whole.loss, resumed.loss)),
                "weights": same,
            }
        }

    return run


def arms(case: str) -> dict[str, Callable[[bool], Callable[[], dict[str, Any]]]]:
    """Ours alone."""
    return {"ours": ours}


def judge(case: str, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """Nothing twice, everything the same."""
    return {
        arm: Verdict(
            f"{own['twice']} points recomputed, grid {'bit-identical' if own['grid'] else 'differs'}, "
            f"weights {'bit-identical' if own['weights'] else 'differ'}",
            own["twice"] == 0 and own["grid"] and own["weights"],
        )
        for arm, own in values.items()
    }
