"""A peer of a run whose model this process trains."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Protocol, Sequence, Type, TypeVar, Union

import numpy as np

from . import runtime
from .connection import Connection, Message
from .errors import PeerFailed
from .files import FLOAT, finite, read_tensors
from .protocol import PROTOCOL, VERSION, described, saved
from .trainer import Description, Evaluation, State, Vector

PathOrText = Union[str, "os.PathLike[str]"]
Self = TypeVar("Self", bound="Peer")


class Parameters(Protocol):
    """What of a model is exchanged with neighbours."""

    returns: Literal["model", "update"]
    """What ``store`` writes: the model over the point, or what it changed by into ``out``."""

    def describe(self) -> Description:
        """Called once, before anything else."""

    def share(self, point: Vector, out: Vector) -> None:
        """Gives views of the shared file, once, before ``load``. ``point`` has the model."""

    def load(self) -> None:
        """Takes the point into the model."""

    def store(self) -> None:
        """Writes what the local steps have made."""

    def evaluate(self) -> Union[Evaluation, float]:
        """Evaluates the model, and leaves it as it is."""

    def state(self) -> State:
        """What steps change beside the parameters."""

    def restore(self, state: State) -> None: ...

    def release(self) -> None:
        """Leaves the model without the shared file."""


@dataclass(frozen=True)
class Report:
    """One round of a peer."""

    round: int
    """From 0."""
    kind: Literal["learning", "closing"]
    loss: Optional[float]
    """Mean training loss of the local steps, where ``step`` was given losses."""
    evaluation: Optional[Evaluation]
    """In the rounds that evaluate."""
    consensus_estimate: Optional[float]
    """This peer's estimate of the consensus distance, (1/n) sum of the squared distances of the models to their mean."""
    bytes_sent: int
    """To all neighbours, from the begin of the run."""
    bytes_received: int


@dataclass(frozen=True)
class Settings:
    """How a peer takes part in a run; ``join`` explains the fields."""

    topology: PathOrText
    id: int
    experiment: Union[PathOrText, Mapping[str, Any], None] = None
    keys: Optional[PathOrText] = None
    out: Optional[PathOrText] = None
    save: Optional[PathOrText] = None
    checkpoints: Optional[PathOrText] = None
    resume: bool = False
    allow_different_data: bool = False
    deadlines: Optional[Mapping[str, float]] = None
    arguments: Sequence[str] = ()


class Peer:
    """
    Made by ``join``. Leaving a ``with`` block closes it, or stops it where an exception leaves the block.

    :param parameters: belong to this peer until it is closed
    """

    def __init__(self, parameters: Parameters, settings: Settings, evaluates: bool) -> None:
        self.id = settings.id
        self.round = 0
        """Learning rounds that are over."""
        self.rounds = 0
        """Learning rounds of the run, which may stop earlier."""
        self.local_steps = 1
        """Steps of the optimiser in each round."""
        self.learning_rate = 0.0
        """The run's learning rate in this round, which an optimiser may use."""
        self.report: Optional[Report] = None
        """The last round's."""
        self.digest: Optional[str] = None
        """SHA-256 of the model, once it is closed."""
        self._parameters = parameters
        self._evaluates = evaluates
        self._files: Dict[str, str] = {}
        self._length = 0
        self._is_shared = False
        self._pending: Optional[Message] = None
        self._losses: List[Any] = []
        self._steps = 0
        self._has_learned = False
        self._is_over = False
        description = parameters.describe()
        size = sum(np.asarray(values).size for values in description.tensors.values())
        environment = {**os.environ, "TMPDIR": runtime.shared_folder(3 * FLOAT.itemsize * size)}
        self._connection = Connection(f"peer {self.id}", [*runtime.command(), *_arguments(settings)], environment)
        self._connection.send({"protocol": PROTOCOL, "version": VERSION})
        self._serve(description)

    @property
    def is_finished(self) -> bool:
        """Whether the last learning round is over, or the peer has left the run. Only ``close`` remains."""
        return self._is_over or self._has_learned

    def close(self) -> None:
        """
        Takes part in the closing consensus, which makes all models equal where the algorithm has one, and ends the peer.

        Raises ``PeerFailed`` where learning rounds remain: neighbours wait for this peer then, as for one that was stopped.
        """
        if self._is_over:
            return
        if not self.is_finished:
            self.stop()
            raise PeerFailed(
                f"peer {self.id} was closed after round {self.round} of {self.rounds}, and its neighbours wait for it:"
                " make all steps first, or call stop"
            )
        self._answer_pending({})
        self._serve()

    def stop(self) -> None:
        """Ends the peer now. The model stays as it is."""
        self._is_over = True
        self._connection.stop()
        self._release()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()

    def _count(self, loss: Any) -> bool:
        """One local step is made. Returns whether it is the round's last."""
        if self.is_finished:
            raise PeerFailed(f"peer {self.id} has learned for all its {self.round} rounds: call close")
        self._steps += 1
        if loss is not None:
            self._losses.append(loss)
        return self._steps == self.local_steps

    def _exchange(self, losses: Sequence[float]) -> None:
        """The round's local steps are made. Returns with the next round's model."""
        self._steps = 0
        self._losses = []
        self._parameters.store()
        known = {"loss": finite(math.fsum(losses) / len(losses))} if losses else {}
        self._answer_pending({"length": self._length, **known})
        self._serve()

    def _answer_pending(self, reply: Message) -> None:
        if self._pending is not None:
            self._connection.send({"id": self._pending["id"], **reply})
        self._pending = None

    def _serve(self, description: Optional[Description] = None) -> None:
        """Answers the runtime until it asks for local steps, or waits for ``close``, or ends."""
        try:
            while not self._is_over and self._pending is None:
                request = self._connection.receive()
                if request["request"] == "close":
                    self._finish()
                elif self._is_held(request):
                    self._pending = request
                else:
                    self._connection.send({"id": request["id"], **self._answer(request, description)})
        except BaseException:
            self.stop()
            raise

    def _is_held(self, request: Message) -> bool:
        """Whether the reply is for this peer's user to give, by ``step`` or ``close``."""
        if request["request"] == "step":
            self.local_steps = request["localSteps"]
            self.learning_rate = request["learningRate"]
            self.round = request["step"] // self.local_steps
            self._load()
            return True
        if request["request"] != "report":
            return False
        self.report = _report(request)
        if request["model"]:
            self._load()
        if request["kind"] == "closing":
            return False
        self.round = request["round"] + 1
        # The last round of the run, or the one in which all peers stopped early.
        self._has_learned = request["isLast"]
        return self._has_learned

    def _answer(self, request: Message, description: Optional[Description]) -> Message:
        kind = request["request"]
        if kind == "describe" and description is not None:
            return self._describe(request, description)
        if kind == "evaluate":
            self._load()
            result = self._parameters.evaluate()
            evaluation = result if isinstance(result, Evaluation) else Evaluation(float(result))
            accuracy = {} if evaluation.accuracy is None else {"accuracy": float(evaluation.accuracy)}
            return {"loss": finite(evaluation.loss), **accuracy}
        if kind == "state":
            return saved(self._parameters.state(), self._files["state"])
        if kind == "restore":
            try:
                self._parameters.restore(read_tensors(self._files["state"], request["tensors"]))
            except ValueError as error:
                return {"error": str(error)}
        return {}

    def _describe(self, request: Message, description: Description) -> Message:
        self._files = request["files"]
        self.rounds = request["rounds"]
        self.local_steps = request["localSteps"]
        self._length, reply = described(description, self._files["initial"])
        return {**reply, "returns": self._parameters.returns, "evaluates": self._evaluates}

    def _load(self) -> None:
        if not self._is_shared:
            path = self._files["vectors"]
            vectors = np.memmap(path, dtype=FLOAT, mode="r+", shape=(2, self._length)).view(np.ndarray)
            self._parameters.share(vectors[0], vectors[1])
            self._is_shared = True
        self._parameters.load()

    def _finish(self) -> None:
        """The runtime has nothing more to ask."""
        output = self._connection.finish()
        self._is_over = True
        self._release()
        self.digest = json.loads(output)["modelDigest"]

    def _release(self) -> None:
        self._parameters.release()
        if self._files:
            # Already gone, unless the runtime was killed.
            shutil.rmtree(os.path.dirname(self._files["vectors"]), ignore_errors=True)


def _report(request: Message) -> Report:
    evaluation = request.get("evaluation")
    return Report(
        round=request["round"],
        kind=request["kind"],
        loss=request.get("loss"),
        evaluation=evaluation and Evaluation(_number(evaluation["loss"]), evaluation.get("accuracy")),
        consensus_estimate=request.get("consensusEstimate"),
        bytes_sent=request["bytesSent"],
        bytes_received=request["bytesReceived"],
    )


def _number(value: Optional[float]) -> float:
    """JSON has null for a number that is not finite."""
    return math.nan if value is None else value


def _arguments(settings: Settings) -> List[str]:
    """Arguments of ``murmur peer``."""
    given = settings.experiment
    fields: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    named = [] if given is None or isinstance(given, Mapping) else [os.fspath(given)]
    deadlines = {} if settings.deadlines is None else {"deadlines": dict(settings.deadlines)}
    before = fields.get("trainer")
    trainer = {
        **(before if isinstance(before, Mapping) else {}),
        **{"kind": "process", "update": "own", "command": "fd:{fd}"},
        **deadlines,
    }
    arguments = ["peer", os.fspath(settings.topology), *named, "--id", str(settings.id), "--json"]
    for field, value in {**fields, "trainer": trainer}.items():
        if field == "$schema":
            continue
        arguments += [f"--{_kebab(field)}", json.dumps(value)]
    for option in ("keys", "out", "save", "checkpoints"):
        path = getattr(settings, option)
        if path is not None:
            arguments += [f"--{option}", os.fspath(path)]
    if settings.resume:
        arguments.append("--resume")
    if settings.allow_different_data:
        arguments.append("--allow-different-data")
    return [*arguments, *settings.arguments]


def _kebab(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", name)


Evaluate = Callable[[Any], Union[Evaluation, float]]
"""Evaluates a model on held-out data: the loss, or the loss and the accuracy."""
