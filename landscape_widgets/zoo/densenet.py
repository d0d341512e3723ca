"""DenseNet-121 for images of 32×32 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape_widgets.zoo.seeding import seeded

BLOCKS, GROWTH = (6, 12, 24, 16), 32


class DenseLayer(nn.Module):
    """Normalise, 1×1 convolution to 4·growth, normalise, 3×3 convolution to growth; joined to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * GROWTH, 1, bias=False),
            nn.BatchNorm2d(4 * GROWTH),
            nn.ReLU(),
            nn.Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, h, w) to (batch, growth + width, h, w)."""
        return torch.cat([self.body(x), x], dim=1)


class DenseNet(nn.Module):
    """Blocks of 6, 12, 24 and 16 dense layers, growth 32, compression ½ between them, a 3×3 stem.

    Source: G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, CVPR 2017, table 1, with the stem for small images.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        width = 2 * GROWTH
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
        for index, count in enumerate(BLOCKS):
            for _ in range(count):
                layers.append(DenseLayer(width))
                width += GROWTH
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            if index < len(BLOCKS) - 1:
                layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
                width //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 3, 32, 32) to (batch, classes)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def densenet121(classes: int = 10, *, seed: int = 0) -> DenseNet:
    """Return a seeded DenseNet-121 for CIFAR-10.

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

    >>> sum(p.numel() for p in densenet121().parameters())
    6956298
    """
    with seeded(seed):
        return DenseNet(classes)
