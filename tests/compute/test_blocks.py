"""Diagonal blocks against the blocks of the dense matrix; what they cost."""

import numpy as np
import pytest
import torch
from cases import COUNTER, CountingMLP, build, dense_hessian, judge, problem
from torch import nn

from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.algebra import deflate, project
from landscape_widgets.compute.operators.base import PartialProduct
from landscape_widgets.compute.operators.blocks import BlockOperator, layer_blocks
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.operators.gauss_newton import GaussNewtonOperator
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.errors import InputError

BLOCKS = "blocks of the dense matrix"


def places(operator, names):
    """The indices of some parameters in the flat vector."""
    blocks = operator.objective.layout.blocks
    return np.concatenate([np.arange(block.start, block.stop) for block in blocks if block.name in names])


def hessian_of(name, batch_size=32):
    model, loss, data = problem(name)
    return HessianOperator(Objective(model, loss, data, batch_size=batch_size)), dense_hessian(model, loss, data)


@pytest.mark.parametrize("name", ["LayerNorm", "tied weights", "embedding"])
def test_layers_of_the_hessian(name, right):
    H, dense = hessian_of(name)
    layers = layer_blocks(H)
    assert sum(block.size for block in layers.values()) == H.size
    for layer, block in layers.items():
        at = places(H, block.names)
        assert block.label == layer
        right.record("layer blocks", BLOCKS, judge(block, dense[np.ix_(at, at)]), 1e-12, block.size)


@pytest.mark.parametrize("budget", [2**30, 0])
def test_layers_of_gauss_newton_and_of_graphs_built_anew(budget, right):
    model, loss, data = problem("MLP GELU")
    G = GaussNewtonOperator(Objective(model, loss, data, batch_size=32), graph_memory=budget)
    dense = G.to_dense()
    for block in layer_blocks(G).values():
        at = places(G, block.names)
        right.record("layer blocks", BLOCKS, judge(block, dense[np.ix_(at, at)]), 1e-12, block.size)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("0", ("0.weight", "0.bias")),
        ("2.weight", ("2.weight",)),
        (["2.bias", "0.weight"], ("0.weight", "2.bias")),
        (["0", "2"], ("0.weight", "0.bias", "2.weight", "2.bias")),
        (("0", "0.bias"), ("0.weight", "0.bias")),
    ],
)
def test_parameters_and_layers_by_name(names, expected, right):
    H, dense = hessian_of("MLP tanh")
    block = BlockOperator(H, names)
    assert block.names == expected
    at = places(H, expected)
    right.record("blocks by name", BLOCKS, judge(block, dense[np.ix_(at, at)]), 1e-12, block.size)


def test_blocks_of_sums_and_deflations(right):
    H, dense = hessian_of("MLP tanh", batch_size=None)
    G, v = GaussNewtonOperator(H.objective), np.ones(H.size)
    at = places(H, ("2.weight", "2.bias"))
    out = np.eye(H.size) - np.outer(v, v) / H.size
    cases = [
        ((H - G).shift(0.2) + DenseOperator(dense), 2 * dense - G.to_dense() + 0.2 * np.eye(H.size)),
        (deflate(H, v), out @ dense @ out),
        (deflate(H, v) + G, out @ dense @ out + G.to_dense()),
    ]
    for operator, whole in cases:
        block = layer_blocks(operator)["2"]
        right.record("layer blocks of sums", BLOCKS, judge(block, whole[np.ix_(at, at)]), 1e-12, block.size)


def test_the_judge_rejects_the_block_of_another_layer():
    H, dense = hessian_of("tied weights")
    at = places(H, ("encoder.weight",))
    wrong = BlockOperator(H, "encoder")
    wrong._chosen = [1]  # the decoder's weight, as large
    assert judge(wrong, dense[np.ix_(at, at)]) > 1e-3


def test_lanczos_on_a_block_and_its_direction_in_the_model(right):
    H, dense = hessian_of("LayerNorm")
    block = layer_blocks(H)["0"]
    at = places(H, block.names)
    exact = np.linalg.eigvalsh(dense[np.ix_(at, at)])
    pairs = Lanczos(block, largest=1, smallest=1, tol=1e-8).run()
    error = np.abs(pairs.values - exact[[-1, 0]]).max() / exact[-1]
    right.record("Lanczos on layer blocks", "numpy eigvalsh of the dense block", error, 1e-10, 2)
    direction = block.embed(pairs.vectors[:, 0])
    assert direction.shape == (H.size,)
    assert abs(direction @ (H @ direction) - exact[-1]) < 1e-10 * exact[-1]
    assert torch.equal(block.restrict(direction), torch.as_tensor(pairs.vectors[:, 0]))
    assert int((direction != 0).sum()) <= block.size
    assert pairs.question["block"] == "0"
    assert pairs.question["names"] == ["0.weight", "0.bias"]


def test_an_objective_of_one_layer_has_the_same_block(right):
    model, loss, data = problem("LayerNorm")
    alone = HessianOperator(Objective(model, loss, data, batch_size=32, parameters=["0.weight", "0.bias"]))
    block = layer_blocks(HessianOperator(Objective(model, loss, data, batch_size=32)))["0"]
    right.record("layer blocks", "an objective of this layer alone", judge(block, alone.to_dense()), 1e-12, block.size)


def test_blocks_share_the_graphs_of_the_whole():
    data = problem("MLP tanh")[2]
    H = HessianOperator(Objective(CountingMLP(), nn.CrossEntropyLoss(), data, batch_size=32))
    COUNTER.clear()
    layers = layer_blocks(H)
    for block in layers.values():
        block @ torch.ones(block.size)
    H @ torch.ones(H.size)
    assert COUNTER == [32, 32, 32, 7]  # one forward pass over the data for all of it
    assert list(layers) == ["layers.0", "layers.2"]


def test_a_block_product_goes_on_from_a_checkpoint():
    H, _ = hessian_of("MLP tanh")
    for block in (BlockOperator(H, "2"), BlockOperator(H.shift(1.0), "2")):
        vector, partial = torch.arange(block.size, dtype=torch.float64), PartialProduct()
        run = block.product_steps(vector, partial)
        next(run), next(run)
        resumed = block.product_steps(vector, partial.copy())
        run.close()
        for _ in range(2):
            next(resumed)
        with pytest.raises(StopIteration) as end:
            next(resumed)
        assert torch.equal(end.value.value, block @ vector)


def test_layers_are_named_as_modules_are():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.body = nn.Parameter(torch.ones(3)), nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
            nn.utils.parametrizations.weight_norm(self.body[0])

        def forward(self, x):
            return self.scale * self.body(x)

    _, loss, data = problem("MLP tanh")
    layers = layer_blocks(HessianOperator(Objective(build(Scaled), loss, data)))
    assert list(layers) == ["", "body.0", "body.1"]
    assert layers["body.0"].names == (
        "body.0.bias",
        "body.0.parametrizations.weight.original0",
        "body.0.parametrizations.weight.original1",
    )


def test_what_has_no_such_block_is_refused():
    H, _ = hessian_of("MLP tanh")
    with pytest.raises(InputError, match=r"expected names of parameters or layers, got '1'.*choose among 0\.weight"):
        BlockOperator(H, "1")
    with pytest.raises(InputError, match="expected at least one name, got none"):
        BlockOperator(H, [])
    with pytest.raises(InputError, match=r"expected a Hessian or Gauss-Newton operator, .* got DenseOperator"):
        layer_blocks(DenseOperator(np.eye(3)))
    with pytest.raises(InputError, match=r"got ProjectedOperator.*before projecting"):
        layer_blocks(project(H, np.eye(H.size)[:, :2]))
    _, loss, data = problem("MLP tanh")
    renamed = nn.ModuleDict({"a": problem("MLP tanh")[0]})["a"]
    other = HessianOperator(Objective(nn.Sequential(renamed), loss, data))
    with pytest.raises(InputError, match="expected a sum of operators on the same named parameters"):
        layer_blocks(H + other)
    block = BlockOperator(H, "0")
    with pytest.raises(InputError, match=r"expected a vector of shape \(36,\), got \(57,\)"):
        block.embed(torch.ones(57))
    with pytest.raises(InputError, match=r"expected a vector of shape \(57,\), got \(36,\)"):
        block.restrict(torch.ones(36))
