"""Training as a seeded stream: step, pause, checkpoint, resume bit for bit."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_widgets.compute.data import Batch
from landscape_widgets.compute.objective import Loss, loss_name
from landscape_widgets.compute.parameters import ParameterLayout, copy_module, select_parameters
from landscape_widgets.compute.stream import Computation, Stream
from landscape_widgets.compute.torch_state import preserved_random_state
from landscape_widgets.compute.training_inputs import all_samples, check_kinds, check_numbers, checked_loss, take_rows
from landscape_widgets.compute.training_state import TrainingState, copied, load_into, mixed_seed
from landscape_widgets.errors import InputError, Outcome
from landscape_widgets.results import Result

OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


ORDER, NOISE = 0, 1
"""Purposes of the seed: the order of the samples in an epoch, the noise inside the model in a step."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingStep(Result):
    """One mini-batch step of a training run.

    Parameters
    ----------
    step : steps taken so far, this one included.
    epoch : the epoch this step's mini-batch belongs to, counted from 1.
    loss : mean loss of the mini-batch before the update, in the unit of the loss; NaN or infinite where it was.
    done, total : steps taken and steps of the whole run.
    outcome : RUNNING, COMPLETE after the last step, or NOT_FINITE: the run stopped, and the model holds
        the parameters of the last step whose loss was finite.
    seed : seed of the run.
    """

    step: int
    epoch: int
    loss: float
    done: int
    total: int
    outcome: Outcome
    seed: int
    question: Mapping[str, Any] = dataclasses.field(default_factory=dict)


SMALL_STEP = 2**24
"""Batch size times parameters below which a step runs on one thread: measured on two cores, MLP and LeNet on digits."""


class _NotFiniteLoss(Exception):  # noqa: N818 -- not an error: it carries a value out of the optimizer's step
    """Ends a step whose loss is NaN or infinite."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value


class TrainingStream(Computation[TrainingStep, TrainingState]):
    """Train a copy of a model by mini-batches, one step at a time.

    θ ← θ − lr·m, m ← momentum·m + ∇ℓ_b(θ) + weight_decay·θ, b running through a new seeded permutation
    of the samples in every epoch; or any other torch optimizer. Cost of a step: one forward and one backward pass of
    one batch, and one copy of the parameters. Reproducible bit for bit on one machine with one number of threads.
    Dropout and other noise inside the model are seeded for each step; no global generator is changed.

    Parameters
    ----------
    model : the module; a deep copy is trained, in training mode. The module itself is left alone unless `in_place`.
    loss : `loss(outputs, targets)` -> scalar tensor, the mean over the samples of the batch.
    data : `(inputs, targets)`, a list of batches or a DataLoader, read once and held in memory.
    batch_size : samples a step; the last batch of an epoch may be smaller.
    epochs : passes over the data, at least 1.
    lr, momentum, weight_decay : of `torch.optim.SGD`, where no optimizer is given.
    optimizer : `optimizer(parameters)` -> torch.optim.Optimizer; lr, momentum, weight_decay are then not used.
    seed : non-negative integer; fixes the order of the samples and the noise inside the model.
    drop_last : leave out the smaller last batch of an epoch (BatchNorm refuses a batch of one sample).
    record_every : "epoch", or a number of steps: how often the flat parameters are kept, the starting point included.
    keep : `keep(step) -> bool` for each TrainingStep: keep the flat parameters after this step as well.
    in_place : train the given module itself.
    threads : intra-op threads of torch inside a step; None takes one while batch_size·P < 2²⁴, where a second costs
        more than it saves (and up to a hundredfold on a busy machine), else what torch is set to.

    Raises
    ------
    InputError : an argument out of range, empty data, an optimizer that is none, a checkpoint of another run.
    ModelError : no trainable real parameters, not copyable, or a loss that is no real differentiable number.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> inputs = torch.linspace(-1, 1, 64)[:, None]
    >>> training = TrainingStream(model, nn.MSELoss(), (inputs, 3 * inputs), epochs=50, batch_size=16)
    >>> last = training.run()
    >>> last.done, last.total, last.outcome.value, round(training.model.weight.item(), 3)
    (200, 200, 'complete', 3.0)
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        data: Any,
        *,
        batch_size: int = 64,
        epochs: int = 10,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        optimizer: OptimizerFactory | None = None,
        seed: int = 0,
        drop_last: bool = False,
        record_every: int | str | None = None,
        keep: Callable[[TrainingStep], bool] | None = None,
        in_place: bool = False,
        threads: int | None = None,
    ) -> None:
        check_numbers(batch_size, epochs, lr, momentum, weight_decay, seed, threads)
        check_kinds(model, loss, optimizer, record_every)
        self._inputs, self._targets, self.samples = all_samples(data)
        select_parameters(model, None)
        with torch.inference_mode(False):
            self.model = model if in_place else copy_module(model).eval()
        self._modes = [(module, module.training) for module in self.model.modules()]
        self._named = dict(select_parameters(self.model, None))
        self._parameters = dict(self.model.named_parameters())
        self.layout = ParameterLayout(list(self._named.items()))
        self._loss, self.batch_size, self.epochs, self.seed = loss, batch_size, epochs, seed
        self._record_every, self._keep = record_every, keep
        self._new_optimizer: OptimizerFactory = optimizer or (
            lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
        )
        self.threads = threads if threads or batch_size * self.layout.size >= SMALL_STEP else 1
        whole, rest = divmod(self.samples, batch_size)
        self.steps_per_epoch = whole if drop_last and whole else whole + (rest > 0)
        self.total = epochs * self.steps_per_epoch
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        self._optimizer = self._make_optimizer()
        self._live: Stream[TrainingStep, TrainingState] | None = None
        self._step, self._outcome = 0, Outcome.RUNNING
        self._losses: list[float] = []
        self._trajectory: list[Tensor] = []
        self._trajectory_steps: list[int] = []
        self._good: list[Tensor] | None = None
        self._initial = self._snapshot()

    @property
    def question(self) -> dict[str, Any]:
        """What is computed, in plain values: model, loss, optimizer, sizes, seed."""
        group = self._optimizer.param_groups[0]
        return {
            "model": type(self.model).__name__,
            "loss": loss_name(self._loss),
            "optimizer": type(self._optimizer).__name__,
            "lr": float(group["lr"]) if "lr" in group else None,
            "parameters": self.layout.size,
            "samples": self.samples,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "seed": self.seed,
        }

    @property
    def losses(self) -> Float[np.ndarray, " steps"]:
        """Mini-batch mean loss of every step taken so far, (steps,), float64."""
        return np.array(self._losses, dtype=np.float64)

    @property
    def trajectory_checkpoints(self) -> list[Float[Tensor, " P"]]:
        """The flat vectors of the trainable parameters that were kept, in order, (P,) each."""
        return list(self._trajectory)

    @property
    def trajectory_steps(self) -> list[int]:
        """The step after which each of `trajectory_checkpoints` was kept; 0 is the starting point."""
        return list(self._trajectory_steps)

    def stream(self, resume: TrainingState | None = None) -> Stream[TrainingStep, TrainingState]:
        """Start from the initial parameters, or go on from a checkpoint; an earlier stream of this object ends.

        Parameters
        ----------
        resume : a state from `checkpoint()` of a run with equal model, data, batch size and seed; `epochs` may differ.

        Raises
        ------
        InputError : the state belongs to another run, or to one that ended with a non-finite loss.
        """
        if self._live is not None:
            self._live.close()
        state = self._initial if resume is None else resume
        self._check_state(state)
        with torch.inference_mode(False):
            self._load(state)
        self._live = Stream(self._steps(), self._snapshot)
        return self._live

    def checkpoint(self) -> TrainingState:
        """Return the state after the last step taken, to resume from here in this or another object."""
        return self._snapshot()

    def save_checkpoint(self, path: str | Path) -> Path:
        """Write `checkpoint()` as a safetensors file and return its path; read it with `TrainingState.load`."""
        return self._snapshot().save(path)

    def _load(self, state: TrainingState) -> None:
        """Stand where the state stood, with a new optimizer."""
        load_into(self._parameters, state.parameters, "parameters")
        load_into(dict(self.model.named_buffers()), state.buffers, "buffers")
        self._optimizer = self._make_optimizer()
        self._optimizer.load_state_dict(copied(dict(state.optimizer)))
        self._step, self._losses = state.step, list(state.losses)
        self._trajectory, self._trajectory_steps = list(state.trajectory), list(state.trajectory_steps)
        self._outcome, self._good = Outcome.RUNNING, None

    def _make_optimizer(self) -> torch.optim.Optimizer:
        made = self._new_optimizer(
            [parameter for parameter in self._named.values() if isinstance(parameter, nn.Parameter)]
        )
        if not isinstance(made, torch.optim.Optimizer):
            raise InputError(
                f"expected optimizer(parameters) to give a torch.optim.Optimizer, got {type(made).__name__}",
                "pass for example optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3)",
            )
        return made

    def _snapshot(self) -> TrainingState:
        return TrainingState(
            step=self._step,
            seed=self.seed,
            samples=self.samples,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            parameters=copied(self._parameters),
            buffers=copied(dict(self.model.named_buffers())),
            optimizer=copied(self._optimizer.state_dict()),
            losses=tuple(self._losses),
            trajectory=tuple(self._trajectory),
            trajectory_steps=tuple(self._trajectory_steps),
            outcome=self._outcome,
        )

    def _check_state(self, state: TrainingState) -> None:
        if not isinstance(state, TrainingState):
            raise InputError(
                f"expected resume as a TrainingState, got {type(state).__name__}",
                "pass what checkpoint() returned, or TrainingState.load(path)",
            )
        for name in ("seed", "samples", "batch_size", "steps_per_epoch"):
            if getattr(state, name) != getattr(self, name):
                raise InputError(
                    f"expected a checkpoint with {name}={getattr(self, name)}, got {name}={getattr(state, name)}",
                    "build the TrainingStream with the arguments of the run that made the checkpoint",
                )
        if state.outcome is Outcome.NOT_FINITE:
            raise InputError(
                f"expected a run that can go on, got one that met a non-finite loss at step {state.step}",
                "start anew with a lower learning rate",
            )
        if state.step > self.total:
            raise InputError(
                f"expected a checkpoint of at most {self.total} steps, got one after {state.step}", "raise epochs"
            )

    def _steps(self) -> Generator[TrainingStep, None, None]:
        if self._step == 0 and self._record_every is not None:
            self._record()
        if self._step == self.total:
            yield self._result(self._losses[-1])
        while self._step < self.total and self._outcome is not Outcome.NOT_FINITE:
            result = self._result(self._advance())
            if result.outcome is not Outcome.NOT_FINITE and self._wanted(result):
                self._record()
            yield result

    def _result(self, loss: float) -> TrainingStep:
        if self._outcome is not Outcome.NOT_FINITE and self._step == self.total:
            self._outcome = Outcome.COMPLETE
        epoch = (self._step - 1) // self.steps_per_epoch + 1
        return TrainingStep(self._step, epoch, loss, self._step, self.total, self._outcome, self.seed, self.question)

    def _wanted(self, result: TrainingStep) -> bool:
        every = self.steps_per_epoch if self._record_every == "epoch" else self._record_every
        by_count = isinstance(every, int) and self._step % every == 0
        return by_count or (self._keep is not None and bool(self._keep(result)))

    def _record(self) -> None:
        self._trajectory.append(self.layout.join([tensor.detach() for tensor in self._named.values()]).clone())
        self._trajectory_steps.append(self._step)

    def _advance(self) -> float:
        """Take one step; on a non-finite loss or update go back to the last parameters with a finite loss."""
        with self._inside_a_step():
            batch, before = self._batch(self._step), self._tensors()
            try:
                loss = self._update(batch)
            except _NotFiniteLoss as stop:
                loss, self._outcome = stop.value, Outcome.NOT_FINITE
                self._put_back(before if self._good is None else self._good)
            except BaseException:
                self._put_back(before)
                raise
            else:
                if all(bool(torch.isfinite(tensor).all()) for tensor in self._named.values()):
                    self._good = before
                else:
                    self._outcome = Outcome.NOT_FINITE
                    self._put_back(before)
        self._step += 1
        self._losses.append(loss)
        return loss

    def _update(self, batch: Batch) -> float:
        """Let the optimizer take one step and return the loss before it."""
        values: list[float] = []

        def closure() -> Tensor:
            loss = self._backward(batch)
            values.append(loss.item())
            return loss

        self._optimizer.step(closure)  # type: ignore[arg-type]
        if not values:
            raise InputError(
                f"expected an optimizer that calls the closure of step(closure), got {type(self._optimizer).__name__}",
                "let its step() call the closure and return its loss, as the optimizers of torch do",
            )
        return values[0]

    def _backward(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch and its gradients; an infinite or undefined loss is raised, not used."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = checked_loss(self._loss(batch.apply(self.model), batch.targets))
        if not math.isfinite(value := loss.item()):
            raise _NotFiniteLoss(value)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @contextmanager
    def _inside_a_step(self) -> Iterator[None]:
        """Training mode, gradients, threads and this step's seed; all of it as before at the end."""
        threads = torch.get_num_threads()
        noise = mixed_seed(self.seed, NOISE, self._step)
        with preserved_random_state(), torch.inference_mode(False), torch.enable_grad():
            torch.default_generator.manual_seed(noise)
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.manual_seed_all(noise)
            random.seed(noise)
            np.random.seed(noise % 2**32)
            torch.set_num_threads(self.threads or threads)
            self.model.train()
            try:
                yield
            finally:
                torch.set_num_threads(threads)
                self._optimizer.zero_grad(set_to_none=True)
                for module, mode in self._modes:
                    module.training = mode

    def _batch(self, step: int) -> Batch:
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed, ORDER, epoch))
            self._order = (epoch, torch.randperm(self.samples, generator=generator))
        rows = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        device = next(iter(self._named.values())).device
        size = len(rows)
        return Batch(take_rows(self._inputs, rows, device), take_rows(self._targets, rows, device), size, float(size))

    def _tensors(self) -> list[Tensor]:
        return [tensor.detach().clone() for tensor in (*self._named.values(), *self.model.buffers())]

    def _put_back(self, kept: list[Tensor]) -> None:
        with torch.no_grad():
            for live, tensor in zip((*self._named.values(), *self.model.buffers()), kept, strict=True):
                live.copy_(tensor)
