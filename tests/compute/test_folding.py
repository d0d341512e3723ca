"""Products with BatchNorm folded inside the graph: the same matrix, and a plain one where it is not."""

import numpy as np
import pytest
import torch
from cases import build, dense_hessian, judge, seeded
from torch import nn

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator

DOUBLE_BACKWARD = "dense float64 Hessian by double backward, row by row"


def trained(function, shape):
    """A model whose running statistics are not the initial ones."""

    def make():
        model = function()
        model.train()
        with torch.no_grad():
            model(torch.randn(64, *shape))
        return model

    return make


def chain(make, width):
    return lambda: nn.Sequential(*make(), nn.Tanh(), nn.Flatten(), nn.Linear(width, 3))


class Residual(nn.Module):
    """Two convolutions with BatchNorm, and a shortcut around them."""

    def __init__(self):
        super().__init__()
        self.one, self.norm_one = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.two, self.norm_two = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        inner = self.norm_two(self.two(torch.tanh(self.norm_one(self.one(x)))))
        return self.head(torch.tanh(x + inner).mean((2, 3)))


class ReadTwice(Residual):
    """What the first convolution gives is read by another layer too, so that it must not be folded."""

    def forward(self, x):
        raw = self.one(x)
        return self.head((torch.tanh(self.norm_one(raw)) + 0.5 * raw).mean((2, 3)))


class Changed(Residual):
    """What the first convolution gives is changed in place before it is normalised."""

    def forward(self, x):
        return self.head(torch.tanh(self.norm_one(self.one(x).mul_(2.0))).mean((2, 3)))


class CalledTwice(Residual):
    """One convolution and one normalisation, called twice."""

    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(self.norm_one(self.one(x)))
        return self.head(x.mean((2, 3)))


IMAGE = (2, 4, 4)
FOLDED = {
    "one dimension": (chain(lambda: (nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3)), 9), (2, 4)),
    "no bias": (chain(lambda: (nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)), 12), IMAGE),
    "not affine": (chain(lambda: (nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, affine=False)), 12), IMAGE),
    "groups": (chain(lambda: (nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4)), 16), IMAGE),
    "three dimensions": (chain(lambda: (nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2)), 16), (1, 3, 3, 3)),
    "shortcut": (Residual, IMAGE),
}
PLAIN = {
    "read twice": (ReadTwice, "folded products differ by"),
    "changed in between": (Changed, "folded products differ by"),
    "called twice": (CalledTwice, "no BatchNorm behind a convolution"),
}


def problem(function, shape, dtype=torch.float64, samples=39):
    model = build(trained(function, shape), dtype)
    inputs = torch.randn(samples, *shape, generator=seeded(1), dtype=torch.float64).to(dtype)
    return model, nn.CrossEntropyLoss(), (inputs, torch.randint(0, 3, (samples,), generator=seeded(2)))


@pytest.mark.parametrize("name", FOLDED)
def test_folded_products_against_the_dense_hessian(name, right):
    model, loss, data = problem(*FOLDED[name])
    H = HessianOperator(Objective(model, loss, data, batch_size=16))
    error = judge(H, dense_hessian(model, loss, data))
    assert H.question["path"] == "BatchNorm folded"
    right.record("Hessian-vector products, BatchNorm folded", DOUBLE_BACKWARD, error, 1e-12, H.size)


@pytest.mark.parametrize("name", FOLDED)
def test_folded_gauss_newton_products_against_plain_ones(name, right):
    model, loss, data = problem(*FOLDED[name])
    objective = Objective(model, loss, data, batch_size=16)
    folded, plain = GaussNewtonOperator(objective), GaussNewtonOperator(objective, fold=False)
    exact = plain.to_dense()
    error = np.linalg.norm(folded.to_dense() - exact) / np.linalg.norm(exact)
    assert (folded.question["path"], plain.question["path"]) == ("BatchNorm folded", "plain: not asked for")
    right.record("Gauss-Newton products, BatchNorm folded", "the plain products", error, 1e-12, folded.size)


@pytest.mark.parametrize("name", FOLDED)
def test_folded_products_in_float32_are_as_near_to_float64_as_plain_ones(name, right):
    model, loss, data = problem(*FOLDED[name], dtype=torch.float32)
    exact = dense_hessian(model, loss, data)
    objective = Objective(model, loss, data, batch_size=16)
    folded, plain = (HessianOperator(objective, fold=fold) for fold in (True, False))
    errors = [np.linalg.norm(operator.to_dense() - exact) for operator in (folded, plain)]
    assert folded.question["path"] == "BatchNorm folded"
    right.record(
        "error of folded float32 products, in errors of plain ones", DOUBLE_BACKWARD, errors[0] / errors[1], 3.0
    )


@pytest.mark.parametrize("name", PLAIN)
def test_what_must_not_be_folded_stays_plain_and_right(name, right):
    function, reason = PLAIN[name]
    model, loss, data = problem(function, IMAGE)
    H = HessianOperator(Objective(model, loss, data, batch_size=16))
    right.record("Hessian-vector products", DOUBLE_BACKWARD, judge(H, dense_hessian(model, loss, data)), 1e-12)
    assert H.question["path"].startswith(f"plain: {reason}")


def test_reasons_known_beforehand():
    few = problem(Residual, IMAGE, samples=8)
    H = HessianOperator(Objective(*few))
    assert H.question["path"] == "not taken yet"
    H @ H.theta
    assert H.question["path"] == "plain: too few samples for a check to pay"
    model, loss, data = problem(Residual, IMAGE)
    model.norm_one.register_forward_hook(lambda layer, inputs, output: 2.0 * output)
    hooked = HessianOperator(Objective(model, loss, data))
    error = judge(hooked, dense_hessian(model, loss, data))
    assert hooked.question["path"] == "BatchNorm folded"  # the second pair alone
    assert error < 1e-12


def test_away_from_the_centre_the_same_folding_is_used():
    model, loss, data = problem(Residual, IMAGE)
    objective = Objective(model, loss, data)
    HessianOperator(objective) @ objective.center
    theta = objective.center + 0.3 * torch.sin(torch.arange(objective.size, dtype=torch.float64))
    H = HessianOperator(objective, theta)
    assert judge(H, dense_hessian(model, loss, data, theta)) < 1e-12
    assert H.question["path"] == "BatchNorm folded"


def test_the_result_says_the_path_and_how_many_graphs_were_kept():
    model, loss, data = problem(Residual, IMAGE)
    objective = Objective(model, loss, data, batch_size=10)
    kept = HessianOperator(objective)
    assert kept.question["graphs"] == "none built yet"
    pairs = Lanczos(kept, 1, 1).run()
    assert pairs.question["path"] == "BatchNorm folded"
    assert pairs.question["graphs"] == "4 kept, 0 rebuilt"
    some = HessianOperator(objective, graph_memory=kept._graphs.memory // 2)
    again = Lanczos(some, 1, 1).run()
    assert again.question["graphs"] in ("1 kept, 3 rebuilt", "2 kept, 2 rebuilt")
    np.testing.assert_allclose(again.values, pairs.values, rtol=1e-12)
