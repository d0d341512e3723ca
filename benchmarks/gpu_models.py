"""Two models of the size that graphics cards are bought for, and their tiny twins for a dry run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

Samples = tuple[Tensor, Tensor]


class Bottleneck(nn.Module):
    """Three convolutions with BatchNorm and the shortcut around them.

    Source: K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, figure 5, the stride in the 3 × 3 convolution.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        layers: list[nn.Module] = []
        for a, b, size, step in ((width_in, width, 1, 1), (width, width, 3, stride), (width, out, 1, 1)):
            layers += [nn.Conv2d(a, b, size, step, size // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        self.shortcut: nn.Module = nn.Identity()
        if width_in != out or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut, then ReLU."""
        total: Tensor = self.body(x) + self.shortcut(x)
        return total.relu()


def bottleneck_net(stages: tuple[int, ...], width: int, classes: int) -> nn.Sequential:
    """A ResNet of bottlenecks: (3, 4, 6, 3) with width 64 is ResNet-50."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    width_in = width
    for number, blocks in enumerate(stages):
        for index in range(blocks):
            stride = 2 if number and not index else 1
            layers.append(Bottleneck(width_in, width * 2**number, stride))
            width_in = 4 * width * 2**number
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width_in, classes))


class TextModel(nn.Module):
    """Tokens with learned places through a stock encoder, LayerNorm first, then the mean and a linear layer."""

    def __init__(self, words: int, length: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token."""
        logits: Tensor = self.head(self.encoder(self.words(tokens) + self.places).mean(1))
        return logits


class Autocast(nn.Module):
    """A model run in bfloat16 where autocast allows, its outputs in float32."""

    def __init__(self, inner: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.inner, self._type = inner, device.type

    def forward(self, x: Tensor) -> Tensor:
        """What the model gives; casts are not kept, since the weights move between calls."""
        with torch.autocast(self._type, torch.bfloat16, cache_enabled=False):
            outputs: Tensor = self.inner(x)
        return outputs.float()


@dataclasses.dataclass(frozen=True)
class Problem:
    """A model with one batch on a device."""

    name: str
    make: Callable[[], nn.Module]
    data: Callable[[torch.device], Samples]


def problems(tiny: bool) -> list[Problem]:
    """ResNet-50 on images and a transformer of 100 million parameters on tokens."""
    samples, side = (2, 16) if tiny else (64, 224)
    texts, length, words = (4, 8, 16) if tiny else (32, 256, 10_000)

    def images(device: torch.device) -> Samples:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(samples, 3, side, side, generator=generator)
        return x.to(device), torch.randint(0, 10, (samples,), generator=generator).to(device)

    def tokens(device: torch.device) -> Samples:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(0, words, (texts, length), generator=generator)
        return x.to(device), torch.randint(0, words, (texts,), generator=generator).to(device)

    def resnet() -> nn.Module:
        torch.manual_seed(0)
        return (bottleneck_net((1, 1), 4, 10) if tiny else bottleneck_net((3, 4, 6, 3), 64, 1000)).eval()

    def transformer() -> nn.Module:
        torch.manual_seed(0)
        return (TextModel(words, length, 8, 2, 1) if tiny else TextModel(words, length, 768, 12, 12)).eval()

    return [
        Problem(f"ResNet-50, {samples} images of {side} x {side}", resnet, images),
        Problem(f"transformer, {texts} texts of {length} tokens", transformer, tokens),
    ]
