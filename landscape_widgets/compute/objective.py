"""The loss as a function of one flat parameter vector over fixed batches."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_widgets.compute.batch_statistics import (
    Statistics,
    refuse_recomputed,
    statistics_steps,
    use_statistics,
)
from landscape_widgets.compute.data import Batch, Batches, WeightFunction, in_single, tensors_of
from landscape_widgets.compute.parameters import (
    ParameterLayout,
    Place,
    Replica,
    Selection,
    convert_floating,
    copy_module,
    real_tensor,
    select_parameters,
)
from landscape_widgets.compute.probe import probe
from landscape_widgets.compute.samples import sample_losses
from landscape_widgets.compute.torch_state import differentiation, evaluation, preserved_random_state
from landscape_widgets.errors import InputError, ModelError

HALVES = (torch.bfloat16, torch.float16)
"""Dtypes too coarse to sum a loss in: outputs go to float32 before it."""

R = TypeVar("R")

Loss = Callable[[Any, Any], Tensor]
Metric = Callable[[Any, Any], Any]


class Objective:
    """The mean loss of a model over fixed data, L(θ) = Σ_b w_b ℓ_b(θ) / Σ_b w_b, as a function of flat θ.

    Works on its own deep copy: the model given is never run or changed. Building it costs about four
    forward and backward passes of up to 32 samples, the probe of determinism and of the mean.

    Parameters
    ----------
    model : the module, in the mode to be analysed (call `.eval()` first if it has dropout or BatchNorm).
    loss : `loss(outputs, targets)` -> scalar tensor, the mean over the samples of the batch.
    data : `(inputs, targets)`, a list of batches `(inputs, targets)`, or a DataLoader. Inputs may be a
        tensor, a tuple (positional) or a mapping (keyword arguments).
    parameters : names, or a predicate `(name, tensor) -> bool`; None takes all that require gradients.
    metrics : name -> `metric(outputs, targets)`, a mean over the batch, evaluated in the same passes as the loss.
    weight : `(inputs, targets) -> float`, a batch's weight in the mean; None: its number of samples.
    batch_size : samples a batch for `(inputs, targets)`; None chooses.
    dtype, device : convert the copy and the data; None keeps the model's own.
    data_memory : bytes up to which a loader's batches are kept.
    batch_norm : "frozen" keeps the statistics of the centre; "recomputed" finds those of every point over the data,
        as `torch.optim.swa_utils.update_bn` does, at the cost of a second forward pass (losses only, no derivative).
    check_determinism, check_mean : switch off one half of the probe, knowingly.
    name : what the model is called in captions; None takes the class name.

    Raises
    ------
    ModelError : not copyable, no parameters, dropout or BatchNorm in training mode, random or non-finite loss, a sum.
    InputError : data of the wrong form, empty, or on another device.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, 2.0)
    >>> objective = Objective(model, nn.MSELoss(), (torch.ones(4, 1), torch.zeros(4, 1)))
    >>> objective.size, objective.loss(), objective.gradient()
    (1, 4.0, tensor([4.]))
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        data: Any,
        *,
        parameters: Selection = None,
        metrics: Mapping[str, Metric] | None = None,
        weight: WeightFunction | None = None,
        batch_size: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        data_memory: int = 2**30,
        batch_norm: str = "frozen",
        check_determinism: bool = True,
        check_mean: bool = True,
        name: str | None = None,
    ) -> None:
        _check_arguments(model, loss, batch_size, metrics)
        self.batch_norm = _check_batch_norm(batch_norm)
        chosen = select_parameters(model, parameters)
        self.dtype = dtype if dtype is not None else _common_dtype(chosen)
        self.device = torch.device(device) if device is not None else chosen[0][1].device
        self._names = tuple(parameter_name for parameter_name, _ in chosen)
        self.metrics = dict(metrics or {})
        self._random = not check_determinism
        self.writes_data = False
        """Whether the model or the loss writes into its inputs, so that each pass gets a copy."""
        with torch.inference_mode(False):
            self.loss_function = private_loss(loss, torch.float32 if dtype in HALVES else dtype, device)
            self._master = Replica(model, self._names, dtype, self.device)
            self._lock = threading.Lock()
            self._idle: list[Replica] = []
            self.layout: ParameterLayout = self._master.layout
            self.center: Float[Tensor, " P"] = self._master.flat.clone()
            convert = _converter(dtype, device)
            self.batches = Batches(data, batch_size=batch_size, weight=weight, memory=data_memory, convert=convert)
            self.name = name or type(model).__name__
            self.loss_name = loss_name(loss)
            _check_device(self.batches.first, self.device)
            with self.replica() as own:
                probe(self, own, model, check_determinism=check_determinism, check_mean=check_mean)

    @property
    def size(self) -> int:
        """Number of parameters P in the flat vector."""
        return self.layout.size

    @property
    def samples(self) -> int:
        """Number of samples the mean is taken over."""
        return self.batches.samples

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics evaluated with the loss."""
        return tuple(self.metrics)

    @property
    def question(self) -> dict[str, Any]:
        """What is being asked, in plain values: model, loss, data, dtype."""
        return {
            "model": self.name,
            "loss": self.loss_name,
            "parameters": self.size,
            "samples": self.samples,
            "batches": self.batches.count,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "notes": list(self.batches.notes),
        }

    @contextlib.contextmanager
    def replica(self, at: Tensor | Place | None = None) -> Iterator[Replica]:
        """Borrow a private copy of the model, moved to `at` (None: the centre); one thread at a time each."""
        with self._lock:
            replica = self._idle.pop() if self._idle else None
        if replica is None:
            replica = self.own_replica(at)
        else:
            replica.move_to(self.center if at is None else at)
        try:
            yield replica
        finally:
            with self._lock:
                self._idle.append(replica)

    def own_replica(self, at: Tensor | Place | None = None) -> Replica:
        """A new private copy of the model at `at` (None: the centre), the caller's for good."""
        with self._lock, torch.inference_mode(False):
            replica = Replica(self._master.module, self._names, None, self.device)
        replica.move_to(self.center if at is None else at)
        return replica

    def forward(
        self, replica: Replica, batch: Batch, statistics: Statistics | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """The scalar loss of one batch (differentiable where gradients are enabled) and its metrics."""
        outputs, targets = self.outputs(replica, batch, statistics)
        loss = self.loss_of(outputs, targets)
        with torch.no_grad():
            metrics = {name: float(metric(outputs, targets)) for name, metric in self.metrics.items()}
        return loss, metrics

    def outputs(self, replica: Replica, batch: Batch, statistics: Statistics | None = None) -> tuple[Any, Any]:
        """What the model gives for one batch, and the targets that the loss compares it with."""
        replica.reset_buffers()
        if statistics is not None:
            use_statistics(replica, statistics)
        batch = batch.cloned() if self.writes_data else batch
        with preserved_random_state() if self._random else contextlib.nullcontext():
            outputs = batch.apply(replica.module)
        return (in_single(outputs) if self.dtype in HALVES else outputs), batch.targets

    def loss_of(self, outputs: Any, targets: Any) -> Tensor:
        """The loss of outputs, checked to be one real number, without dimensions."""
        loss = self.loss_function(outputs, targets)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
            got = f"shape {tuple(loss.shape)} of {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ModelError(
                f"expected loss(outputs, targets) to give one real floating-point number, got {got}",
                'return the mean over the samples, e.g. reduction="mean" or losses.mean()',
            )
        return loss.reshape(())

    def loss(self, theta: Tensor | np.ndarray | None = None) -> float:
        """The mean loss at θ (None: the centre), one forward pass over the data; two where BatchNorm is recomputed."""
        return finished(self.loss_steps(theta))

    def loss_steps(self, theta: Tensor | np.ndarray | None = None) -> Generator[None, None, float]:
        """As `loss`, yielding after every batch."""
        point = self._point(theta)
        statistics = self._statistics(point)
        total = 0.0
        for batch in self.batches:
            # A replica is borrowed for one batch only: none is held across a yield.
            with evaluation(), self.replica(point) as replica:
                loss, _ = self.forward(replica, batch, statistics)
                total += batch.weight / self.batches.total_weight * loss.item()
            yield
        return total

    def sample_losses(self, theta: Tensor | np.ndarray | None = None) -> Float[Tensor, " N"]:
        """The loss of every sample by itself at θ (None: the centre), (N,), in the order of the batches.

        Cost: one forward pass over the data and one call of the loss a sample.
        """
        return sample_losses(self, self._point(theta))

    def _statistics(self, point: Tensor | None) -> Statistics | None:
        if self.batch_norm == "frozen":
            return None
        return finished(statistics_steps(self, self.center if point is None else point))

    def gradient(self, theta: Tensor | np.ndarray | None = None) -> Float[Tensor, " P"]:
        """The gradient ∇L at θ (None: the centre), (P,), one forward and backward pass over the data.

        Raises
        ------
        ModelError : the loss of no batch depends on the parameters in a way torch can differentiate.
        """
        return finished(self.gradient_steps(theta))

    def gradient_steps(self, theta: Tensor | np.ndarray | None = None) -> Generator[None, None, Float[Tensor, " P"]]:
        """As `gradient`, yielding after every batch."""
        refuse_recomputed(self)
        point, depends = self._point(theta), False
        with evaluation():
            total = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for batch in self.batches:
            with evaluation(), self.replica(point) as replica:
                if (gradient := self.batch_gradient(replica, batch)) is not None:
                    total.add_(gradient, alpha=batch.weight / self.batches.total_weight)
                    depends = True
            yield
        if not depends:
            raise independent_loss()
        return total

    def batch_gradient(self, replica: Replica, batch: Batch) -> Float[Tensor, " P"] | None:
        """The gradient of one batch's mean loss, (P,), zero for parameters it does not use; None where it uses none."""
        with differentiation():
            loss, _ = self.forward(replica, batch)
            if not loss.requires_grad:
                return None
            gradients = torch.autograd.grad(loss, replica.parameters, allow_unused=True, materialize_grads=True)
        return self.layout.join(gradients)

    def vector(self, value: Any, what: str = "a parameter vector") -> Float[Tensor, " P"]:
        """Check a flat real (P,) vector and bring it to this objective's dtype and device."""
        tensor = real_tensor(value, what)
        if tensor.shape != (self.size,) or not tensor.is_floating_point():
            raise InputError(
                f"expected {what} of shape ({self.size},) and a real floating-point dtype, "
                f"got shape {tuple(tensor.shape)} of {tensor.dtype}",
                "flatten it in the order of objective.layout, e.g. objective.layout.join(tensors)",
            )
        return tensor.to(device=self.device, dtype=self.dtype)

    def _point(self, theta: Tensor | np.ndarray | None) -> Tensor | None:
        return None if theta is None else self.vector(theta, "theta")


def finished(steps: Generator[None, None, R]) -> R:
    """Take all steps at once and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result


def _check_batch_norm(value: str) -> str:
    if value not in ("frozen", "recomputed"):
        raise InputError(f'expected batch_norm as "frozen" or "recomputed", got {value!r}', "choose one of them")
    return value


def independent_loss() -> ModelError:
    """The error for a loss without a gradient."""
    return ModelError(
        "expected a loss that depends on the parameters, got one without a gradient on every batch",
        "remove detach(), no_grad() and argmax() from the model and the loss, or move other parameters (parameters=)",
    )


def loss_name(loss: Loss) -> str:
    """A loss in words: 'CrossEntropyLoss()' is "cross-entropy", a lambda is "custom loss"."""
    name = getattr(loss, "__name__", type(loss).__name__)
    if name == "<lambda>":
        return "custom loss"
    known = {
        "CrossEntropyLoss": "cross-entropy",
        "cross_entropy": "cross-entropy",
        "MSELoss": "mean squared error",
        "mse_loss": "mean squared error",
        "NLLLoss": "negative log-likelihood",
        "nll_loss": "negative log-likelihood",
        "BCEWithLogitsLoss": "binary cross-entropy",
    }
    return known.get(name, name)


def _check_arguments(model: Any, loss: Any, batch_size: Any, metrics: Any) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"expected model as a torch.nn.Module, got {type(model).__name__}", "pass the module itself")
    if not callable(loss):
        raise InputError(
            f"expected loss as a callable loss(outputs, targets), got {type(loss).__name__}",
            "pass for example torch.nn.CrossEntropyLoss()",
        )
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise InputError(f"expected batch_size of at least 1, got {batch_size!r}", "leave it out for a good default")
    wrong = [key for key, metric in dict(metrics or {}).items() if key == "loss" or not callable(metric)]
    if wrong:
        raise InputError(
            f'expected metrics as name -> callable(outputs, targets), none named "loss", got {wrong}',
            "rename it, or pass the function itself",
        )


def private_loss(loss: Loss, dtype: torch.dtype | None, device: torch.device | str | None) -> Loss:
    """A copy of a loss that is a module with tensors of its own (class weights, say), converted as the model is."""
    if not isinstance(loss, nn.Module) or not any(True for _ in (*loss.parameters(), *loss.buffers())):
        return loss
    private = copy_module(loss)
    if device is not None:
        private.to(device=device)
    if dtype is not None:
        convert_floating(private, dtype)
    return private.requires_grad_(False)


def _common_dtype(chosen: list[tuple[str, Tensor]]) -> torch.dtype:
    dtypes = {tensor.dtype for _, tensor in chosen}
    if len(dtypes) > 1:
        raise ModelError(
            f"expected parameters of one dtype, got {sorted(str(dtype) for dtype in dtypes)}",
            "pass dtype=torch.float32 (or float64) to convert the analysed copy",
        )
    return dtypes.pop()


def _converter(dtype: torch.dtype | None, device: torch.device | str | None) -> Callable[[Tensor], Tensor]:
    def convert(tensor: Tensor) -> Tensor:
        wanted = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        tensor = tensor.clone() if tensor.is_inference() else tensor
        return tensor.detach().to(device=device if device is not None else tensor.device, dtype=wanted)

    return convert


def _check_device(batch: Batch, device: torch.device) -> None:
    for tensor in tensors_of((batch.inputs, batch.targets)):
        if tensor.device.type != device.type:
            raise InputError(
                f"expected data on the model's device {device}, got a tensor on {tensor.device}",
                f"pass device='{device}' to move the data along, or move it yourself",
            )
