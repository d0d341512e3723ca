"""VGG-9 for images of 32×32 pixels."""

from __future__ import annotations

from torch import Tensor, nn

from landscape_widgets.zoo.seeding import seeded

PLAN = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0)
"""Channels of each convolution; 0 is a max-pooling that halves the image."""


class VGG(nn.Module):
    """Seven 3×3 convolutions with bias and batch normalisation, then two linear layers.

    Source: K. Simonyan and A. Zisserman, ICLR 2015, cut to nine layers, with batch normalisation.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width_in = 3
        for width in PLAN:
            if width == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            width_in = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(4096, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 3, 32, 32) to (batch, classes)."""
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


def vgg9(classes: int = 10, *, seed: int = 0) -> VGG:
    """Return a seeded VGG-9 for CIFAR-10.

    Parameters
    ----------
    classes : outputs.
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : in training mode, float32; takes (batch, 3, 32, 32), gives (batch, classes).

    Raises
    ------
    InputError : a bad seed.

    >>> sum(p.numel() for p in vgg9().parameters())
    2789706
    """
    with seeded(seed):
        return VGG(classes)
