"""Tiny seeded data, models a screen long, and toy functions with known curvature.

Some modules are named as the function they hold, so every name is imported here, at once:
`zoo.digits` is then the function, whichever module was imported first.
"""

from landscape_widgets.zoo.digits import digits, digits_resized, digits_split
from landscape_widgets.zoo.lenet import lenet
from landscape_widgets.zoo.mlp import mlp

__all__ = [
    "digits",
    "digits_resized",
    "digits_split",
    "lenet",
    "mlp",
]
