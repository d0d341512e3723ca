"""The models of the zoo: exact parameter counts, seeds, shapes, and that they can be analysed."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from landscape_widgets import zoo
from landscape_widgets.compute.objective import Objective
from landscape_widgets.errors import InputError

MODELS = {
    "mlp": (zoo.mlp, (64,), 99_126),
    "mlp, tanh": (lambda seed=0: zoo.mlp((2, 8, 2), "tanh", seed=seed), (2,), 42),
    "lenet 8": (zoo.lenet, (1, 8, 8), 19_798),
    "lenet 28": (lambda seed=0: zoo.lenet(28, seed=seed), (1, 28, 28), 61_750),
    "lenet 32": (lambda seed=0: zoo.lenet(32, 3, seed=seed), (3, 32, 32), 62_050),
    "approximator, wide": (zoo.function_approximator, (1,), 20_501),
    "approximator, narrow": (lambda seed=0: zoo.function_approximator("narrow", seed=seed), (1,), 1_021),
    "transformer": (zoo.transformer, (1, 8, 8), 17_962),
    "resnet20, A": (zoo.resnet20, (3, 32, 32), 269_722),
    "resnet20, B": (lambda seed=0: zoo.resnet20("B", seed=seed), (3, 32, 32), 272_474),
    "resnet56, A": (zoo.resnet56, (3, 32, 32), 853_018),
    "resnet56, B": (lambda seed=0: zoo.resnet56("B", seed=seed), (3, 32, 32), 855_770),
    "resnet56, none": (lambda seed=0: zoo.resnet56("none", seed=seed), (3, 32, 32), 853_018),
    "vgg9": (zoo.vgg9, (3, 32, 32), 2_789_706),
    "densenet121": (zoo.densenet121, (3, 32, 32), 6_956_298),
}


@pytest.mark.parametrize("name", MODELS)
def test_counts_shapes_and_seeds(name):
    build, shape, count = MODELS[name]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    model, again, other = build(), build(seed=0), build(seed=1)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    pairs = list(zip(model.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(one, two) for one, two, _ in pairs)
    assert any(not torch.equal(one, three) for one, _, three in pairs)
    assert model.training
    with torch.no_grad():
        outputs = model.eval()(torch.zeros(2, *shape))
    assert len(outputs) == 2
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_shortcuts_differ_only_in_the_forward_pass(shortcut):
    model = zoo.resnet20(shortcut).eval()
    plain = zoo.resnet20("none").eval()
    shared = [name for name, _ in plain.named_parameters()]
    assert set(shared) <= set(dict(model.named_parameters()))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(images), plain(images)) == (shortcut == "none")


def test_layers_of_the_transformer_start_differently():
    one, two = zoo.transformer().encoder.layers
    assert not torch.equal(one.linear1.weight, two.linear1.weight)
    assert not any(module.p for module in zoo.transformer().modules() if isinstance(module, nn.Dropout))
    model = zoo.transformer()
    images = zoo.digits(image=True)[0][:4]
    assert torch.allclose(model(images), model(images.flatten(1)))


@pytest.mark.parametrize("name", ["mlp", "lenet 8", "transformer"])
def test_digit_models_fit_an_objective(name):
    inputs, targets = zoo.digits(image=name != "mlp")
    objective = Objective(MODELS[name][0]().eval(), nn.CrossEntropyLoss(), (inputs[:64], targets[:64]))
    assert objective.size == MODELS[name][2]
    assert 1.5 < objective.loss() < 3.5
    assert torch.isfinite(objective.gradient()).all()


def test_trained_digits_are_right_and_repeat():
    model, train, (inputs, targets) = zoo.trained_digits_mlp(seed=0)
    assert not model.training
    assert (model(inputs).argmax(1) == targets).float().mean() > 0.95
    assert (model(train[0]).argmax(1) == train[1]).float().mean() > 0.99
    again = zoo.trained_digits_mlp()[0]
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: zoo.mlp((64,)), r"at least two layer sizes, each at least 1, got \(64,\). To fix it"),
        (lambda: zoo.mlp((64, 0, 10)), "at least two layer sizes"),
        (lambda: zoo.mlp(activation="sine"), r"expected activation in \['gelu', 'relu', 'tanh'\], got 'sine'"),
        (lambda: zoo.mlp(seed=-1), "expected a non-negative integer seed, got -1"),
        (lambda: zoo.mlp(seed=1.5), "expected a non-negative integer seed, got 1.5"),
        (lambda: zoo.lenet(16), r"expected size in \[8, 28, 32\], got 16"),
        (lambda: zoo.function_approximator("deep"), r"expected shape in \['narrow', 'wide'\], got 'deep'"),
        (lambda: zoo.resnet56("C"), "expected shortcut in .*got 'C'"),
        (lambda: zoo.transformer(30), "expected width as a multiple of heads"),
    ],
)
def test_bad_arguments(build, text):
    with pytest.raises(InputError, match=text):
        build()


def test_public_names_are_functions_whichever_module_came_first():
    assert all(callable(getattr(zoo, name)) for name in zoo.__all__)
    assert zoo.__all__ == sorted(zoo.__all__)
