"""The objective: means over uneven batches, every form of data, and the user's model as it was."""

import copy
import random
import threading
import time
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from cases import BATCHES, MODELS, SAMPLES, Keywords, build, mlp, problem, seeded, whole_gradient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset

from landscape_widgets.compute import directions
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective, loss_name
from landscape_widgets.compute.operators.hessian import HessianOperator
from landscape_widgets.compute.torch_state import math_attention, preserved_random_state
from landscape_widgets.errors import InputError, ModelError

WHOLE = "one whole-batch pass of the user's model"


def off(found, expected):
    return abs(found - expected) / max(1e-3, abs(expected))


def gradient_error(objective, expected):
    found = objective.gradient().double().numpy()
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradient_are_means_over_samples(name, right):
    model, loss, data = problem(name)
    objective = Objective(model, loss, data, batch_size=32)
    assert [batch.size for batch in objective.batches] == list(BATCHES)
    assert objective.samples == SAMPLES
    right.record("loss", WHOLE, off(objective.loss(), loss(model(data[0]), data[1]).item()), 1e-13)
    right.record("gradient", WHOLE, gradient_error(objective, whole_gradient(model, loss, data)), 1e-13)
    assert objective.size == sum(p.numel() for p in model.parameters() if p.requires_grad)
    moved = nn.utils.parameters_to_vector([p for p in model.parameters() if p.requires_grad])
    assert torch.equal(objective.center, moved)


def batches_of(data, size=32):
    return [(data[0][start : start + size], data[1][start : start + size]) for start in range(0, SAMPLES, size)]


def test_every_form_of_data_gives_the_same_loss(right):
    model, loss, data = problem("MLP tanh")
    exact = loss(model(data[0]), data[1]).item()
    gradient = whole_gradient(model, loss, data)
    order = torch.randperm(SAMPLES, generator=seeded())
    forms = {
        "tensors": data,
        "tensors, one batch": (data, {"batch_size": 1000}),
        "list of batches": batches_of(data),
        "tuple of three batches": tuple(batches_of(data, 40)),
        "DataLoader": DataLoader(TensorDataset(*data), batch_size=32),
        "shuffled DataLoader": DataLoader(TensorDataset(*data), batch_size=32, shuffle=True),
        "DataLoader with a generator": DataLoader(TensorDataset(*data), 32, shuffle=True, generator=seeded(4)),
        "DataLoader read again": (DataLoader(TensorDataset(*data), batch_size=32), {"data_memory": 1000}),
        "shuffled, read again": (DataLoader(TensorDataset(*data), 32, shuffle=True), {"data_memory": 1000}),
        "permuted": (data[0][order], data[1][order]),
    }
    for form in forms.values():
        given_data, options = form if isinstance(form, tuple) and isinstance(form[1], dict) else (form, {})
        objective = Objective(model, loss, given_data, **options)
        right.record("loss over every form of data", WHOLE, off(objective.loss(), exact), 1e-13)
        right.record("gradient over every form of data", WHOLE, gradient_error(objective, gradient), 1e-13)
        assert objective.loss() == objective.loss()


def test_positional_keyword_and_nested_inputs(right):
    model = build(Keywords)
    x, gate = torch.randn(2, SAMPLES, 5, generator=seeded(), dtype=torch.float64)
    targets = torch.randint(0, 3, (SAMPLES,), generator=seeded())
    loss = nn.CrossEntropyLoss()
    exact = loss(model(x, gate=gate), targets).item()
    pieces = [slice(start, start + 32) for start in range(0, SAMPLES, 32)]
    as_mapping = [{"x": x[piece], "gate": gate[piece], "labels": targets[piece]} for piece in pieces]

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x, gate, labels):
            return {"logits": self.inner(x, gate), "ignored": labels}

    for subject, criterion, data in [
        (model, loss, ((x, gate), targets)),
        (model, loss, ([x, gate], targets)),
        (model, loss, ({"x": x, "gate": gate}, targets)),
        (Whole(), lambda outputs, batch: loss(outputs["logits"], batch["labels"]), as_mapping),
        (model, lambda outputs, wanted: loss(outputs, wanted["y"]), ({"x": x, "gate": gate}, {"y": targets})),
    ]:
        objective = Objective(subject, criterion, data, **({} if isinstance(data, list) else {"batch_size": 32}))
        assert objective.batches.count == 4
        right.record("loss over tuple, keyword and nested inputs", WHOLE, off(objective.loss(), exact), 1e-13)


def test_weights_replace_the_number_of_samples(right):
    model, _, (inputs, targets) = problem("MLP tanh")
    mask = torch.rand(SAMPLES, generator=seeded(2), dtype=torch.float64) < 0.5

    def masked(outputs, wanted):  # a mean over the unmasked samples only, as of tokens that are no padding
        losses = nn.functional.cross_entropy(outputs, wanted["y"], reduction="none")
        return (losses * wanted["mask"]).sum() / wanted["mask"].sum()

    wanted = {"y": targets, "mask": mask}
    exact = masked(model(inputs), wanted).item()
    weighted = Objective(model, masked, (inputs, wanted), batch_size=32, weight=lambda i, t: float(t["mask"].sum()))
    plain = Objective(model, masked, (inputs, wanted), batch_size=32)
    right.record("loss with weights", WHOLE, off(weighted.loss(), exact), 1e-13)
    assert off(plain.loss(), exact) > 1e-6


def test_a_lambda_and_a_loss_with_class_weights_are_converted_with_the_model(right):
    model, _, (inputs, targets) = problem("MLP tanh", torch.float32)
    class_weights = torch.tensor([1.0, 2.0, 0.5])
    loss = nn.CrossEntropyLoss(weight=class_weights)
    # a mean weighted by class: the batches weigh what their classes do
    objective = Objective(
        model,
        loss,
        (inputs, targets),
        batch_size=32,
        dtype=torch.float64,
        weight=lambda i, t: float(class_weights[t].double().sum()),
    )
    exact = nn.CrossEntropyLoss(weight=class_weights.double())(copy.deepcopy(model).double()(inputs.double()), targets)
    right.record("loss converted to float64", WHOLE, off(objective.loss(), exact.item()), 1e-13)
    assert loss.weight.dtype == torch.float32
    assert objective.gradient().dtype == torch.float64
    squared = Objective(model, lambda outputs, t: outputs.square().mean(), (inputs, targets))
    assert squared.loss_name == "custom loss"
    assert loss_name(nn.CrossEntropyLoss()) == loss_name(nn.functional.cross_entropy) == "cross-entropy"


def test_frozen_tensors_keep_their_own_dtype_unless_asked():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)
            self.register_buffer("scale", torch.full((3,), 1 / 3, dtype=torch.float64))

        def forward(self, x):
            return self.layer(x).double() * self.scale

    _, loss, (inputs, targets) = problem("MLP tanh", torch.float32)
    model = Mixed()
    assert Objective(model, loss, (inputs, targets)).loss() == loss(model(inputs), targets).item()


def test_chosen_parameters_by_name_and_by_predicate():
    model, loss, data = problem("MLP tanh")
    by_name = Objective(model, loss, data, parameters=["2.weight", "2.bias"])
    by_rule = Objective(model, loss, data, parameters=lambda name, tensor: name.startswith("2"))
    assert by_name.size == by_rule.size == 21
    whole = Objective(model, loss, data)
    assert torch.equal(by_name.gradient(), by_rule.gradient())
    torch.testing.assert_close(by_name.gradient(), whole.gradient()[36:], rtol=1e-13, atol=1e-16)
    assert by_name.loss(by_name.center) == whole.loss()


def test_the_question_and_notes_say_what_was_asked():
    model, loss, data = problem("MLP tanh")
    loader = DataLoader(TensorDataset(*data), batch_size=32, shuffle=True)
    kept, again = Objective(model, loss, loader), Objective(model, loss, loader, data_memory=10)
    assert kept.question["notes"] == [
        "the loader's batches were read once and kept: shuffling and augmentation are frozen"
    ]
    assert again.question["notes"] == ["the loader is read again for every pass (over 0 MiB)"]
    assert kept.question["samples"] == again.question["samples"] == SAMPLES
    assert (kept.question["model"], kept.question["loss"]) == ("Sequential", "cross-entropy")


# ------------------------------------------------------------------ loaders


class Noisy(Dataset):
    """Samples with fresh noise from the generator asked for."""

    def __init__(self, source, data):
        self.source, self.data = source, data

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        draw = {
            "python": lambda: random.gauss(0, 1),
            "numpy": lambda: float(np.random.standard_normal()),
            "torch": lambda: torch.randn(()).item(),
        }[self.source]
        return self.data[0][index] + draw(), self.data[1][index]


@pytest.mark.parametrize("source", ["python", "numpy", "torch"])
@pytest.mark.parametrize("memory", [2**30, 1000])
def test_augmentation_is_frozen_and_leaves_no_trace(source, memory):
    model, loss, data = problem("MLP tanh")
    loader = DataLoader(Noisy(source, (torch.zeros_like(data[0]), data[1])), batch_size=32, shuffle=True)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    objective = Objective(model, loss, loader, data_memory=memory)
    first = objective.loss()
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    random.random(), np.random.random(), torch.rand(3)  # the user goes on drawing
    assert objective.loss() == first
    noise = torch.cat([batch.inputs[:, 0] for batch in objective.batches])
    assert len(noise.unique()) == SAMPLES, "every sample has noise of its own"


@pytest.mark.parametrize("kind", ["sampler", "batch sampler", "loader"])
def test_the_users_generators_stay_as_they_were(kind):
    model, loss, data = problem("MLP tanh")
    dataset, generator = TensorDataset(*data), seeded(9)
    sampler = RandomSampler(dataset, generator=generator)
    loader = {
        "sampler": lambda: DataLoader(dataset, 32, sampler=sampler),
        "batch sampler": lambda: DataLoader(dataset, batch_sampler=BatchSampler(sampler, 32, drop_last=False)),
        "loader": lambda: DataLoader(dataset, 32, shuffle=True, generator=generator),
    }[kind]()
    before = generator.get_state()
    objective = Objective(model, loss, loader, data_memory=1000)
    first = objective.loss()
    assert torch.equal(generator.get_state(), before)
    list(loader)  # the user trains an epoch, which advances the generator
    assert not torch.equal(generator.get_state(), before)
    assert objective.loss() == first


def test_a_loader_that_changes_between_readings_is_refused():
    model, loss, data = problem("MLP tanh")

    class Drifting:
        epoch = 0

        def __iter__(self):
            Drifting.epoch += 1
            return iter([(data[0] + Drifting.epoch, data[1])])

    with pytest.raises(InputError, match=r"expected a loader that gives the same first batch every time.*data_memory"):
        Objective(model, loss, Drifting(), data_memory=10)
    assert Objective(model, loss, Drifting()).loss() > 0


def test_two_threads_may_read_one_loader_again():
    model, loss, data = problem("MLP tanh")
    loader = DataLoader(TensorDataset(*data), 8, shuffle=True, generator=seeded(1))
    objective = Objective(model, loss, loader, data_memory=100)
    expected, found = objective.loss(), []
    before = torch.get_rng_state()
    threads = [threading.Thread(target=lambda: found.append(objective.loss())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
    assert torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------ modules with habits


class Counter(nn.Module):
    """Changes a buffer in every pass, and its output depends on it."""

    def __init__(self, in_place):
        super().__init__()
        self.layer, self.in_place = nn.Linear(5, 3), in_place
        self.register_buffer("passes", torch.zeros((), dtype=torch.float64))
        self.twin = nn.Identity()
        self.twin.register_buffer("shared", self.passes)

    def forward(self, x):
        out = self.layer(x) * (1 + self.passes + self.twin.shared)
        if self.in_place:
            self.passes += 0.1
        else:
            self.passes = self.passes + 0.1
        return out


@pytest.mark.parametrize("in_place", [True, False])
def test_buffers_are_as_before_at_every_evaluation(in_place):
    model = build(lambda: Counter(in_place), torch.float64)
    assert model.passes is model.twin.shared
    _, loss, data = problem("MLP tanh")
    once, twice = (loss(copied(data[0]), data[1]).item() for copied in [copy.deepcopy(model)] * 2)
    assert abs(once - twice) > 1e-3, "its output does depend on the pass"
    exact = loss(model.layer(data[0]), data[1]).item()
    objective = Objective(model, loss, data, batch_size=32)
    for _ in range(3):
        assert objective.loss() == pytest.approx(exact, rel=1e-13)
    H = HessianOperator(objective)
    vector = torch.ones(objective.size, dtype=torch.float64)
    plain = HessianOperator(Objective(model.layer, loss, data, batch_size=32))
    for _ in range(2):
        torch.testing.assert_close(H @ vector, plain @ vector, rtol=1e-12, atol=1e-15)
    assert model.passes.item() == 0.0


def test_batchnorm_in_train_mode_with_the_named_opt_out():
    model = build(lambda: nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))).train()
    _, loss, data = problem("MLP tanh")
    with pytest.raises(ModelError, match=r"BatchNorm in train mode in '1'.*check_determinism=False"):
        Objective(model, loss, data)
    statistics = copy.deepcopy(model.state_dict())
    objective = Objective(model, loss, data, check_determinism=False, batch_size=1000)
    expected = loss(copy.deepcopy(model)(data[0]), data[1]).item()
    assert objective.loss() == pytest.approx(expected, rel=1e-13)
    assert objective.loss() == objective.loss()
    assert all(torch.equal(value, statistics[key]) for key, value in model.state_dict().items())


def test_a_model_that_writes_into_its_inputs_gets_copies():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x):
            return self.layer(x.sub_(1.0).relu_())

    model = build(Writes)
    _, loss, (inputs, targets) = problem("MLP tanh")
    before = inputs.clone()
    objective = Objective(model, loss, (inputs, targets), batch_size=32)
    assert torch.equal(inputs, before)
    assert objective.loss() == pytest.approx(loss(model(before.clone()), targets).item(), rel=1e-13)
    assert objective.loss() == objective.loss()
    assert torch.equal(inputs, before)


def test_what_a_module_caches_in_an_evaluation_can_be_differentiated_later():
    class Rotary(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.table = nn.Linear(5, 3), None

        def forward(self, x):
            if self.table is None:
                self.table = torch.arange(1000, dtype=x.dtype).remainder(7)
            return self.layer(x * self.table[:5])

    model = build(Rotary)
    _, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    GridEvaluator(objective, [directions.random(objective, 0)], resolution=3).run()
    expected = whole_gradient(model, loss, data)
    assert gradient_error(objective, expected) < 1e-13
    with torch.inference_mode():
        objective.loss()
    assert gradient_error(objective, expected) < 1e-13


def test_a_model_that_keeps_its_last_features_is_copied():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.kept, self.all = nn.Linear(5, 3), None, []

        def forward(self, x):
            self.kept = self.layer(x)
            self.all.append(self.kept)
            return self.kept

    model = build(Keeps)
    _, loss, data = problem("MLP tanh")
    model(data[0])
    kept = model.kept
    objective = Objective(model, loss, data)
    assert objective.loss() == loss(model.layer(data[0]), data[1]).item()
    assert model.kept is kept
    assert len(model.all) == 1


def test_inference_tensors_of_the_user_are_no_obstacle():
    with torch.inference_mode():
        model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    plain = Objective(*problem("MLP tanh"))
    assert torch.equal(objective.gradient(), plain.gradient())


def test_a_loss_that_depends_on_nothing_says_so_only_when_differentiated():
    model, _, data = problem("MLP tanh")

    def error_rate(outputs, targets):
        return (outputs.argmax(1) != targets).double().mean()

    objective = Objective(model, error_rate, data, batch_size=32)
    assert 0 <= objective.loss() <= 1
    for differentiate in (objective.gradient, lambda: HessianOperator(objective) @ torch.ones(57)):
        with pytest.raises(
            ModelError, match="expected a loss that depends on the parameters, got one without a gradient"
        ):
            differentiate()


def test_a_penalty_on_the_users_own_weights_is_refused():
    model, loss, data = problem("MLP tanh")

    def penalised(outputs, targets):
        return loss(outputs, targets) + 1e-3 * sum(parameter.square().sum() for parameter in model.parameters())

    with pytest.raises(ModelError, match=r"got one that uses '0.weight' of the model itself.*let the model return"):
        Objective(model, penalised, data)


def test_reentrant_checkpointing_is_refused_and_the_other_kind_right():
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self, reentrant):
            super().__init__()
            self.inner, self.reentrant = mlp(nn.Tanh), reentrant

        def forward(self, x):
            return checkpoint(self.inner, x.clone().requires_grad_(), use_reentrant=self.reentrant)

    _, loss, data = problem("MLP tanh")
    with pytest.raises(
        ModelError, match=r"reentrant activation checkpointing, which hides its gradient.*use_reentrant"
    ):
        Objective(build(lambda: Checkpointed(True)), loss, data)
    model = build(lambda: Checkpointed(False))
    objective = Objective(model, loss, data, batch_size=32)
    assert gradient_error(objective, whole_gradient(model, loss, data)) < 1e-12
    plain = HessianOperator(Objective(model.inner, loss, data, batch_size=32))
    vector = torch.ones(objective.size, dtype=torch.float64)
    torch.testing.assert_close(HessianOperator(objective) @ vector, plain @ vector, rtol=1e-12, atol=1e-15)


# ------------------------------------------------------------------ the user's model is never touched


def hook(module, args, output=None):
    return None


def user_state(model):
    """Everything of the user's that must be as before, as comparable values."""
    return {
        "parameters": {name: (p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()},
        "identity": [id(p) for p in model.parameters()] + [id(b) for b in model.buffers()],
        "pointers": [p.data_ptr() for p in model.parameters()],
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "buffers": {name: buffer.clone() for name, buffer in model.named_buffers()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": {
            name: (list(m._forward_hooks.items()), list(m._forward_pre_hooks.items()), list(m._backward_hooks.items()))
            for name, m in model.named_modules()
        },
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].copy(),
        "torch": torch.get_rng_state(),
        "attention": (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
        ),
        "threads": torch.get_num_threads(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default dtype": torch.get_default_dtype(),
    }


def assert_same(one, other, path=""):
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other), path
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), path
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}[{index}]")
    else:
        assert one == other, path


class Fragile(nn.Module):
    """Raises what it is told to in the pass it is told; its copies share the fuse."""

    fuse, error = -1, KeyboardInterrupt

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        Fragile.fuse -= 1
        if Fragile.fuse == 0:
            raise Fragile.error("at a random moment")
        return self.inner(x)


NORMS = [nn.LayerNorm, nn.BatchNorm1d, partial(nn.GroupNorm, 2), nn.Identity]


@st.composite
def random_models(draw):
    """(model with hooks, gradients and mixed modes; data) of random architecture and dtype."""
    width = draw(st.sampled_from([2, 4, 6]))
    layers, size = [], 5
    for _ in range(draw(st.integers(1, 3))):
        activation = draw(st.sampled_from([nn.Tanh, nn.GELU, nn.ReLU, nn.SiLU, nn.Softplus]))
        layers += [nn.Linear(size, width), draw(st.sampled_from(NORMS))(width), activation()]
        size = width
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    seed = draw(st.integers(0, 99))
    if draw(st.booleans()):
        layers += [nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)]
        layers[-1].weight = layers[-3].weight
    model = build(lambda: Fragile(nn.Sequential(*layers, nn.Linear(width, 3))), dtype, seed)
    if draw(st.booleans()):
        model.inner[0].weight.requires_grad_(False)
    model.inner[-1].register_forward_hook(hook)
    inputs = torch.randn(20, 5, generator=seeded(seed), dtype=torch.float64).to(dtype)
    targets = torch.randint(0, 3, (20,), generator=seeded(seed))
    nn.functional.cross_entropy(model(inputs), targets).backward()
    return model, (inputs, targets)


def everything(model, data):
    """An objective, its loss, gradient, a product, eigenpairs, a slice of a surface closed half-way, a surface."""
    loss = nn.CrossEntropyLoss()
    objective = Objective(model, loss, data, batch_size=8)
    objective.loss(), objective.gradient()
    pairs = Lanczos(HessianOperator(objective), 1, 1, max_products=6).run()
    pair = [directions.random(objective, 0), directions.hessian(pairs, (0,))[0]]
    stream = GridEvaluator(objective, pair, resolution=7).stream()
    next(stream)
    stream.close()
    surface = GridEvaluator(objective, pair, extent=0.5, resolution=3).run()
    return objective, surface


@given(random_models())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_models_are_untouched_and_the_centre_is_the_loss(example):
    model, data = example
    Fragile.fuse = -1
    before = user_state(model)
    objective, surface = everything(model, data)
    assert_same(before, user_state(model))
    assert surface.loss[1, 1] == objective.loss()
    with torch.no_grad():
        exact = nn.functional.cross_entropy(model(data[0]), data[1]).item()
    assert objective.loss() == pytest.approx(exact, rel=1e-12 if objective.dtype == torch.float64 else 2e-6)


@given(example=random_models(), moment=st.integers(1, 200), error=st.sampled_from([KeyboardInterrupt, RuntimeError]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_interrupted_at_any_moment_the_model_is_untouched(example, moment, error):
    model, data = example
    before = user_state(model)
    Fragile.fuse, Fragile.error = moment, error
    try:
        everything(model, data)
    except (KeyboardInterrupt, RuntimeError, ModelError):
        pass
    finally:
        Fragile.fuse = -1
    assert_same(before, user_state(model))


@pytest.mark.parametrize("choice", [[SDPBackend.FLASH_ATTENTION], [SDPBackend.MATH, SDPBackend.EFFICIENT_ATTENTION]])
def test_the_attention_back_end_is_the_users_between_steps_and_after(choice):
    model, loss, data = problem("TransformerEncoder")
    H = HessianOperator(Objective(model, loss, data, batch_size=32))

    def flags():
        return user_state(model)["attention"]

    with sdpa_kernel(choice):
        mine = flags()
        for _ in H.product_steps(torch.ones(H.size, dtype=torch.float64)):
            assert flags() == mine
        with math_attention():
            assert flags() == (False, True, False)
        assert flags() == mine
        stream = Lanczos(H, 1, 0).stream()
        next(stream)
        stream.close()
        assert flags() == mine


def test_overlapping_threads_restore_attention_and_random_state():
    def flags():
        return torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()

    before, state = flags(), torch.get_rng_state()
    both = threading.Barrier(2, timeout=10)

    def first():
        with math_attention():
            both.wait()
            time.sleep(0.05)
        with preserved_random_state():
            torch.rand(10)
            time.sleep(0.02)

    def second():
        both.wait()
        with math_attention():
            time.sleep(0.1)
            assert flags() == (False, True)
        with preserved_random_state():
            torch.rand(3)

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flags() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_second_thread_running_the_users_model_sees_its_own_weights_only():
    model, loss, data = problem("BatchNorm in eval mode")
    with torch.no_grad():
        expected = model(data[0])
    seen, stop = [], threading.Event()

    def user():
        with torch.no_grad():
            while not stop.is_set():
                seen.append(torch.equal(model(data[0]), expected))

    thread = threading.Thread(target=user)
    thread.start()
    try:
        objective = Objective(model, loss, data, batch_size=32)
        pair = [directions.random(objective, seed) for seed in (0, 1)]
        GridEvaluator(objective, pair, extent=2.0, resolution=13).run()
        Lanczos(HessianOperator(objective), 2, 1).run()
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 10
    assert all(seen)


def test_many_threads_on_one_objective_see_their_own_points():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data, batch_size=16)
    direction = directions.random(objective, 0)
    points = {scale: objective.center + scale * torch.as_tensor(direction.vector) for scale in (-1.0, 0.0, 0.5, 2.0)}
    expected = {scale: (objective.loss(theta), objective.gradient(theta)) for scale, theta in points.items()}
    wrong = []

    def work(scale):
        for _ in range(15):
            if objective.loss(points[scale]) != expected[scale][0]:
                wrong.append(scale)
            if not torch.equal(objective.gradient(points[scale]), expected[scale][1]):
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in points]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_users_data_and_later_edits_do_not_mix():
    model, loss, data = problem("MLP tanh")
    objective = Objective(model, loss, data)
    first = objective.loss()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert objective.loss() == first


def test_no_warning_is_given_on_ordinary_use():
    model, loss, data = problem("TransformerEncoder", torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objective = Objective(model, loss, data, batch_size=32)
        HessianOperator(objective) @ np.ones(objective.size)
        GridEvaluator(objective, [directions.random(objective, 0)], resolution=3).run()
