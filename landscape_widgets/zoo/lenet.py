"""LeNet-5 with batch normalisation, for images of 8×8, 28×28 or 32×32 pixels."""

from __future__ import annotations

from torch import Tensor, nn

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.seeding import seeded

PLANS: dict[int, tuple[int, int, int, int]] = {8: (3, 1, 1, 2), 28: (5, 2, 0, 5), 32: (5, 0, 0, 5)}
"""Image size -> kernel size, padding of the first and second convolution, side of the last feature map."""


class LeNet(nn.Module):
    """Two convolutions with batch normalisation, ReLU and max-pooling, then three linear layers.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Proc. IEEE 86 (1998), section II.B, with ReLU,
    max-pooling and batch normalisation in place of the squashing and subsampling of that time.
    """

    def __init__(self, size: int = 8, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        kernel, first, second, side = PLANS[size]
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, kernel, padding=first),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel, padding=second),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * side**2, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, channels, size, size) to (batch, classes)."""
        features: Tensor = self.features(images)
        logits: Tensor = self.classifier(features.flatten(1))
        return logits


def lenet(size: int = 8, channels: int = 1, classes: int = 10, *, seed: int = 0) -> LeNet:
    """Return a seeded LeNet with batch normalisation.

    Parameters
    ----------
    size : pixels a side: 8 (3×3 kernels), 28 or 32 (5×5 kernels).
    channels : input channels.
    classes : outputs.
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : in training mode, float32; takes (batch, channels, size, size), gives (batch, classes).

    Raises
    ------
    InputError : another size, or a bad seed.

    >>> sum(p.numel() for p in lenet(28).parameters())
    61750
    """
    if size not in PLANS:
        raise InputError(
            f"expected size in {sorted(PLANS)}, got {size}", "resize the images, for example with zoo.digits_resized"
        )
    with seeded(seed):
        return LeNet(size, channels, classes)
