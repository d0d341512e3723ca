"""Exceptions and outcomes: failure says what was expected, what came, and what to do."""

from __future__ import annotations

import enum


class LandscapeError(Exception):
    """Base of every error raised on purpose by this package.

    Parameters
    ----------
    message : what was expected and what came, one sentence.
    advice : what to do about it, one sentence; shown under the plot beside the message.

    >>> str(LandscapeError("expected a scalar loss, got shape (7,)", "return loss.mean()"))
    'expected a scalar loss, got shape (7,). To fix it: return loss.mean()'
    """

    def __init__(self, message: str, advice: str = "") -> None:
        self.message = message.rstrip(".")
        self.advice = advice
        super().__init__(f"{self.message}. To fix it: {advice}" if advice else self.message)

    def __reduce__(self) -> tuple[type[LandscapeError], tuple[str, str]]:
        """Rebuild from both parts, so that an error crosses a process boundary whole."""
        return type(self), (self.message, self.advice)


class InputError(LandscapeError, ValueError):
    """An argument has the wrong type, shape, dtype, device or value."""


class ModelError(LandscapeError, ValueError):
    """The model or its loss cannot be analysed as it is (not copyable, not differentiable, random)."""


class ProtocolError(LandscapeError, ValueError):
    """A message from the page is not one of the declared messages."""


class LandscapeWarning(UserWarning):
    """Something computed is right but may not be what was meant; the text says what to do."""


class Outcome(enum.StrEnum):
    """How a computation ended; every member carries advice.

    >>> Outcome.BUDGET_SPENT.advice
    'Raise the budget of products, or resume from the checkpoint; what is shown has not converged.'
    """

    RUNNING = "running"
    COMPLETE = "complete"
    CONVERGED = "converged"
    CANCELLED = "cancelled"
    BUDGET_SPENT = "budget spent"
    BREAKDOWN = "breakdown"
    NOT_FINITE = "not finite"

    @property
    def advice(self) -> str:
        """What a reader should do or believe, one sentence; empty where nothing is needed."""
        return _ADVICE[self]

    @property
    def succeeded(self) -> bool:
        """Whether every value asked for was computed and, where it applies, accepted."""
        return self in (Outcome.COMPLETE, Outcome.CONVERGED)


_ADVICE = {
    Outcome.RUNNING: "Still computing: values may change until it ends.",
    Outcome.COMPLETE: "",
    Outcome.CONVERGED: "",
    Outcome.CANCELLED: "What was computed is kept; resume from the checkpoint to go on.",
    Outcome.BUDGET_SPENT: (
        "Raise the budget of products, or resume from the checkpoint; what is shown has not converged."
    ),
    Outcome.BREAKDOWN: (
        "The operator is not symmetric to rounding: look for randomness or in-place state in the model, or use float64."
    ),
    Outcome.NOT_FINITE: (
        "The model gave NaN or infinity: check the data and the centre loss, lower the range, or use float64."
    ),
}
