"""The data of the zoo: shapes, ranges, seeds."""

import math

import pytest
import torch

from landscape_widgets import zoo
from landscape_widgets.errors import InputError


def test_digits_are_the_1797_of_scikit_learn():
    inputs, targets = zoo.digits()
    assert inputs.shape == (1797, 64)
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert (inputs * 16).frac().abs().max() == 0
    assert torch.bincount(targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    images, again = zoo.digits(image=True, dtype=torch.float64)
    assert images.shape == (1797, 1, 8, 8)
    assert torch.equal(images.flatten(1).float(), inputs)
    assert torch.equal(targets, again)
    inputs.zero_()  # what one caller does to its digits is not seen by the next
    assert zoo.digits()[0].sum() > 0


def test_the_split_covers_every_sample_once_and_repeats():
    (x, y), (x_test, y_test) = zoo.digits_split()
    assert (len(x), len(y), len(x_test), len(y_test)) == (1437, 1437, 360, 360)
    rows = torch.cat([torch.cat([x, x_test]), torch.cat([y, y_test])[:, None]], dim=1)
    whole = torch.cat([zoo.digits()[0], zoo.digits()[1][:, None]], dim=1)
    assert torch.equal(rows.unique(dim=0), whole.unique(dim=0))
    assert torch.equal(zoo.digits_split(image=True)[0][0].flatten(1), x)
    assert not torch.equal(zoo.digits_split(seed=1)[0][0], x)
    assert len(set(y_test.tolist())) == 10


def test_enlarged_digits_repeat_the_grey_channel():
    inputs, targets = zoo.digits_resized()
    assert inputs.shape == (1797, 3, 32, 32)
    assert torch.equal(inputs[:, 0], inputs[:, 2])
    assert torch.equal(targets, zoo.digits()[1])
    assert torch.equal(zoo.digits_resized(8, 1)[0], zoo.digits(image=True)[0])
    with pytest.raises(InputError, match="expected size >= 8 and channels >= 1, got size=4, channels=3"):
        zoo.digits_resized(4)


def test_moons_lie_on_two_half_circles():
    inputs, targets = zoo.two_moons(100, noise=0.0, dtype=torch.float64)
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.5]], dtype=torch.float64)[targets]
    assert torch.allclose((inputs - centres).norm(dim=1), torch.ones(100, dtype=torch.float64), atol=1e-12)
    noisy, again, other = zoo.two_moons(seed=1)[0], zoo.two_moons(seed=1)[0], zoo.two_moons(seed=2)[0]
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)
    with pytest.raises(InputError, match="expected an even number of samples and noise >= 0, got samples=3"):
        zoo.two_moons(3)


def test_function_data_is_the_function():
    inputs, targets = zoo.function_data(101, dtype=torch.float64)
    assert (inputs[0].item(), inputs[-1].item()) == (-1.0, 1.0)
    for x, y in zip(inputs.flatten().tolist(), targets.flatten().tolist(), strict=True):
        assert y == pytest.approx(math.log(math.sin(10 * x) + 2) + math.sin(x), abs=1e-14)
    with pytest.raises(InputError, match="at least 2 samples, got 1"):
        zoo.function_data(1)
