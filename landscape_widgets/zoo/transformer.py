"""A small transformer that reads a digit row by row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape_widgets.errors import InputError
from landscape_widgets.zoo.seeding import seeded


class DigitTransformer(nn.Module):
    """A stock `nn.TransformerEncoder` over the eight rows of a digit, then the mean and a linear layer.

    Source: A. Vaswani et al., NeurIPS 2017, section 3, the encoder; learned positions, no dropout.
    """

    def __init__(self, width: int = 32, heads: int = 4, layers: int = 2, classes: int = 10) -> None:
        super().__init__()
        self.embedding = nn.Linear(8, width)
        self.position = nn.Parameter(0.02 * torch.randn(8, width))
        blocks = [
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True) for _ in range(layers)
        ]
        self.encoder = nn.TransformerEncoder(blocks[0], layers, enable_nested_tensor=False)
        self.encoder.layers = nn.ModuleList(blocks)  # the encoder's own copies would all start equal
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 64), (batch, 8, 8) or (batch, 1, 8, 8) to (batch, classes)."""
        rows = images.reshape(len(images), 8, 8)
        logits: Tensor = self.classifier(self.encoder(self.embedding(rows) + self.position).mean(dim=1))
        return logits


def transformer(
    width: int = 32, heads: int = 4, layers: int = 2, classes: int = 10, *, seed: int = 0
) -> DigitTransformer:
    """Return a seeded transformer classifier of digits: eight tokens of eight pixels, LayerNorm, no dropout.

    Parameters
    ----------
    width : features a token, a multiple of heads.
    heads, layers : attention heads and encoder layers, at least 1.
    classes : outputs.
    seed : seed of the initialisation; the global random state is left alone.

    Returns
    -------
    model : in training mode, float32; takes (batch, 64) or (batch, 1, 8, 8), gives (batch, classes).

    Raises
    ------
    InputError : width is not a multiple of heads, something below 1, or a bad seed.

    >>> sum(p.numel() for p in transformer().parameters())
    17962
    """
    if min(width, heads, layers, classes) < 1 or width % heads:
        raise InputError(
            f"expected width as a multiple of heads and all at least 1, got {width=}, {heads=}, {layers=}, {classes=}",
            "pass for example width=32, heads=4, layers=2",
        )
    with seeded(seed):
        return DigitTransformer(width, heads, layers, classes)
