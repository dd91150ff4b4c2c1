"""What a trainer must do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Literal, Mapping, Optional, Protocol, Tuple, Union

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""Flat float32 parameters: all tensors one after another, in the order of the description."""

State = Dict[str, Vector]
"""Arrays by name."""


@dataclass(frozen=True)
class Run:
    """The run that this program takes part in, and its place in it."""

    seed: int
    """Every random choice must follow from it, and from the peer and the step."""
    peer: int
    """This peer, from 0 to peers - 1."""
    peers: int
    update: Literal["gradient", "own"]
    """What a step returns: the gradient, or the update of an optimiser of its own."""
    options: Mapping[str, Any]
    """The setting ``trainer.options``, the same for every peer."""
    paths: Mapping[str, str]
    """The setting ``trainer.paths``: places of files on this machine."""
    rounds: Optional[int] = None
    """Learning rounds of the run, where they are known."""
    local_steps: Optional[int] = None
    """Steps of each round, where they are known."""


@dataclass(frozen=True)
class Description:
    """What a trainer trains."""

    tensors: Mapping[str, NDArray[Any]]
    """The initial model by name; every peer of one seed must return the same."""
    local: Mapping[str, Tuple[int, ...]] = field(default_factory=dict)
    """Shapes of those parts of the state that belong to the model and its file, such as running statistics."""
    data: Optional[str] = None
    """What is learned from, such as a digest; neighbours compare it unless they allow different data."""
    model: Optional[str] = None
    """What is computed beyond the shapes, such as activations; neighbours compare it."""


@dataclass(frozen=True)
class Step:
    """One step of a peer."""

    number: int
    """Number of the (first) minibatch in the run, from 0: what batches are chosen by."""
    local_steps: int = 1
    """How many steps the optimiser makes; 1 where the gradient is returned."""
    learning_rate: Optional[float] = None
    """The run's learning rate of this round, which an optimiser may use; None where the gradient is returned."""


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on held-out data."""

    loss: float
    accuracy: Optional[float] = None
    """Share of correct answers in [0, 1]."""


class Trainer(Protocol):
    """One peer's learning. ``state`` and ``restore`` may be left out by a trainer without state of its own."""

    def describe(self) -> Description:
        """Asked once, before anything else."""

    def step(self, point: Vector, out: Vector, step: Step) -> float:
        """
        Writes the gradient at ``point`` into ``out``; or, where ``run.update`` is "own", the sum of
        ``step.local_steps`` steps of its optimiser from ``point``. ``point`` is read-only.

        Returns the mean training loss of the minibatch, or of the minibatches.
        """

    def evaluate(self, model: Vector) -> Union[Evaluation, float]:
        """Evaluates any model on held-out data, and leaves the trainer's state as it was."""
