"""Tiny seeded data, models a screen long, and toy functions with known curvature.

Some modules are named as the function they hold, so every name is imported here, at once:
`zoo.digits` is then the function, whichever module was imported first.
"""

from landscape_widgets.zoo.approximator import function_approximator
from landscape_widgets.zoo.cifar import cifar10, download_cifar10
from landscape_widgets.zoo.densenet import densenet121
from landscape_widgets.zoo.digits import digits, digits_resized, digits_split
from landscape_widgets.zoo.function import function_data, target_function
from landscape_widgets.zoo.lenet import lenet
from landscape_widgets.zoo.mlp import mlp
from landscape_widgets.zoo.mnist import download_mnist, mnist
from landscape_widgets.zoo.moons import two_moons
from landscape_widgets.zoo.quadratic import quadratic
from landscape_widgets.zoo.resnet import resnet20, resnet56
from landscape_widgets.zoo.saddle import toy_saddle
from landscape_widgets.zoo.trained import trained_digits_mlp
from landscape_widgets.zoo.transformer import transformer
from landscape_widgets.zoo.vgg import vgg9

__all__ = [
    "cifar10",
    "densenet121",
    "digits",
    "digits_resized",
    "digits_split",
    "download_cifar10",
    "download_mnist",
    "function_approximator",
    "function_data",
    "lenet",
    "mlp",
    "mnist",
    "quadratic",
    "resnet20",
    "resnet56",
    "target_function",
    "toy_saddle",
    "trained_digits_mlp",
    "transformer",
    "two_moons",
    "vgg9",
]
