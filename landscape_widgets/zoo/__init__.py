"""Tiny seeded data, models a screen long, and toy functions with known curvature.

Some modules are named as the function they hold, so every name is imported here, at once:
`zoo.digits` is then the function, whichever module was imported first.
"""

from landscape_widgets.zoo.approximator import function_approximator
from landscape_widgets.zoo.densenet import densenet121
from landscape_widgets.zoo.digits import digits, digits_resized, digits_split
from landscape_widgets.zoo.function import function_data, target_function
from landscape_widgets.zoo.lenet import lenet
from landscape_widgets.zoo.mlp import mlp
from landscape_widgets.zoo.moons import two_moons
from landscape_widgets.zoo.quadratic import quadratic
from landscape_widgets.zoo.resnet import resnet20, resnet56
from landscape_widgets.zoo.saddle import toy_saddle
from landscape_widgets.zoo.trained import trained_digits_mlp
from landscape_widgets.zoo.transformer import transformer
from landscape_widgets.zoo.vgg import vgg9

__all__ = [
    "densenet121",
    "digits",
    "digits_resized",
    "digits_split",
    "function_approximator",
    "function_data",
    "lenet",
    "mlp",
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
