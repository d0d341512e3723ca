"""Small models of many kinds, the independent dense Hessian, and the judge of operators."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

BATCHES = (32, 32, 32, 7)
SAMPLES = sum(BATCHES)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def build(function, dtype=torch.float64, seed=0):
    """Initialise a module under a seed, without a trace in the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = function()
        with torch.no_grad():
            for parameter in module.parameters():  # away from the zeros and ones of the norms
                parameter.add_(0.1 * torch.randn_like(parameter))
    return module.to(dtype).eval()


class Tied(nn.Module):
    """An encoder and a decoder that share one weight, beside a bias."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(5, 6, bias=False), nn.Linear(6, 5)
        self.back = nn.Linear(5, 6, bias=False)
        self.back.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(torch.tanh(self.back(torch.tanh(self.decoder(torch.tanh(self.encoder(x)))))))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


class Encoder(nn.Module):
    """A stock transformer encoder with its default settings, ReLU and LayerNorm."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=3, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.norm, self.head = nn.Embedding(11, 4), nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, tokens):
        return self.head(torch.tanh(self.norm(self.embedding(tokens))).mean(1))


class Keywords(nn.Module):
    """Takes keyword arguments, and tanh-gates one by the other."""

    def __init__(self):
        super().__init__()
        self.value, self.gate = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x, gate=None):
        return self.value(x) * torch.tanh(self.gate(x if gate is None else gate))


class Unused(nn.Module):
    """One layer takes no part in the output, and one parameter is frozen."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.idle = nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(4, 2)
        self.first.bias.requires_grad_(False)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTM(2, 3, batch_first=True), nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])


class Once(torch.autograd.Function):
    """The identity, whose backward pass cannot be differentiated again."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient


class OnceDifferentiable(nn.Module):
    """A layer of 4 parameters on 3 inputs whose outputs have a first derivative only."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x):
        return Once.apply(self.layer(x).tanh())


class OnceQuartic(nn.Module):
    """L = |w|⁴ with a first derivative only; its Hessian 8wwᵀ + 4|w|²I has the trace (8 + 4P) |w|²."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight.double())

    def forward(self, x):
        return (Once.apply(self.weight.square()).sum() ** 2).expand(len(x), 1)


def trained_batchnorm():
    """A network with BatchNorm whose running statistics are not the initial ones."""
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))
    model.train()
    model(torch.randn(64, 1, 4, 4))
    return model


def mlp(activation, sizes=(5, 6, 3)):
    return nn.Sequential(nn.Linear(sizes[0], sizes[1]), activation(), nn.Linear(sizes[1], sizes[2]))


def normed(norm, activation=nn.Tanh):
    return nn.Sequential(nn.Linear(5, 6), norm, activation(), nn.Linear(6, 3))


def depthwise():
    return nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.GELU(), nn.Conv2d(4, 2, 1), nn.Flatten(), nn.Linear(8, 3))


def parametrized():
    model = mlp(nn.Tanh)
    nn.utils.parametrizations.weight_norm(model[0])
    nn.utils.parametrizations.orthogonal(model[2])
    return model


FLAT, IMAGES, SEQUENCES = (5,), (1, 4, 4), (4, 4)

MODELS = {
    "MLP tanh": (lambda: mlp(nn.Tanh), FLAT),
    "MLP GELU": (lambda: mlp(nn.GELU), FLAT),
    "MLP ReLU": (lambda: mlp(nn.ReLU), FLAT),
    "LayerNorm": (lambda: normed(nn.LayerNorm(6)), FLAT),
    "GroupNorm": (lambda: normed(nn.GroupNorm(2, 6), nn.GELU), FLAT),
    "RMSNorm": (lambda: normed(nn.RMSNorm(6)), FLAT),
    "attention": (Attention, SEQUENCES),
    "TransformerEncoder": (Encoder, SEQUENCES),
    "embedding": (Words, "tokens"),
    "tied weights": (Tied, FLAT),
    "depthwise convolution": (depthwise, (2, 4, 4)),
    "BatchNorm in eval mode": (trained_batchnorm, IMAGES),
    "frozen and unused": (Unused, FLAT),
    "LSTM": (Recurrent, (3, 2)),
    "parametrizations": (parametrized, FLAT),
}
WITHOUT_LAYERNORM = [name for name in MODELS if name not in ("LayerNorm", "TransformerEncoder", "embedding")]


def problem(name, dtype=torch.float64, samples=SAMPLES, seed=0):
    """(model, loss, (inputs, targets)) of one kind; "tied weights" is a regression, the others classify."""
    make, shape = MODELS[name]
    model = build(make, dtype, seed)
    generator = seeded(seed + 1)
    if shape == "tokens":
        inputs = torch.randint(0, 11, (samples, 4), generator=generator)
    else:
        inputs = torch.randn(samples, *shape, generator=generator, dtype=torch.float64).to(dtype)
    if name == "tied weights":
        return model, nn.MSELoss(), (inputs, inputs.flip(0))
    return model, nn.CrossEntropyLoss(), (inputs, torch.randint(0, 3, (samples,), generator=generator))


class ExplicitWeightNorm(nn.Module):
    """w = v g / |v|, written out: the double backward of torch's fused form is wrong (gradgradcheck fails)."""

    def forward(self, magnitude, direction):
        return direction * magnitude / direction.pow(2).sum(1, keepdim=True).sqrt()


def written_out(model):
    """A float64 copy of a model, with torch's fused weight norm written out."""
    model = copy.deepcopy(model).double()
    for part in model.modules():
        for index, child in enumerate(part if isinstance(part, nn.utils.parametrize.ParametrizationList) else ()):
            if type(child).__name__ == "_WeightNorm":
                part[index] = ExplicitWeightNorm()
    return model


def dense_hessian(model, loss, data, at=None):
    """The (P, P) Hessian of the whole-batch loss in float64, row by row by double backward; NumPy."""
    model = written_out(model)
    inputs, targets = (part.double() if part.is_floating_point() else part for part in data)
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if at is not None:
        nn.utils.vector_to_parameters(torch.as_tensor(at, dtype=torch.float64), moved)
    with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        value = loss(model(inputs), targets)
        gradients = torch.autograd.grad(value, moved, create_graph=True, allow_unused=True, materialize_grads=True)
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        rows = []
        for element in flat:
            row = (
                torch.autograd.grad(element, moved, retain_graph=True, allow_unused=True, materialize_grads=True)
                if element.requires_grad
                else [torch.zeros_like(parameter) for parameter in moved]
            )
            rows.append(torch.cat([part.reshape(-1) for part in row]))
    return torch.stack(rows).numpy()


def whole_gradient(model, loss, data):
    """The gradient of the whole-batch loss in float64 by one backward pass, NumPy."""
    model = copy.deepcopy(model).double()
    inputs, targets = (part.double() if part.is_floating_point() else part for part in data)
    loss(model(inputs), targets).backward()
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in moved]
    return torch.cat([gradient.reshape(-1) for gradient in grads]).numpy()


def judge(operator, dense):
    """The worst relative error |Hv - Dv| / (|D| |v|) of an operator over every form it can be asked in.

    Symmetry, linearity, the form and the dtype of what comes back are asserted on the way.
    """
    size, scale = len(dense), np.linalg.norm(dense, 2)
    rng = np.random.default_rng(size)
    vector, matrix = rng.standard_normal(size), rng.standard_normal((size, 3))
    single = vector.astype(np.float32)
    wide = torch.as_tensor(np.repeat(vector, 2))
    columns = np.linalg.norm(matrix, axis=0)
    frozen = vector.copy()
    frozen.flags.writeable = False
    eps = torch.finfo(operator.dtype).eps

    def off(product, expected, length):
        assert type(product) in (np.ndarray, torch.Tensor)
        wrong = np.asarray(product, dtype=np.float64) - expected
        return (np.linalg.norm(wrong, axis=0) / (scale * length)).max()

    length = np.linalg.norm(vector)
    one, many = dense @ vector, dense @ matrix
    forms = {
        "vector": (torch.as_tensor(vector), one, length),
        "matrix": (torch.as_tensor(matrix), many, columns),
        "one column": (torch.as_tensor(vector)[:, None], one[:, None], length),
        "every second element": (wide[::2], one, length),
        "a transposed matrix": (torch.as_tensor(matrix.T.copy()).T, many, columns),
        "a column of a matrix": (torch.as_tensor(matrix)[:, 1], many[:, 1], columns[1]),
        "another dtype": (torch.as_tensor(single), dense @ single.astype(np.float64), length),
        "NumPy vector": (vector, one, length),
        "NumPy matrix": (matrix, many, columns),
        "NumPy in Fortran order": (np.asfortranarray(matrix), many, columns),
        "NumPy backwards": (vector[::-1], dense @ vector[::-1], length),
        "NumPy read-only": (frozen, one, length),
        "NumPy of another dtype": (single, dense @ single.astype(np.float64), length),
        "needs a gradient": (torch.as_tensor(vector).requires_grad_(), one, length),
    }
    worst = 0.0
    for name, (operand, expected, norm) in forms.items():
        product = operator @ operand
        assert isinstance(product, type(operand)), f"{name} gave {type(product)}"
        assert product.shape == expected.shape, name
        assert str(product.dtype).endswith(str(operator.dtype).removeprefix("torch.")), name
        worst = max(worst, off(product, expected, norm))
    scipy_operator = operator.to_scipy()
    worst = max(worst, off(scipy_operator @ vector, one, length), off(scipy_operator @ matrix, many, columns))
    worst = max(worst, off(scipy_operator.rmatvec(vector), one, length))
    found = operator.to_dense()
    assert found.dtype == np.float64
    assert found.shape == dense.shape == operator.shape
    worst = max(worst, np.linalg.norm(found - dense, 2) / scale)
    worst = max(worst, np.linalg.norm(found - found.T, 2) / scale)
    a, b = 0.7, -1.3
    mixed = a * (operator @ matrix[:, 0]) + b * (operator @ matrix[:, 1])
    together = operator @ (a * matrix[:, 0] + b * matrix[:, 1])
    worst = max(worst, off(together, mixed.astype(np.float64), columns.max()))
    assert (operator @ matrix[:, :0]).shape == (size, 0)
    assert eps <= 1.2e-7
    return worst


def naive_loss(model, loss, data, theta):
    """The loss at θ by copying θ into a copy of the model, one pass over the whole data."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        nn.utils.vector_to_parameters(theta, [p for p in model.parameters() if p.requires_grad])
        return loss(model(data[0]), data[1]).item()


class CountingMLP(nn.Module):
    """Counts its forward passes in a list that copies share, so that they are seen from outside."""

    calls: list

    def __init__(self, dtype=torch.float64, seed=0):
        super().__init__()
        self.layers = build(lambda: mlp(nn.Tanh), dtype, seed)

    def forward(self, x):
        COUNTER.append(len(x))
        return self.layers(x)


COUNTER = []
"""One entry for every forward pass of a `CountingMLP`, whichever copy ran it."""
