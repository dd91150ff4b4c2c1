"""The protocol: JSON lines over stdin and stdout, vectors in shared files. ``src/clients/README.md`` specifies it."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import IO, Any, Callable, Dict, Optional

import numpy as np

from .files import FLOAT, finite, read_tensors
from .protocol import PROTOCOL, VERSION, described, saved
from .trainer import Evaluation, Run, State, Step, Trainer, Vector


def serve(make: Callable[[Run], Trainer]) -> None:
    """
    Serves the trainer that ``make`` returns for the run until the run ends. ``make`` may be the trainer's class.

    stdout belongs to the protocol: from here on, what the program prints goes to stderr.
    """
    replies = _take_stdout()
    _write(replies, {"protocol": PROTOCOL, "version": VERSION})
    server: Optional[_Server] = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["request"] == "close":
            break
        try:
            if request["request"] == "describe":
                server = _Server(make, request)
            if server is None:
                raise RuntimeError("the first request must be describe")
            reply = server.answer(request)
        except Exception as error:  # Whatever it is, the run reports it and ends.
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        _write(replies, {"id": request["id"], **reply})
    if server is not None:
        server.close()


class _Server:
    def __init__(self, make: Callable[[Run], Trainer], request: Dict[str, Any]) -> None:
        self._files: Dict[str, str] = request["files"]
        self._trainer = make(
            Run(
                seed=request["seed"],
                peer=request["peer"],
                peers=request["peers"],
                update=request["update"],
                options=request["options"],
                paths=request["paths"],
                rounds=request.get("rounds"),
                local_steps=request.get("localSteps"),
            )
        )
        self._length = 0
        self._vectors: Optional[np.memmap[Any, np.dtype[np.float32]]] = None

    def answer(self, request: Dict[str, Any]) -> Dict[str, Any]:
        answers: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "describe": self._describe,
            "step": self._step,
            "evaluate": self._evaluate,
            "state": self._state,
            "restore": self._restore,
        }
        return answers[request["request"]](request)

    def close(self) -> None:
        close = getattr(self._trainer, "close", None)
        if close is not None:
            close()

    def _describe(self, _request: Dict[str, Any]) -> Dict[str, Any]:
        self._length, reply = described(self._trainer.describe(), self._files["initial"])
        return reply

    def _step(self, request: Dict[str, Any]) -> Dict[str, Any]:
        step = Step(
            number=request["step"],
            local_steps=request.get("localSteps", 1),
            learning_rate=request.get("learningRate"),
        )
        loss = self._trainer.step(self._part(0), self._part(1), step)
        return {"loss": finite(loss), "length": self._length}

    def _evaluate(self, _request: Dict[str, Any]) -> Dict[str, Any]:
        result = self._trainer.evaluate(self._part(0))
        evaluation = result if isinstance(result, Evaluation) else Evaluation(float(result))
        reply: Dict[str, Any] = {"loss": finite(evaluation.loss)}
        if evaluation.accuracy is not None:
            reply["accuracy"] = float(evaluation.accuracy)
        return reply

    def _state(self, _request: Dict[str, Any]) -> Dict[str, Any]:
        state: State = getattr(self._trainer, "state", dict)()
        return saved(state, self._files["state"])

    def _restore(self, request: Dict[str, Any]) -> Dict[str, Any]:
        state = read_tensors(self._files["state"], request["tensors"])
        restore = getattr(self._trainer, "restore", None)
        if restore is not None:
            restore(state)
        elif state:
            raise ValueError(f"{type(self._trainer).__name__} has no restore, and the checkpoint has a state")
        return {}

    def _part(self, half: int) -> Vector:
        """The point (0), which is read-only, or the result (1): views of the shared file."""
        if self._vectors is None:
            path = self._files["vectors"]
            self._vectors = np.memmap(path, dtype=FLOAT, mode="r+", shape=(2, self._length))
        part: Vector = self._vectors[half].view(np.ndarray)
        part.flags.writeable = half == 1
        return part


def _take_stdout() -> IO[str]:
    """A stream to what is stdout now; stdout becomes stderr, for libraries in C too."""
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return replies


def _write(replies: IO[str], message: Dict[str, Any]) -> None:
    replies.write(json.dumps(message, allow_nan=False) + "\n")
    replies.flush()
