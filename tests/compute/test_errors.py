"""Every refusal says what was expected, what came, and what to do; every outcome has advice and is reached."""

import pickle
import re
import threading

import numpy as np
import pytest
import torch
from cases import mlp, problem, seeded
from torch import nn

from landscape_widgets.compute import directions
from landscape_widgets.compute.grid import GridEvaluator
from landscape_widgets.compute.lanczos import Lanczos
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.operators.dense import DenseOperator
from landscape_widgets.compute.training import TrainingStream
from landscape_widgets.errors import InputError, LandscapeError, ModelError, Outcome, ProtocolError

INPUTS = torch.randn(12, 5, generator=seeded())
TARGETS = torch.randint(0, 3, (12,), generator=seeded())
DATA = (INPUTS, TARGETS)
LOSS = nn.CrossEntropyLoss()


def model():
    return mlp(nn.Tanh)


class Holds(nn.Module):
    """A network with one more attribute, parameter or habit."""

    def __init__(self, **extra):
        super().__init__()
        self.layer = nn.Linear(5, 3)
        for name, value in extra.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.layer(x)


class Random(Holds):
    def forward(self, x):
        return self.layer(x) * (1 + torch.rand(()))


class FunctionalDropout(Holds):
    def forward(self, x):
        return nn.functional.dropout(self.layer(x), 0.5, training=True)


def complex_model():
    return Holds(phase=nn.Parameter(torch.ones(3, dtype=torch.complex64)))


def nested_lock():
    return nn.Sequential(nn.Linear(5, 3), Holds(guard=threading.Lock()))


def half_on_meta():
    built = model()
    built[2].to("meta")
    return built


def in_dropout():
    return nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.25))


def frozen():
    return model().requires_grad_(False)


def mixed_dtypes():
    built = model()
    built[2].double()
    return built


def sum_loss(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, reduction="sum")


def contrastive(outputs, targets):
    return outputs.square().sum() / len(outputs) ** 1.5


NAN = (torch.full((12, 5), torch.nan), TARGETS)

REFUSED = {
    # what is asked: (error, expected, got, what to do)
    "a number for a model": (
        lambda: Objective(3, LOSS, DATA), InputError, "model as a torch.nn.Module", "int", "pass the",
    ),
    "a text for a loss": (
        lambda: Objective(model(), "mse", DATA), InputError, "loss as a callable", "str", "CrossEntropyLoss",
    ),
    "a function that is no metric": (
        lambda: Objective(model(), LOSS, DATA, metrics={"accuracy": 3}), InputError, "callable", "accuracy", "pass the",
    ),
    "a metric named loss": (
        lambda: Objective(model(), LOSS, DATA, metrics={"loss": LOSS}), InputError, 'none named "loss"', "loss",
        "rename",
    ),
    "an iterator": (lambda: Objective(model(), LOSS, iter([DATA])), InputError, "data as", "iterator", "list"),
    "a tensor for data": (lambda: Objective(model(), LOSS, INPUTS), InputError, "data as", "Tensor", "wrap it"),
    "a list of tensors": (
        lambda: Objective(model(), LOSS, [INPUTS, TARGETS]), InputError, "each batch as", "Tensor", "pass",
    ),
    "batches of three": (
        lambda: Objective(model(), LOSS, [(INPUTS, INPUTS, TARGETS)]), InputError, "each batch", "tuple of 3",
        "input_1",
    ),
    "NumPy data": (
        lambda: Objective(model(), LOSS, (INPUTS.numpy(), TARGETS.numpy())), InputError, "tensors", "none", "as_tensor",
    ),
    "no batches": (lambda: Objective(model(), LOSS, []), InputError, "at least one batch", "empty data", "check"),
    "no samples": (
        lambda: Objective(model(), LOSS, (INPUTS[:0], TARGETS[:0])), InputError, "one sample", "empty tensors", "slice",
    ),
    "a batch without samples": (
        lambda: Objective(model(), LOSS, [(INPUTS[:0], TARGETS[:0])]), InputError, "with samples", "0 samples", "check",
    ),
    "unequal lengths": (
        lambda: Objective(model(), LOSS, (INPUTS, TARGETS[:5])), InputError, "one number of samples",
        r"\[5, 12\]", "first",
    ),
    "batch size zero": (
        lambda: Objective(model(), LOSS, DATA, batch_size=0), InputError, "batch_size of at least 1", "0",
        "leave it out",
    ),
    "weights of zero": (
        lambda: Objective(model(), LOSS, DATA, weight=lambda i, t: 0.0), InputError, "samples", "weight 0.0",
        "positive",
    ),
    "inputs of another width": (
        lambda: Objective(model(), LOSS, (INPUTS[:, :4], TARGETS)), ModelError, "take a batch",
        r"RuntimeError: mat1 and mat2.*\(12, 4\) of float32, \(12,\) of int64", "check shapes and dtypes",
    ),
    "inputs of another dtype": (
        lambda: Objective(model(), LOSS, (INPUTS.double(), TARGETS)), ModelError, "take a batch",
        r"RuntimeError: .*\(12, 5\) of float64", "dtype= converts both",
    ),
    "inputs on another device": (
        lambda: Objective(model(), LOSS, (INPUTS.to("meta"), TARGETS)), InputError, "on the model's device cpu", "meta",
        "device='cpu'",
    ),
    "parameters on two devices": (
        lambda: Objective(half_on_meta(), LOSS, DATA), ModelError, "on one device", r"\['cpu', 'meta'\]", "model.to",
    ),
    "no parameters": (
        lambda: Objective(nn.ReLU(), LOSS, DATA), ModelError, "with parameters", "ReLU with none", "one nn.P",
    ),
    "all frozen": (lambda: Objective(frozen(), LOSS, DATA), ModelError, "to move", "none of 4", "requires_grad"),
    "an unknown name": (
        lambda: Objective(model(), LOSS, DATA, parameters=["nose"]), InputError, "parameter names", "nose", "0.weight",
    ),
    "a text of one name": (
        lambda: Objective(model(), LOSS, DATA, parameters="0.weight"), InputError, "parameter names", "0.weight",
        "choose",
    ),
    "a complex parameter": (
        lambda: Objective(complex_model(), LOSS, DATA), ModelError, "real floating-point",
        "'phase' of dtype torch.complex64",
        "view_as_real",
    ),
    "an integer parameter": (
        lambda: Objective(
            Holds(table=nn.Parameter(torch.arange(3), requires_grad=False)), LOSS, DATA, parameters=lambda n, t: True
        ),
        ModelError, "real floating-point", "'table' of dtype torch.int64", "leave it out",
    ),
    "a lazy layer": (
        lambda: Objective(nn.Sequential(nn.LazyLinear(3)), LOSS, DATA), ModelError, "initialised", "'0.weight'",
        "run the",
    ),
    "two dtypes": (
        lambda: Objective(mixed_dtypes(), LOSS, DATA), ModelError, "one dtype", r"float32.*float64",
        "dtype=torch.float32",
    ),
    "a lock": (
        lambda: Objective(Holds(guard=threading.Lock()), LOSS, DATA), ModelError, "deepcopy accepts",
        r"attribute '\.?guard' of type lock", "__deepcopy__",
    ),
    "a lock inside": (
        lambda: Objective(nested_lock(), LOSS, DATA), ModelError, "deepcopy accepts",
        r"attribute '1\.guard' of type lock",
        "remove or detach",
    ),
    "dropout left on": (
        lambda: Objective(in_dropout(), LOSS, DATA), ModelError, "deterministic", r"dropout left on in '1' \(p=0.25\)",
        r"model\.eval\(\).*check_determinism=False",
    ),
    "a transformer in train mode": (
        lambda: Objective(
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.MSELoss(), (torch.ones(2, 3, 4),
            torch.ones(2, 3, 4))
        ),
        ModelError, "deterministic", "dropout left on in 'self_attn'", r"model\.eval\(\)",
    ),
    "BatchNorm in train mode": (
        lambda: Objective(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), LOSS, DATA), ModelError,
        "frozen BatchNorm",
        "BatchNorm in train mode in '1'", r"model\.eval\(\)",
    ),
    "randomness inside": (
        lambda: Objective(Random(), LOSS, DATA), ModelError, "same loss and gradient twice", "losses", "fixed seed",
    ),
    "functional dropout": (
        lambda: Objective(FunctionalDropout(), LOSS, DATA), ModelError, "same loss and gradient twice", "losses",
        "eval",
    ),
    "a NaN": (
        lambda: Objective(model(), LOSS, NAN), ModelError, "finite loss", "nan on the first 12 samples", "inputs",
    ),
    "an infinity": (
        lambda: Objective(model(), lambda o, t: o.mean() / 0, DATA), ModelError, "finite loss", "inf", "float64",
    ),
    "a loss a sample": (
        lambda: Objective(model(), nn.CrossEntropyLoss(reduction="none"), DATA), ModelError,
        "one real floating-point number",
        r"shape \(12,\)", 'reduction="mean"',
    ),
    "a complex loss": (
        lambda: Objective(model(), lambda o, t: o.mean().to(torch.complex64), DATA), ModelError, "one real",
        "complex64",
        "losses.mean",
    ),
    "a number for the loss": (
        lambda: Objective(model(), lambda o, t: o.mean().item(), DATA), ModelError, "one real floating-point number",
        "float", "return the mean",
    ),
    "a sum for a mean": (
        lambda: Objective(model(), sum_loss, DATA), ModelError, "mean over samples", "a sum: every sample twice gave",
        'reduction="mean".*check_mean=False',
    ),
    "neither sum nor mean": (
        lambda: Objective(model(), contrastive, DATA), ModelError, "mean over samples", "a loss that changes from",
        "check_mean=False",
    ),
    "theta of another length": (
        lambda: Objective(model(), LOSS, DATA).loss(torch.ones(3)), InputError, r"theta of shape \(57,\)",
        r"shape \(3,\)",
        "layout",
    ),
    "theta of integers": (
        lambda: Objective(model(), LOSS, DATA).gradient(torch.ones(57, dtype=torch.int64)), InputError, "real floating",
        "int64", "flatten",
    ),
    "theta of texts": (
        lambda: Objective(model(), LOSS, DATA).loss("zero"), InputError, "theta as a tensor or array", "str", "convert",
    ),
    "a state of another architecture": (
        lambda: TrainingStream(mlp(nn.Tanh, (5, 4, 3)), LOSS, DATA).stream(
            resume=TrainingStream(model(), LOSS, DATA).checkpoint()
        ),
        InputError, "a checkpoint of this model", "other parameters: 0.bias", "resume with the model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_what_was_expected_what_came_and_what_to_do(name):
    ask, kind, expected, got, advice = REFUSED[name]
    with pytest.raises(kind) as caught:
        ask()
    error = caught.value
    assert type(error) is kind
    assert re.search(r"^expected .*" + expected, error.message, re.DOTALL), error.message
    assert re.search(r"(got|but) .*" + got, error.message, re.DOTALL), error.message
    assert re.search(advice, error.advice), error.advice
    assert str(error) == f"{error.message}. To fix it: {error.advice}"
    assert isinstance(error, ValueError)


def test_the_named_opt_outs_work():
    assert Objective(model(), sum_loss, DATA, check_mean=False).loss() > 0
    assert Objective(in_dropout(), LOSS, DATA, check_determinism=False, check_mean=False).loss() > 0
    plain = nn.LSTM(5, 3, dropout=0.0, batch_first=True)

    class Last(Holds):
        def forward(self, x):
            return self.layer(self.inner(x[:, None])[0][:, -1])

    last = Last(inner=plain)
    last.layer = nn.Linear(3, 3)
    assert Objective(last, LOSS, DATA).loss() > 0
    assert Objective(mixed_dtypes(), LOSS, DATA, dtype=torch.float64).dtype == torch.float64


def test_a_random_loss_with_the_opt_out_leaves_the_users_random_state():
    objective = Objective(Random(), LOSS, DATA, check_determinism=False, check_mean=False)
    before = torch.get_rng_state()
    objective.loss(), objective.gradient()
    assert torch.equal(before, torch.get_rng_state())


def test_errors_travel_between_processes():
    for kind in (LandscapeError, InputError, ModelError, ProtocolError):
        error = pickle.loads(pickle.dumps(kind("expected a, got b.", "pass a")))
        assert type(error) is kind
        assert (error.message, error.advice) == ("expected a, got b", "pass a")
    assert str(LandscapeError("plain")) == "plain"


def test_every_outcome_has_advice_but_the_good_ones():
    for outcome in Outcome:
        assert bool(outcome.advice) != outcome.succeeded
        assert outcome.advice == "" or outcome.advice.endswith(".")
    assert {outcome for outcome in Outcome if outcome.succeeded} == {Outcome.COMPLETE, Outcome.CONVERGED}


def test_every_outcome_is_reached():
    reached = set()
    H = DenseOperator(np.diag(np.linspace(-1, 1, 80)))
    reached.add(Lanczos(H, 1, 1).run().outcome)
    reached.add(Lanczos(H, 1, 1, max_products=3).run().outcome)
    reached.add(Lanczos(DenseOperator(np.diag([np.nan, 1.0])), 1, 0).run().outcome)
    skew = DenseOperator(np.eye(30))
    skew._matrix = torch.randn(30, 30, generator=seeded(), dtype=torch.float64)
    reached.add(Lanczos(skew, 1, 1).run().outcome)
    objective = Objective(*problem("MLP tanh"))
    stream = GridEvaluator(objective, [directions.random(objective, 0)], resolution=7).stream()
    reached.add(next(stream).outcome)
    stream.close()
    reached.add(stream.latest.outcome)
    reached.add(GridEvaluator(objective, [directions.random(objective, 0)], resolution=3).run().outcome)
    assert reached == set(Outcome)
