"""Training as a seeded stream: reproducible, resumable bit for bit, and honest when it diverges."""

import dataclasses
import random
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from landscape_widgets.compute.training import TrainingState, TrainingStep, TrainingStream
from landscape_widgets.errors import InputError, ModelError, Outcome

OPTIMIZERS = {
    "momentum": None,
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-2, betas=(0.8, 0.99), amsgrad=True),
    "lbfgs": lambda parameters: torch.optim.LBFGS(parameters, lr=0.1, max_iter=3),
}


def noisy_model(seed=0):
    """A model with dropout, BatchNorm and a frozen parameter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
    model[0].bias.requires_grad_(False)
    return model


def data(samples=50, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, 4, generator=generator), torch.randint(0, 3, (samples,), generator=generator)


def training(**options):
    arguments = {"batch_size": 16, "epochs": 10, "lr": 0.05, "seed": 3} | options
    return TrainingStream(noisy_model(), nn.CrossEntropyLoss(), data(), **arguments)


def tensors(model):
    return [tensor.clone() for tensor in model.state_dict().values()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def take(stream, count):
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("through_file", [False, True])
def test_resumes_bit_for_bit_in_a_new_object(optimizer, through_file, tmp_path):
    straight = training(optimizer=OPTIMIZERS[optimizer], record_every="epoch")
    whole = take(straight.stream(), 30)
    first = training(optimizer=OPTIMIZERS[optimizer], record_every="epoch")
    stream = first.stream()
    take(stream, 13)
    state = stream.checkpoint()
    take(stream, 4)  # later steps do not change the state
    if through_file:
        state = TrainingState.load(state.save(tmp_path / "run"))
    second = training(optimizer=OPTIMIZERS[optimizer], record_every="epoch")
    torch.rand(5)
    rest = take(second.stream(resume=state), 17)
    assert [step.loss for step in whole[13:]] == [step.loss for step in rest]
    assert [step.step for step in rest] == list(range(14, 31))
    assert same(tensors(straight.model), tensors(second.model))
    assert np.array_equal(straight.losses, second.losses)
    assert straight.trajectory_steps == second.trajectory_steps == [0, 4, 8, 12, 16, 20, 24, 28]
    assert same(straight.trajectory_checkpoints, second.trajectory_checkpoints)


def test_the_same_seed_repeats_and_another_differs():
    one, again, other = training(), training(), training(seed=4)
    last = one.run()
    assert (last.done, last.total, last.epoch, last.outcome) == (40, 40, 10, Outcome.COMPLETE)
    assert again.run().loss == last.loss
    assert same(tensors(one.model), tensors(again.model))
    assert other.run().loss != last.loss
    assert one.run().loss == last.loss  # a second run starts from the initial parameters again


def test_leaves_model_random_state_and_mode_alone():
    model = noisy_model()
    before = tensors(model)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    run = TrainingStream(model, nn.CrossEntropyLoss(), data(), epochs=2, batch_size=16)
    with torch.no_grad():
        for _ in run.stream():
            assert torch.equal(torch.get_rng_state(), states[0])
            assert not torch.is_grad_enabled()
            assert not any(module.training for module in run.model.modules())
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])
    assert same(before, tensors(model))
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not same(before, tensors(run.model))


def test_trains_in_place_only_when_asked():
    model = noisy_model()
    model[3].eval()
    run = TrainingStream(model, nn.CrossEntropyLoss(), data(), epochs=1, in_place=True)
    frozen, moving = model[0].bias.clone(), model[0].weight.clone()
    run.run()
    assert run.model is model
    assert torch.equal(frozen, model[0].bias)
    assert not torch.equal(moving, model[0].weight)
    assert [module.training for module in model.modules()] == [True, True, True, True, False, True]


def test_plain_gradient_descent_matches_by_hand():
    inputs, targets = torch.randn(8, 1, generator=torch.Generator().manual_seed(0)).double(), torch.ones(8, 1).double()
    model = nn.Linear(1, 1, bias=False).double()
    weight = model.weight.item()
    run = TrainingStream(model, nn.MSELoss(), (inputs, targets), epochs=3, batch_size=8, lr=0.1, momentum=0.0)
    for step in run.stream():
        assert step.loss == pytest.approx(((weight * inputs - targets) ** 2).mean().item(), rel=1e-12)
        weight -= 0.1 * (2 * inputs * (weight * inputs - targets)).mean().item()
        assert run.model.weight.item() == pytest.approx(weight, rel=1e-12)


def test_every_epoch_sees_every_sample_once_in_a_new_order():
    seen = []

    def loss(outputs, targets):
        seen.append(targets.tolist())
        return outputs.mean()

    model = nn.Linear(1, 1)
    run = TrainingStream(model, loss, (torch.zeros(10, 1), torch.arange(10)), batch_size=4, epochs=2)
    run.run()
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4, 2]
    one, two = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(one) == sorted(two) == list(range(10))
    assert one != two
    assert TrainingStream(model, loss, (torch.zeros(10, 1), torch.arange(10)), batch_size=4, drop_last=True).total == 20


def test_a_diverging_run_stops_with_finite_parameters():
    run = training(lr=1e30, momentum=0.0, epochs=50)
    steps = list(run.stream())
    assert steps[-1].outcome is Outcome.NOT_FINITE
    assert steps[-1].done < steps[-1].total
    assert all(torch.isfinite(tensor).all() for tensor in tensors(run.model))
    assert steps[-1].outcome.advice
    state = run.checkpoint()
    with pytest.raises(InputError, match=r"non-finite loss at step \d+.*lower learning rate"):
        run.stream(resume=state)


def test_nan_data_are_reported_in_the_first_step_and_nothing_is_lost():
    inputs, targets = data()
    model = noisy_model()
    run = TrainingStream(model, nn.CrossEntropyLoss(), (inputs * float("nan"), targets))
    (step,) = run.stream()
    assert step.outcome is Outcome.NOT_FINITE
    assert np.isnan(step.loss)
    assert same(tensors(model), tensors(run.model))


def test_the_parameters_kept_are_those_of_the_last_finite_loss():
    run = training(momentum=0.0, epochs=1)
    before = []

    def loss(outputs, targets):
        value = nn.functional.cross_entropy(outputs, targets)
        before.append(run.model[0].weight.detach().clone())
        return value * float("inf") if len(before) == 3 else value

    run._loss = loss
    steps = list(run.stream())
    assert [step.outcome for step in steps] == [Outcome.RUNNING, Outcome.RUNNING, Outcome.NOT_FINITE]
    assert torch.equal(run.model[0].weight, before[1])


def test_an_interrupted_step_leaves_the_step_before():
    run = training()
    stream = run.stream()
    take(stream, 2)
    kept = tensors(run.model)
    loss, run._loss = run._loss, lambda outputs, targets: exec("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert same(kept, tensors(run.model))
    assert not any(module.training for module in run.model.modules())
    run._loss = loss
    assert next(run.stream(resume=stream.checkpoint())).step == 3


def test_a_child_goes_on_with_other_noise():
    parent = training(epochs=4)
    stream = parent.stream()
    take(stream, 8)
    state = stream.checkpoint()
    ends = []
    for seed in (11, 12, 11):
        child = training(epochs=4, seed=seed)
        list(child.stream(resume=dataclasses.replace(state, seed=seed)))
        ends.append(tensors(child.model))
    assert same(ends[0], ends[2])
    assert not same(ends[0], ends[1])


def test_more_epochs_than_the_checkpoint_and_a_finished_one():
    short = training(epochs=2)
    last = short.run()
    longer = training(epochs=3)
    rest = list(longer.stream(resume=short.checkpoint()))
    assert [step.step for step in rest] == [9, 10, 11, 12]
    (again,) = training(epochs=2).stream(resume=short.checkpoint())
    assert (again.loss, again.outcome) == (last.loss, Outcome.COMPLETE)
    with pytest.raises(InputError, match="at most 4 steps, got one after 8"):
        training(epochs=1).stream(resume=short.checkpoint())


def test_a_new_stream_ends_the_earlier_one():
    run = training()
    first = run.stream()
    take(first, 3)
    assert next(run.stream()).step == 1
    assert list(first) == []


def test_keeps_parameters_by_count_and_by_choice():
    run = training(record_every=5, keep=lambda step: step.step in (2, 10), epochs=3)
    run.run()
    assert run.trajectory_steps == [0, 2, 5, 10]
    vectors = run.trajectory_checkpoints
    assert all(vector.shape == (run.layout.size,) for vector in vectors)
    initial = [parameter for parameter in noisy_model().parameters() if parameter.requires_grad]
    assert torch.equal(vectors[0], torch.cat([parameter.detach().reshape(-1) for parameter in initial]))


def test_reads_batches_loaders_and_nested_inputs():
    inputs, targets = data()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=7)
    batches = [(inputs[:20], targets[:20]), (inputs[20:], targets[20:])]
    ends = []
    for given in ((inputs, targets), loader, batches):
        run = TrainingStream(noisy_model(), nn.CrossEntropyLoss(), given, epochs=1, batch_size=16)
        run.run()
        ends.append(tensors(run.model))
    assert same(ends[0], ends[1])
    assert same(ends[0], ends[2])
    bilinear = nn.Bilinear(4, 4, 3)
    assert TrainingStream(bilinear, nn.CrossEntropyLoss(), ((inputs, inputs), targets), epochs=1).run().total == 1


def test_works_inside_inference_mode():
    with torch.inference_mode():
        run = training(epochs=1)
        assert run.run().outcome is Outcome.COMPLETE


def test_a_small_step_runs_on_one_thread_and_puts_the_number_back():
    seen, before = [], torch.get_num_threads()

    def loss(outputs, targets):
        seen.append(torch.get_num_threads())
        return nn.functional.cross_entropy(outputs, targets)

    try:
        torch.set_num_threads(2)
        for threads, batch_size in ((None, 16), (3, 16), (None, 2**24)):
            TrainingStream(noisy_model(), loss, data(), epochs=1, batch_size=batch_size, threads=threads).run()
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1] * 4 + [3] * 4 + [2]


def test_a_step_is_saved_and_read_back(tmp_path):
    step = training(epochs=1).run()
    again = TrainingStep.load(step.save(tmp_path / "step"))
    assert (again.loss, again.outcome, again.question["optimizer"]) == (step.loss, Outcome.COMPLETE, "SGD")


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    run = training(epochs=1)
    run.run()
    path = run.save_checkpoint(tmp_path / "run")
    assert path.suffix == ".safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"expected a file written by TrainingStream.save_checkpoint"):
        TrainingState.load(path)
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(InputError, match=r"text\.safetensors"):
        TrainingState.load(tmp_path / "text.safetensors")
    with pytest.raises(FileNotFoundError):
        TrainingState.load(tmp_path / "none.safetensors")


def test_a_checkpoint_of_another_run_is_refused():
    state = training().checkpoint()
    with pytest.raises(InputError, match="expected a checkpoint with seed=4, got seed=3"):
        training(seed=4).stream(resume=state)
    with pytest.raises(InputError, match="batch_size=8, got batch_size=16"):
        training(batch_size=8).stream(resume=state)
    other = TrainingStream(nn.Linear(4, 3), nn.CrossEntropyLoss(), data(), batch_size=16, seed=3)
    with pytest.raises(InputError, match=r"other parameters: 0\.bias.*the model that the checkpoint was made with"):
        other.stream(resume=state)
    with pytest.raises(InputError, match="expected resume as a TrainingState, got dict"):
        training().stream(resume={})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lr": 0.0}, "expected a finite lr above 0, got 0.0. To fix it: try lr=0.1"),
        ({"lr": float("nan")}, "finite lr above 0, got nan"),
        ({"momentum": 1.0}, r"expected momentum in \[0, 1\), got 1.0"),
        ({"weight_decay": -1.0}, "expected weight_decay of at least 0, got -1.0"),
        ({"batch_size": 0}, "expected batch_size as an integer of at least 1, got 0"),
        ({"epochs": 0}, "expected epochs as an integer of at least 1, got 0"),
        ({"threads": 0}, "expected threads as an integer of at least 1, got 0"),
        ({"seed": -1}, "expected seed as an integer of at least 0, got -1"),
        ({"record_every": "step"}, "expected record_every as \"epoch\".*got 'step'"),
        ({"optimizer": "adam"}, "expected optimizer as a callable of the parameters, got str"),
        ({"optimizer": lambda parameters: None}, "to give a torch.optim.Optimizer, got NoneType"),
    ],
)
def test_bad_arguments(options, text):
    with pytest.raises(InputError, match=text):
        training(**options)


def test_bad_models_losses_and_data():
    inputs, targets = data()
    loss = nn.CrossEntropyLoss()
    with pytest.raises(InputError, match=r"expected model as a torch.nn.Module, got int"):
        TrainingStream(3, loss, (inputs, targets))
    with pytest.raises(InputError, match=r"expected loss as a callable"):
        TrainingStream(noisy_model(), 3, (inputs, targets))
    with pytest.raises(InputError, match="expected at least one sample, got empty tensors"):
        TrainingStream(noisy_model(), loss, (inputs[:0], targets[:0]))
    with pytest.raises(InputError, match=r"one number of samples, got \[3, 50\]"):
        TrainingStream(noisy_model(), loss, (inputs, targets[:3]))
    with pytest.raises(InputError, match="batches that can be joined"):
        TrainingStream(noisy_model(), loss, [(inputs, targets), (inputs[:, :2], targets)])
    with pytest.raises(ModelError, match="expected a module with parameters, got ReLU with none"):
        TrainingStream(nn.ReLU(), loss, (inputs, targets))
    integers = nn.Module()
    integers.table = nn.Parameter(torch.arange(3), requires_grad=False)
    with pytest.raises(ModelError, match="at least one parameter to move"):
        TrainingStream(integers, loss, (inputs, targets))
    with pytest.raises(ModelError, match=r"one real floating-point number, got shape \(50,\)"):
        TrainingStream(noisy_model(), nn.CrossEntropyLoss(reduction="none"), (inputs, targets)).run()
    with pytest.raises(ModelError, match="depends on the trainable parameters"):
        TrainingStream(noisy_model(), lambda outputs, targets: outputs.detach().mean(), (inputs, targets)).run()
