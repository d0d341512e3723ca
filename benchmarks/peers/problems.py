"""Models, data and plain reference numbers that every arm shares; imports torch only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

Samples = tuple[Tensor, Tensor]


class Shortcut(nn.Module):
    """Every second pixel, and zeros for the new channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c, h, w) to (batch, 2c, h / 2, w / 2)."""
        extra = x.shape[1] // 2
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, extra, extra))


class Block(nn.Module):
    """Two convolutions with BatchNorm and the shortcut around them."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        stride = width // width_in
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Identity() if stride == 1 else Shortcut()

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut, then ReLU."""
        out: Tensor = self.body(x)
        return (out + self.shortcut(x)).relu()


def resnet20() -> nn.Sequential:
    """ResNet-20 with BatchNorm and padded shortcuts, 269,722 parameters."""
    widths = (16, 16, 16, 16, 32, 32, 32, 64, 64, 64)
    blocks = [Block(a, b) for a, b in itertools.pairwise(widths)]
    stem = (nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Transformer(nn.Module):
    """Two stock encoder layers over tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 64)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of a sequence."""
        logits: Tensor = self.head(self.encoder(self.embedding(tokens)).mean(1))
        return logits


def lenet() -> nn.Sequential:
    """LeNet-5 with BatchNorm for images of 28 x 28, 61,750 parameters."""
    features = []
    for channels, width, padding in ((1, 6, 2), (6, 16, 0)):
        features += [nn.Conv2d(channels, width, 5, 1, padding), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
    head = (nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return nn.Sequential(*features, nn.Flatten(), *head)


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with tanh between them."""
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1])


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Seeded normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(count: int, *shape: int, seed: int = 0) -> Tensor:
    """Seeded class numbers."""
    return torch.randint(0, count, shape, generator=torch.Generator().manual_seed(seed))


def settle(model: nn.Module, data: Samples, steps: int) -> nn.Module:
    """Train a little by full-batch gradient descent, so that its curvature is not that of noise."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return model.eval()


def image_problem(samples: int, size: int) -> tuple[nn.Module, Samples]:
    """ResNet-20 on seeded images, a few steps trained."""
    torch.manual_seed(0)
    data = (normal(samples, 3, size, size), classes(10, samples))
    return settle(resnet20(), (data[0][:64], data[1][:64]), 5), data


def letter_problem(samples: int) -> tuple[nn.Module, Samples]:
    """LeNet with BatchNorm on seeded images, a few steps trained."""
    torch.manual_seed(0)
    data = (normal(samples, 1, 28, 28), classes(10, samples))
    return settle(lenet(), (data[0][:128], data[1][:128]), 5), data


def flat_problem(samples: int, *widths: int) -> tuple[nn.Module, Samples]:
    """A perceptron with 10 classes on seeded vectors, a few steps trained."""
    torch.manual_seed(0)
    data = (normal(samples, widths[0]), classes(10, samples))
    return settle(perceptron(*widths, 10), data, 5), data


def token_problem(samples: int, width: int) -> tuple[nn.Module, Samples]:
    """A stock transformer in eval mode on seeded tokens."""
    torch.manual_seed(0)
    return Transformer(width).eval(), (classes(64, samples, 16), classes(64, samples, seed=1))


def small_problem(width: int = 24, steps: int = 100) -> tuple[nn.Module, Samples]:
    """A float64 perceptron small enough for its dense Hessian, trained on labels that are partly noise."""
    torch.manual_seed(0)
    inputs = normal(256, 20).double()
    targets = (inputs @ normal(20, 10, seed=2).double() + 2 * normal(256, 10, seed=3).double()).argmax(1)
    return settle(perceptron(20, width, 10).double(), (inputs, targets), steps), (inputs, targets)


def batches_of(data: Samples, size: int) -> list[Samples]:
    """Batches of one size, the last one smaller."""
    return list(zip(data[0].split(size), data[1].split(size), strict=True))


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """One vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def like_parameters(model: nn.Module, vector: Tensor) -> list[Tensor]:
    """A flat vector cut into the shapes of the parameters."""
    parameters = list(model.parameters())
    pieces = vector.split([parameter.numel() for parameter in parameters])
    return [piece.view_as(parameter) for piece, parameter in zip(pieces, parameters, strict=True)]


def directions(model: nn.Module, scale: float = 0.1) -> list[Tensor]:
    """Two flat directions, each block as long as `scale` times the parameters it moves."""
    size = sum(parameter.numel() for parameter in model.parameters())
    both = []
    for seed in (11, 12):
        pieces = like_parameters(model, normal(size, seed=seed).to(next(model.parameters()).dtype))
        scaled = [scale * p.norm() / d.norm() * d for p, d in zip(model.parameters(), pieces, strict=True)]
        both.append(flat(scaled).detach())
    return both


def hessian_product(model: nn.Module, data: Samples, vector: Tensor) -> Tensor:
    """The plain reference: double backward over all samples at once, in the attention that allows it."""
    parameters = list(model.parameters())
    with sdpa_kernel(SDPBackend.MATH):
        loss = nn.functional.cross_entropy(model(data[0]), data[1])
        gradient = torch.autograd.grad(loss, parameters, create_graph=True)
        return flat(torch.autograd.grad(flat(gradient) @ vector, parameters))


def dense_hessian(model: nn.Module, data: Samples) -> Tensor:
    """The Hessian row by row."""
    parameters = list(model.parameters())
    gradient = flat(
        torch.autograd.grad(nn.functional.cross_entropy(model(data[0]), data[1]), parameters, create_graph=True)
    )
    return torch.stack([flat(torch.autograd.grad(entry, parameters, retain_graph=True)) for entry in gradient])


class Counted:
    """Count calls of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it."""
        self.calls += 1
        return self.function(*arguments, **options)


class Loader(list[Samples]):
    """A list of batches, for peers that ask for a loader."""

    def __iter__(self) -> Iterator[Samples]:
        """Iterate over the batches."""
        return super().__iter__()
