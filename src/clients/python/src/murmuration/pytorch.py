"""A PyTorch model as a trainer."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn

from .trainer import Description, Evaluation, Run, State, Step, Vector

_STATE_NAME = re.compile(r"^optimizer/(\d+)/(.+)\[(number|[\d,]*)\]$")


class TorchTrainer:
    """
    Trains the parameters of a module that require gradients; Murmuration keeps their float32 master copy.

    With an optimiser the setting ``trainer.update`` must be "own": a round makes ``localSteps`` of its steps, and its
    state stays with the peer, as the module's buffers do. Its learning rates stay as they are unless ``learning_rate``
    computes them, for example ``lambda step: step.learning_rate``. Without an optimiser (None) it must be "gradient".

    :param model: the same weights for every peer: call ``torch.manual_seed(run.seed)`` before it is made
    :param batches: the minibatch with this number, which must follow from the number, the run's seed and the peer
    :param loss: mean loss of a minibatch
    :param evaluate: evaluates the module, which is in evaluation mode, without gradients
    """

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        optimizer: Optional[torch.optim.Optimizer],
        batches: Callable[[int], Any],
        loss: Callable[[nn.Module, Any], Tensor],
        evaluate: Callable[[nn.Module], Union[Evaluation, float]],
        *,
        learning_rate: Optional[Callable[[Step], Optional[float]]] = None,
        data: Optional[str] = None,
    ) -> None:
        if (run.update == "own") != (optimizer is not None):
            raise ValueError(
                f'trainer.update is "{run.update}": set it to "own" for an optimizer, and to "gradient" for None'
            )
        self._run = run
        self._model = model
        self._optimizer = optimizer
        self._batches = batches
        self._loss = loss
        self._evaluate = evaluate
        self._learning_rate = learning_rate
        self._data = data
        self._named: List[Tuple[str, nn.Parameter]] = [
            (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
        ]
        for name, parameter in self._named:
            if not parameter.is_floating_point():
                raise TypeError(f"parameter {name} is {parameter.dtype}: only real floating point is trained")
        if optimizer is not None:
            self._require_own_parameters(optimizer)

    def describe(self) -> Description:
        tensors = {name: _array(parameter) for name, parameter in self._named}
        local = {f"buffer/{name}": tuple(buffer.shape) for name, buffer in self._buffers().items()}
        return Description(tensors, local, data=self._data, model=_digest(str(self._model)))

    def step(self, point: Vector, out: Vector, step: Step) -> float:
        self._load(point)
        self._model.train()
        if self._optimizer is None:
            loss = self._backward(step.number)
            self._write(out, lambda parameter: parameter.grad)
            return loss
        self._set_learning_rate(step)
        before = [parameter.detach().clone() for _, parameter in self._named]
        losses = []
        for number in range(step.number, step.number + step.local_steps):
            losses.append(self._backward(number))
            self._optimizer.step()
        starts = iter(before)
        self._write(out, lambda parameter: parameter.detach().float() - next(starts).float())
        return sum(losses) / len(losses)

    def evaluate(self, model: Vector) -> Union[Evaluation, float]:
        self._load(model)
        self._model.eval()
        with torch.no_grad():
            return self._evaluate(self._model)

    def state(self) -> State:
        """The module's buffers and the optimiser's state; names carry the shapes, which checkpoints do not keep."""
        state = {f"buffer/{name}": _exact(name, buffer) for name, buffer in self._buffers().items()}
        if self._optimizer is not None:
            for index, entries in self._optimizer.state_dict()["state"].items():
                for key, value in entries.items():
                    if value is None:
                        continue
                    is_tensor = isinstance(value, Tensor)
                    shape = ",".join(map(str, value.shape)) if is_tensor else "number"
                    values = value if is_tensor else torch.tensor(value, dtype=torch.float64)
                    name = f"optimizer/{index}/{key}[{shape}]"
                    state[name] = _exact(name, values)
        return state

    def restore(self, state: State) -> None:
        buffers = {f"buffer/{name}": buffer for name, buffer in self._buffers().items()}
        entries: Dict[int, Dict[str, Any]] = {}
        for name, values in state.items():
            match = _STATE_NAME.match(name)
            if match is not None and self._optimizer is not None:
                entries.setdefault(int(match[1]), {})[match[2]] = _value(match[3], values)
            elif name not in buffers or buffers[name].numel() != values.size:
                raise ValueError(f"this model has no {name} of {values.size} numbers")
        missing = [name for name in buffers if name not in state]
        if missing:
            raise ValueError(f"the state has no {missing[0]}")
        if self._optimizer is not None:
            groups = self._optimizer.state_dict()["param_groups"]
            self._optimizer.load_state_dict({"state": entries, "param_groups": groups})
        for name, buffer in buffers.items():
            buffer.copy_(torch.from_numpy(state[name].copy()).reshape(buffer.shape))

    def _backward(self, number: int) -> float:
        """Gradients of one minibatch; dropout follows from the seed, the peer and its number."""
        torch.manual_seed(_mixed(self._run.seed, self._run.peer, number))
        self._model.zero_grad(set_to_none=True)
        loss = self._loss(self._model, self._batches(number))
        torch.autograd.backward(loss)
        return float(loss.detach())

    @torch.no_grad()
    def _load(self, vector: Vector) -> None:
        start = 0
        for _, parameter in self._named:
            end = start + parameter.numel()
            # A copy: PyTorch takes no read-only memory.
            parameter.copy_(torch.from_numpy(vector[start:end].copy()).reshape(parameter.shape))
            start = end

    def _write(self, out: Vector, value_of: Callable[[nn.Parameter], Optional[Tensor]]) -> None:
        start = 0
        for _, parameter in self._named:
            end = start + parameter.numel()
            value = value_of(parameter)
            out[start:end] = 0 if value is None else _array(value).reshape(-1)
            start = end

    def _set_learning_rate(self, step: Step) -> None:
        rate = self._learning_rate(step) if self._learning_rate is not None else None
        if rate is None or self._optimizer is None:
            return
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _buffers(self) -> Dict[str, Tensor]:
        return {name: buffer for name, buffer in self._model.named_buffers() if buffer.numel() > 0}

    def _require_own_parameters(self, optimizer: torch.optim.Optimizer) -> None:
        own = {id(parameter) for _, parameter in self._named}
        stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not own <= stepped:
            raise ValueError("the optimizer does not step every parameter that requires gradients: pass them to it")


def minibatches(run: Run, tensors: Sequence[Tensor], batch_size: int) -> Callable[[int], Tuple[Tensor, ...]]:
    """
    Minibatches of this peer's share of the examples, which is every ``run.peers``-th of them, beginning with its
    number. Every pass goes through the share in an order of its own; an incomplete last batch is left out.
    """
    share = [tensor[run.peer :: run.peers] for tensor in tensors]
    examples = len(share[0])
    size = min(batch_size, examples)
    if size == 0:
        raise ValueError(f"peer {run.peer} of {run.peers} has no examples: use fewer peers or more data")
    per_pass = examples // size

    def batch(number: int) -> Tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(_mixed(run.seed, run.peer, number // per_pass))
        order = torch.randperm(examples, generator=generator)
        start = (number % per_pass) * size
        chosen = order[start : start + size]
        return tuple(tensor[chosen.to(tensor.device)] for tensor in share)

    return batch


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mixed(*numbers: int) -> int:
    """A seed that follows from these numbers."""
    entropy = [number % 2**64 for number in numbers]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _array(tensor: Tensor) -> Vector:
    values: Vector = tensor.detach().to("cpu", torch.float32).numpy()
    return values


def _exact(name: str, value: Tensor) -> Vector:
    """A state as float32, which must lose nothing."""
    values = _array(value)
    if not torch.equal(torch.from_numpy(values).to(value.dtype), value.detach().cpu()):
        raise ValueError(f"{name} is {value.dtype}, and float32 does not hold its numbers")
    return values


def _value(shape: str, values: Vector) -> Union[Tensor, float, int]:
    if shape == "number":
        number = float(values[0])
        return int(number) if number.is_integer() else number
    sides = [int(side) for side in shape.split(",") if side]
    return torch.from_numpy(values.copy()).reshape(sides)
