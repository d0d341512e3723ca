"""What an axis may show: random and Hessian directions, the gradient, a trajectory, other models, given vectors."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from landscape_widgets.compute import directions
from landscape_widgets.compute.checkpoints import Checkpoints
from landscape_widgets.compute.objective import Objective
from landscape_widgets.compute.stream import relabelled
from landscape_widgets.compute.trajectory import TrajectoryProjection
from landscape_widgets.errors import InputError
from landscape_widgets.protocol.messages import AxisChoice
from landscape_widgets.results import Direction, Eigenpairs

COMPONENTS = 3
"""Principal components of a trajectory that are offered at most."""

AS_GIVEN = ("model", "custom", "gradient")
"""Sources whose "raw" is their own length, not that of a raw Gaussian direction."""


class Sources:
    """The directions that a picture may be drawn along; expensive ones are computed when first asked for.

    Parameters
    ----------
    objective : whose landscape is drawn.
    given : directions or flat (P,) vectors of the user; more may be added with `add`.
    models : other models to look towards, by name or in order.
    checkpoints : the training trajectory, in order; its principal components are offered.
    eigenpairs : indices of the eigenvectors that are to be computed, from 0 at the top and -1 at the bottom.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        given: Sequence[Any] = (),
        models: Mapping[str, Any] | Sequence[Any] = (),
        checkpoints: Any = None,
        eigenpairs: Sequence[int] = (),
    ) -> None:
        self.objective = objective
        self.eigenpairs = tuple(eigenpairs)
        self.given = [directions.custom(objective, value) for value in given]
        named = models.items() if isinstance(models, Mapping) else ((None, model) for model in models)
        self.models = [directions.between(objective, model, name) for name, model in named]
        self.checkpoints = None if checkpoints is None else Checkpoints.of(objective, checkpoints, least=2)
        count = 0 if self.checkpoints is None else self.checkpoints.count - 1
        self.components = max(min(COMPONENTS, count, objective.size), min(count, 1))
        self._trajectory: tuple[Direction, ...] | None = None
        self._gradient: Direction | None = None

    def add(self, value: Any) -> AxisChoice:
        """Offer one more given direction and return the choice of it."""
        self.given.append(directions.custom(self.objective, value))
        return AxisChoice("custom", index=len(self.given) - 1, scale="raw")

    def check(self, choice: AxisChoice) -> None:
        """Raise `InputError` where a choice is none of those offered.

        >>> import torch
        >>> objective = Objective(torch.nn.Linear(2, 1), torch.nn.MSELoss(), (torch.ones(4, 2), torch.ones(4, 1)))
        >>> Sources(objective, eigenpairs=(0, -1)).check(AxisChoice("hessian", index=5))
        Traceback (most recent call last):
        landscape_widgets.errors.InputError: expected an eigenpair index within the 2 computed, got 5...
        """
        index = choice.index
        pairs = len(self.eigenpairs)  # counted through from either end, as in a list
        if choice.source == "hessian" and not -pairs <= index < pairs:
            raise InputError(
                f"expected an eigenpair index within the {pairs} computed, got {index}",
                "pass largest= and smallest= to explore()",
            )
        counts = {
            "custom": (len(self.given), "given directions", "pass directions= to explore()"),
            "model": (len(self.models), "other models", "pass models= to explore()"),
            "trajectory": (self.components, "trajectory components", "pass checkpoints= to explore()"),
        }
        if choice.source in counts:
            count, what, advice = counts[choice.source]
            if not 0 <= index < count:
                raise InputError(f"expected one of {count} {what}, got number {index}", advice)

    def preparation(self, choices: Sequence[AxisChoice]) -> Generator[str, None, None] | None:
        """The work to be done before `direction` can answer, in steps that say what they do; None where none is."""
        wanted = {choice.source for choice in choices}
        gradient = "gradient" in wanted and self._gradient is None
        trajectory = "trajectory" in wanted and self._trajectory is None
        return self._prepare(gradient, trajectory) if gradient or trajectory else None

    def direction(self, choice: AxisChoice, pairs: Eigenpairs | None) -> Direction:
        """The direction of a choice at its scale; `preparation` has been done."""
        if choice.source == "random":
            return directions.random(self.objective, choice.seed, None if choice.scale == "raw" else choice.scale)
        found = self._own(choice, pairs)
        if choice.scale == "raw" and choice.source in AS_GIVEN:
            return found
        return directions.rescale(found, self.objective, choice.scale)

    def options(self) -> list[dict[str, Any]]:
        """What a page offers, in groups."""
        rows = [("random", 0, "Random", "Random")]
        rows += [("hessian", i, f"Hessian {directions.eigenvalue_name(i)}", "Hessian") for i in self.eigenpairs]
        rows.append(("gradient", 0, "Gradient", "Gradient"))
        rows += [("trajectory", i, f"Trajectory PC{i + 1}", "Trajectory") for i in range(self.components)]
        rows += [("model", i, model.label.capitalize(), "Other models") for i, model in enumerate(self.models)]
        rows += [("custom", i, given.label, "Given") for i, given in enumerate(self.given)]
        return [dict(zip(("source", "index", "label", "group"), row, strict=True)) for row in rows]

    def _own(self, choice: AxisChoice, pairs: Eigenpairs | None) -> Direction:
        """The direction at its own length."""
        if choice.source == "custom":
            return self.given[choice.index]
        if choice.source == "model":
            return self.models[choice.index]
        if choice.source == "hessian" and pairs is not None:
            return directions.hessian(pairs, (choice.index,))[0]
        if choice.source == "gradient" and self._gradient is not None:
            return self._gradient
        if choice.source == "trajectory" and self._trajectory is not None:
            return self._trajectory[choice.index]
        raise InputError(f"expected a {choice.source} direction to be computed, got none", "wait for it")

    def _prepare(self, gradient: bool, trajectory: bool) -> Generator[str, None, None]:
        if gradient:
            self._gradient = yield from relabelled(
                directions.gradient_steps(self.objective, normalize=None), "computing the gradient"
            )
        if trajectory and self.checkpoints is not None:
            projection = TrajectoryProjection(self.objective, self.checkpoints, components=self.components)
            self._trajectory = yield from relabelled(
                projection.principal_direction_steps(), "computing the trajectory's components"
            )
