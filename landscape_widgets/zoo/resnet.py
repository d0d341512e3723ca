"""ResNet-20 and ResNet-56 for images of 32×32 pixels, with two kinds of shortcut or none."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.seeding import seeded

SHORTCUTS = ("A", "B", "none")


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and zeros for the new channels; no parameters."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c, h, w) to (batch, c + extra, h / 2, w / 2)."""
        return pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with batch normalisation, and the shortcut around them."""

    def __init__(self, width_in: int, width: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module | None = nn.Identity() if shortcut != "none" else None
        if shortcut == "A" and stride != 1:
            self.shortcut = PaddedShortcut(width - width_in)
        elif shortcut == "B" and stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width_in, h, w) to (batch, width, h / stride, w / stride)."""
        out: Tensor = self.body(x)
        return (out if self.shortcut is None else out + self.shortcut(x)).relu()


class ResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels with `blocks` blocks each: 6·blocks + 2 layers.

    Source: K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, section 4.2; He initialisation of the convolutions.
    """

    def __init__(self, blocks: int, shortcut: str, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        width_in = 16
        for width in (16, 32, 64):
            for index in range(blocks):
                stride = 2 if index == 0 and width != 16 else 1
                layers.append(BasicBlock(width_in, width, stride, shortcut))
                width_in = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 3, h, w) to (batch, classes)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def resnet20(shortcut: str = "A", classes: int = 10, *, seed: int = 0) -> ResNet:
    """Return a seeded ResNet-20 for CIFAR-10; arguments, result and errors as for `resnet56`.

    >>> [sum(p.numel() for p in resnet20(shortcut).parameters()) for shortcut in ("A", "B", "none")]
    [269722, 272474, 269722]
    """
    return _resnet(3, shortcut, classes, seed)


def resnet56(shortcut: str = "A", classes: int = 10, *, seed: int = 0) -> ResNet:
    """Return a seeded ResNet-56 for CIFAR-10.

    Parameters
    ----------
    shortcut : "A" (zero-padded, no parameters), "B" (1×1 convolution and batch normalisation where the
        size changes) or "none" (the plain network).
    classes : outputs.
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : in training mode, float32; takes (batch, 3, 32, 32), gives (batch, classes).

    Raises
    ------
    InputError : an unknown shortcut, or a bad seed.

    >>> [sum(p.numel() for p in resnet56(shortcut).parameters()) for shortcut in ("A", "B", "none")]
    [853018, 855770, 853018]
    """
    return _resnet(9, shortcut, classes, seed)


def _resnet(blocks: int, shortcut: str, classes: int, seed: int) -> ResNet:
    if shortcut not in SHORTCUTS:
        raise InputError(f"expected shortcut in {SHORTCUTS}, got {shortcut!r}", "pass one of these names")
    with seeded(seed):
        return ResNet(blocks, shortcut, classes)
