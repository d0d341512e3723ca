"""The fast forward pass against the naive loop; what must not be folded; what the check catches."""

import copy
import dataclasses
import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from cases import MODELS, naive_loss, problem, seeded
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from landscape_widgets import zoo
from landscape_widgets.compute import directions, fast_choice, fast_forward, fast_points_choice
from landscape_widgets.compute.evaluate import PointEvaluator
from landscape_widgets.compute.fast_choice import candidates, choice_steps
from landscape_widgets.compute.fast_forward import FastForward, FastPlan, foldable_pairs
from landscape_widgets.compute.fast_pooling import plain_poolings, pooled_by_maxima
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.objective import Objective, finished
from landscape_widgets.compute.torch_state import evaluation

NAIVE = "naive loop: copy the parameters, one whole-batch pass"
POINTS = [(0.0, 0.0), (0.4, -0.7), (-1.0, 0.3)]


def settled(model, shape, dtype, seed=0):
    """A model in evaluation mode whose statistics, scales and shifts are not the initial ones."""
    generator = seeded(seed)
    model = model.train()
    with torch.no_grad():
        model(torch.randn(16, *shape, generator=generator))
        for part in model.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.affine:
                part.weight.add_(0.3 * torch.randn(part.weight.shape, generator=generator))
                part.bias.add_(0.3 * torch.randn(part.bias.shape, generator=generator))
    return model.to(dtype).eval()


def images(shape, count=71, dtype=torch.float64, seed=5, classes=10):
    generator = seeded(seed)
    return torch.randn(count, *shape, generator=generator).to(dtype), torch.randint(
        0, classes, (count,), generator=generator
    )


ZOO = {
    "LeNet": (lambda: zoo.lenet(8), (1, 8, 8), 2),
    "ResNet-20 A": (zoo.resnet20, (3, 8, 8), 19),
    "ResNet-20 B": (lambda: zoo.resnet20("B"), (3, 8, 8), 21),
    "VGG-9": (zoo.vgg9, (3, 32, 32), None),
}


def zoo_problem(name, dtype=torch.float64, count=71):
    make, shape, _ = ZOO[name]
    return (
        settled(make(), shape, dtype),
        nn.CrossEntropyLoss(),
        images(shape, {"VGG-9": 6, "ResNet-20 A": 35, "ResNet-20 B": 18}.get(name, count), dtype),
    )


def pairs_of(objective):
    with evaluation(), objective.replica() as replica:
        return foldable_pairs(replica, objective.batches.first)


def values(objective, pair, plan):
    evaluator = PointEvaluator(objective, pair, plan)
    return [finished(evaluator.steps(point)) for point in POINTS]


def places(objective, pair):
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    return [objective.center + a * vectors[0] + b * vectors[1] for a, b in POINTS]


def worst(found, expected):
    return max(abs(one - other) / max(1e-3, abs(other)) for one, other in zip(found, expected, strict=True))


@pytest.fixture
def eager(monkeypatch):
    """Choose a forward pass of one point, on small data too, and never for reasons of time."""
    ticks = itertools.count()
    monkeypatch.setattr(fast_choice, "clock", lambda device: next(ticks))
    monkeypatch.setattr(fast_choice._Chooser, "pays", lambda self, points: True)
    monkeypatch.setattr(fast_choice, "GAIN", float("inf"))
    monkeypatch.setattr(fast_points_choice, "TINY", 0.0)
    monkeypatch.setattr(fast_points_choice, "WORTH", 0.0)


def chosen(objective):
    return finished(choice_steps(objective, 2401))


@pytest.mark.parametrize("name", ZOO)
def test_every_plan_of_a_batchnorm_network_is_the_naive_loop(name, right):
    model, loss, data = zoo_problem(name)
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    pairs = pairs_of(objective)
    convolutions = sum(isinstance(part, nn.Conv2d) for part in model.modules())
    assert len(pairs) == (ZOO[name][2] or convolutions)
    expected = [naive_loss(model, loss, data, theta) for theta in places(objective, pair)]
    plans = candidates(pairs, True, True, True)
    for plan in plans[:1] if name == "VGG-9" else plans:
        plan = dataclasses.replace(plan, block=4 if plan.block else 0)
        found = [value["loss"] for value in values(objective, pair, plan)]
        right.record("losses of the fast forward pass", NAIVE, worst(found, expected), 1e-12, len(found))


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_in_blocks_is_the_naive_loop(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=50)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    expected = [naive_loss(model, loss, data, theta) for theta in places(objective, pair)]
    found = [value["loss"] for value in values(objective, pair, FastPlan(pairs_of(objective), True, 16, True))]
    right.record("losses of the fast forward pass", NAIVE, worst(found, expected), 1e-12, len(found))


@pytest.mark.parametrize("name", ["LeNet", "ResNet-20 A"])
def test_float32_is_no_further_from_float64_than_three_plain_loops(name, right):
    model, loss, data = zoo_problem(name, torch.float32)
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    double, exact_data = copy.deepcopy(model).double(), (data[0].double(), data[1])
    grid = [(a, b) for a in np.linspace(-1, 1, 3) for b in np.linspace(-1, 1, 3)]
    errors = []
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    for plan in (FastPlan(), FastPlan(pairs_of(objective), True, 16)):
        evaluator = PointEvaluator(objective, pair, plan)
        off = []
        for a, b in grid:
            base = objective.center + b * vectors[1] if b else objective.center
            exact = naive_loss(double, loss, exact_data, torch.add(base, vectors[0], alpha=a).double())
            off.append((finished(evaluator.steps((a, b)))["loss"] - exact) / exact)
        errors.append(np.sqrt(np.mean(np.square(off))))
    right.record("float32 error of the fast pass, in plain ones", "float64 naive loop", errors[1] / errors[0], 3.0, 9)


class Between(nn.Module):
    """A convolution and its normalisation with something in between, or beside."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.conv, self.norm = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.again = nn.Conv2d(3, 3, 1) if kind == "other" else None
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        y = self.conv(x)
        kinds = {
            "ReLU first": lambda: self.norm(y.relu()),
            "in place": lambda: self.norm(y.mul_(1.5)),
            "read twice": lambda: self.norm(y) + y,
            "read as a value": lambda: self.norm(y) + y.detach().mean(),
            "normed twice": lambda: self.norm(self.norm(y)),
            "convolved twice": lambda: self.norm(y) + self.conv(x.flip(3)),
            "functional": lambda: self.norm(y) + nn.functional.conv2d(x, self.conv.weight),
            "plain": lambda: self.norm(y),
        }
        return self.head(kinds[self.kind]().flatten(1))


@pytest.mark.parametrize(
    ("kind", "folds"),
    [
        ("plain", True),
        ("functional", True),
        ("ReLU first", False),
        ("in place", False),
        ("read twice", False),
        ("normed twice", False),
        ("convolved twice", False),
        ("read as a value", None),
    ],
)
def test_what_is_not_a_plain_pair_ends_exact(kind, folds, eager, right):
    model, data = settled(Between(kind), (1, 4, 4), torch.float64), images((1, 4, 4))
    objective = Objective(model, nn.CrossEntropyLoss(), data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    if folds is not None:
        assert bool(pairs_of(objective)) is folds
    plan = chosen(objective)
    assert bool(plan.pairs) is bool(folds), plan.words
    expected = [naive_loss(model, nn.CrossEntropyLoss(), data, theta) for theta in places(objective, pair)]
    found = [value["loss"] for value in values(objective, pair, plan)]
    right.record("losses of the chosen pass", NAIVE, worst(found, expected), 1e-12, len(found))


def conv_net(*extra, head=12):
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), *extra, nn.Flatten(), nn.Linear(head, 10))


def hooked():
    model = conv_net()
    model[0].register_forward_hook(lambda layer, inputs, output: 2 * output)
    return model


def weight_normed():
    model = conv_net()
    nn.utils.parametrizations.weight_norm(model[0])
    return model


def older_weight_normed():
    model = conv_net()
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(model[0])
    return model


def shared():
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(16, 10)
    )
    model[2].weight = model[0].weight
    return model


def partly_frozen():
    model = conv_net()
    model[0].weight.requires_grad_(False)
    model[1].bias.requires_grad_(False)
    return model


def padded():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular", bias=False),
        nn.BatchNorm2d(4, affine=False),
        nn.Conv2d(4, 4, 3, groups=2, dilation=1),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


OTHERS = {
    "hook": (hooked, 0),
    "weight norm": (weight_normed, 0),
    "older weight norm": (older_weight_normed, 0),
    "shared weight": (shared, 1),
    "partly frozen": (partly_frozen, 1),
    "circular padding, groups, no affine": (padded, 2),
    "dropout in evaluation": (lambda: conv_net(nn.Dropout(0.5)), 1),
    "GroupNorm": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(16, 10)), 0),
    "in-place ReLU": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(True), nn.Flatten(), nn.Linear(12, 10)),
        1,
    ),
    "no statistics": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.Linear(12, 10)
        ),
        0,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_plan_chosen_is_the_naive_loop_and_leaves_the_model(name, eager, right):
    make, count = OTHERS[name]
    model, data, loss = settled(make(), (1, 4, 4), torch.float64), images((1, 4, 4)), nn.CrossEntropyLoss()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    plan = chosen(objective)
    assert len(plan.pairs) == count
    # normalised by the batch, a sample depends on its block
    assert bool(plan.block) is (name != "no statistics"), plan.words
    expected = [naive_loss(model, loss, data, theta) for theta in places(objective, pair)]
    found = [value["loss"] for value in values(objective, pair, plan)]
    right.record("losses of the chosen pass", NAIVE, worst(found, expected), 1e-12, len(found))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all("forward" not in vars(part) for part in model.modules())


@pytest.mark.parametrize("rank", [1, 3])
def test_other_dimensions_fold_too(rank, eager):
    conv, norm = {1: (nn.Conv1d, nn.BatchNorm1d), 3: (nn.Conv3d, nn.BatchNorm3d)}[rank]
    shape = (2, *[3] * rank)
    model = settled(
        nn.Sequential(conv(2, 4, 3), norm(4), nn.Tanh(), nn.Flatten(), nn.Linear(4, 10)), shape, torch.float64
    )
    data, loss = images(shape), nn.CrossEntropyLoss()
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    plan = chosen(objective)
    assert plan.words == "BatchNorm folded, blocks of 64"
    expected = [naive_loss(model, loss, data, theta) for theta in places(objective, pair)]
    assert worst([value["loss"] for value in values(objective, pair, plan)], expected) <= 1e-12


def test_loader_batches_metrics_and_weights(eager, right):
    model, loss, (inputs, targets) = zoo_problem("LeNet", count=167)

    def accuracy(outputs, wanted):
        return (outputs.argmax(1) == wanted).double().mean()

    objective = Objective(
        model,
        loss,
        DataLoader(TensorDataset(inputs, targets), batch_size=70),
        metrics={"accuracy": accuracy, "spread": lambda outputs, wanted: outputs.view(-1).std()},
        weight=lambda inputs, targets: float(len(inputs)) ** 2,
    )
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    plan = chosen(objective)
    assert plan.words == "BatchNorm folded, channels last, blocks of 64, pooling by maxima"
    found = values(objective, pair, plan)
    for value, theta in zip(found, places(objective, pair), strict=True):
        moved = copy.deepcopy(model)
        nn.utils.vector_to_parameters(theta, moved.parameters())
        expected = dict.fromkeys(value, 0.0)
        shares = [count**2 / (2 * 70**2 + 27**2) for count in (70, 70, 27)]
        for share, x, y in zip(shares, inputs.split(70), targets.split(70), strict=True):
            with torch.no_grad():
                outputs = moved(x)
            expected["loss"] += share * loss(outputs, y).item()
            expected["accuracy"] += share * accuracy(outputs, y).item()
            expected["spread"] += share * outputs.std().item()
        error = max(abs(value[key] - expected[key]) / max(1e-3, abs(expected[key])) for key in value)
        right.record("weighted losses and metrics of the fast pass", NAIVE, error, 1e-12, 3)


class KeywordConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.table = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Embedding(7, 12)
        self.head = nn.Linear(12, 10)

    def forward(self, image=None, code=None):
        return self.head(self.norm(self.conv(image)).flatten(1) * self.table(code))


def test_keyword_and_integer_inputs(eager):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = KeywordConv().double().eval()
    image, target = images((1, 4, 4), 81)
    code = torch.randint(0, 7, (81,), generator=seeded(3))
    objective = Objective(model, nn.CrossEntropyLoss(), ({"image": image, "code": code}, target))
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    plan = chosen(objective)
    assert plan.words == "BatchNorm folded, channels last, blocks of 64"
    for value, theta in zip(values(objective, pair, plan), places(objective, pair), strict=True):
        moved = copy.deepcopy(model)
        nn.utils.vector_to_parameters(theta, moved.parameters())
        expected = nn.functional.cross_entropy(moved(image=image, code=code), target).item()
        assert abs(value["loss"] - expected) <= 1e-12 * abs(expected)


def wrong_fold(layer, norm):
    weight, bias = fold(layer, norm)
    return (weight * (1 + 1e-9) if norm is not None else weight), bias


fold = fast_forward.folded


def test_a_wrong_fold_is_caught_and_dropped(eager, monkeypatch):
    monkeypatch.setattr(fast_forward, "folded", wrong_fold)
    model, loss, data = zoo_problem("LeNet")
    plan = chosen(Objective(model, loss, data))
    assert not plan.pairs
    assert plan.words.startswith("channels last, blocks of 64, pooling by maxima (not BatchNorm folded")
    assert "outputs differ by" in plan.words
    small = Objective(model, loss, (data[0][:40], data[1][:40]))
    assert chosen(small).words.startswith(
        "channels last, pooling by maxima (not BatchNorm folded, channels last, pooling by maxima: outputs differ by"
    )


def test_a_wrong_fold_is_caught_in_float32_too(eager, monkeypatch):
    def off(layer, norm):
        weight, bias = fold(layer, norm)
        return weight * (1 + 1e-4), bias

    monkeypatch.setattr(fast_forward, "folded", off)
    model, loss, data = zoo_problem("LeNet", torch.float32)
    assert not chosen(Objective(model, loss, data)).pairs


class AcrossSamples(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = conv_net()

    def forward(self, x):
        outputs = self.net(x)
        return outputs - outputs.mean(0)


class Summary(AcrossSamples):
    def forward(self, x):
        return self.net(x).mean(0, keepdim=True)


class Views(nn.Module):
    """Needs the usual memory layout."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(12, 10)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).view(len(x), 12))


class CountsPasses(AcrossSamples):
    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return self.net(x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (AcrossSamples, "BatchNorm folded, channels last (not BatchNorm folded, channels last, blocks of 64: outputs"),
        (Views, "BatchNorm folded (not BatchNorm folded, channels last, blocks of 64: view size"),
        (CountsPasses, "plain: buffers change in a pass"),
    ],
)
def test_what_does_not_fit_is_dropped_in_order(make, words, eager):
    shape = (2 if make is Views else 1, 4, 4)
    model, data = settled(make(), shape, torch.float64), images(shape)
    plan = chosen(Objective(model, nn.CrossEntropyLoss(), data))
    assert plan.words.startswith(words)


def test_outputs_without_a_row_a_sample_are_not_cut(eager):
    model = settled(Summary(), (1, 4, 4), torch.float64)
    objective = Objective(model, lambda outputs, targets: outputs.square().mean(), images((1, 4, 4)), check_mean=False)
    plan = chosen(objective)
    assert not plan.block
    assert "outputs without one row a sample" in plan.words


def recomputed():
    model = settled(conv_net(), (1, 4, 4), torch.float64)
    return Objective(model, nn.CrossEntropyLoss(), images((1, 4, 4)), batch_norm="recomputed")


def writing():
    class Writes(AcrossSamples):
        def forward(self, x):
            return self.net(x.mul_(2.0))

    return Objective(settled(Writes(), (1, 4, 4), torch.float64), nn.CrossEntropyLoss(), images((1, 4, 4)))


def half():
    model, loss, data = zoo_problem("LeNet", torch.float32)
    return Objective(model, loss, data, dtype=torch.bfloat16)


def dense():
    model, loss, data = problem("MLP tanh")
    return Objective(model, loss, data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (recomputed, "plain: BatchNorm statistics recomputed at every point"),
        (writing, "plain: the model or the loss writes into its inputs"),
        (half, "plain: no check in bfloat16"),
        (dense, "plain: no convolution, and too large to share an overhead"),
    ],
)
def test_what_stays_plain_says_why(make, words, eager):
    assert chosen(make()).words == words


def test_batchnorm_in_training_mode_stays_plain(eager):
    # the probe of an objective warns of it or refuses it; the search for pairs does not rely on that
    model = settled(conv_net(), (1, 4, 4), torch.float64)
    objective = Objective(model, nn.CrossEntropyLoss(), images((1, 4, 4)))
    assert len(pairs_of(objective)) == 1
    with evaluation():
        replica = objective.own_replica()
        replica.module[1].train()
        assert foldable_pairs(replica, objective.batches.first) == ()
    handles = [part._forward_hooks for part in replica.module.modules()]
    assert not any(handles)


def test_a_surface_says_its_path_and_equals_the_plain_one(eager, right):
    model, loss, data = zoo_problem("LeNet")
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    surface = GridEvaluator(objective, pair, resolution=5).run()
    assert surface.question["path"] == "BatchNorm folded, channels last, blocks of 64, pooling by maxima"
    assert surface.evaluations == 25
    again = GridEvaluator(objective, pair, resolution=5).run()
    assert np.array_equal(surface.loss, again.loss)
    vectors = [torch.as_tensor(direction.vector) for direction in pair]
    exact = [
        [naive_loss(model, loss, data, objective.center + a * vectors[0] + b * vectors[1]) for a in surface.alpha]
        for b in surface.beta
    ]
    right.record("grid by the fast pass", NAIVE, np.abs(surface.loss / exact - 1).max(), 1e-12, 25)


def test_a_small_grid_is_plain_at_once():
    model, loss, data = zoo_problem("LeNet")
    objective = Objective(model, loss, data)
    pair = [directions.random(objective, seed) for seed in (0, 1)]
    pieces = choice_steps(objective, 49)
    with pytest.raises(StopIteration) as end:
        next(pieces)
    assert end.value.value.words == "plain: too little work for a choice to pay"
    surface = GridEvaluator(objective, pair, resolution=3).run()
    assert surface.question["path"] == end.value.value.words
    assert surface.loss[1, 1] == objective.loss()


def test_a_slower_path_is_not_taken_and_choices_are_kept(eager, monkeypatch):
    monkeypatch.setattr(fast_choice, "GAIN", 0.0)
    model, loss, data = zoo_problem("LeNet")
    objective = Objective(model, loss, data)
    first = chosen(objective)
    assert first.words == "plain: no slower than BatchNorm folded, channels last, blocks of 64, pooling by maxima"
    monkeypatch.setattr(fast_choice, "GAIN", float("inf"))
    assert chosen(objective) is first
    gone = weakref.ref(objective)
    del objective
    gc.collect()
    assert gone() is None, "a choice keeps no objective alive"


def test_a_fast_replica_moves_with_every_parameter():
    model, loss, data = zoo_problem("LeNet")
    objective = Objective(model, loss, data)
    with evaluation(), objective.replica() as replica:
        fast = FastForward(replica, FastPlan(pairs_of(objective), True, 16))
        for name in ("features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias"):
            block = next(block for block in objective.layout.blocks if block.name == name)
            theta = objective.center.clone()
            theta[block.start : block.stop] += 0.3
            fast.move_to(theta)
            assert abs(objective.forward(fast, objective.batches.first)[0].item() - objective.loss(theta)) < 1e-12
            assert abs(objective.loss(theta) - objective.loss()) > 1e-6


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_by_maxima_is_torchs_pooling_to_the_last_bit(size, layout):
    images = torch.randn(3, 5, 11, 10, generator=seeded()).contiguous(memory_format=layout)
    images[0, 0, 1, 1], images[1, 2, 5, 5], images[2, 3, 0, 0] = torch.nan, torch.inf, -torch.inf
    expected = nn.functional.max_pool2d(images, size)
    assert expected.isnan().sum() == 1
    assert torch.equal(pooled_by_maxima(images, size).nan_to_num(7.0), expected.nan_to_num(7.0))


@pytest.mark.parametrize(
    ("layer", "plain"),
    [
        (nn.MaxPool2d(2), True),
        (nn.MaxPool2d((3, 3), 3), True),
        (nn.MaxPool2d(3, 2), False),
        (nn.MaxPool2d((2, 1)), False),
        (nn.MaxPool2d(2, padding=1), False),
        (nn.MaxPool2d(2, ceil_mode=True), False),
        (nn.MaxPool2d(2, dilation=2), False),
        (nn.MaxPool2d(2, return_indices=True), False),
        (nn.AvgPool2d(2), False),
    ],
)
def test_only_windows_that_do_not_overlap_are_pooled_by_maxima(layer, plain):
    assert bool(list(plain_poolings(nn.Sequential(layer)))) is plain


def test_a_wrong_pooling_is_caught(eager, monkeypatch):
    monkeypatch.setattr(fast_forward, "pooled_by_maxima", lambda x, size: pooled_by_maxima(x, size) * (1 + 1e-9))
    model, loss, data = zoo_problem("LeNet")
    plan = chosen(Objective(model, loss, data))
    assert not plan.pooling
    assert plan.pairs
    assert "outputs differ by" in plan.words
