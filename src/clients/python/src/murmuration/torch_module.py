"""A PyTorch module with its optimiser: what of them is exchanged, and what stays with the peer."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn

from .trainer import Description, State, Vector

_STATE_NAME = re.compile(r"^optimizer/(\d+)/(.+)\[(number|[\d,]*)\]$")


class TrainedModule:
    """The parameters that require gradients are exchanged; the buffers and the optimiser's state stay with the peer."""

    def __init__(self, model: nn.Module, optimizer: Optional[torch.optim.Optimizer]) -> None:
        self.model = model
        self.named: List[Tuple[str, nn.Parameter]] = [
            (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
        ]
        """The trained parameters, in the order of the model vector."""
        self._optimizer = optimizer
        if not self.named:
            raise ValueError("no parameter requires gradients: there is nothing to train")
        for name, parameter in self.named:
            if not parameter.is_floating_point():
                raise TypeError(f"parameter {name} is {parameter.dtype}: only real floating point is trained")
        if optimizer is not None:
            self._require_own_parameters(optimizer)

    def describe(self, data: Optional[str]) -> Description:
        tensors = {name: array(parameter) for name, parameter in self.named}
        local = {f"buffer/{name}": tuple(buffer.shape) for name, buffer in self._buffers().items()}
        return Description(tensors, local, data=data, model=_digest(str(self.model)))

    @torch.no_grad()
    def load(self, vector: Vector) -> None:
        start = 0
        for _, parameter in self.named:
            end = start + parameter.numel()
            # A copy: PyTorch takes no read-only memory.
            parameter.copy_(torch.from_numpy(vector[start:end].copy()).reshape(parameter.shape))
            start = end

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

    def _buffers(self) -> Dict[str, Tensor]:
        return {name: buffer for name, buffer in self.model.named_buffers() if buffer.numel() > 0}

    def _require_own_parameters(self, optimizer: torch.optim.Optimizer) -> None:
        own = {id(parameter) for _, parameter in self.named}
        stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not own <= stepped:
            raise ValueError("the optimizer does not step every parameter that requires gradients: pass them to it")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def array(tensor: Tensor) -> Vector:
    values: Vector = tensor.detach().to("cpu", torch.float32).numpy()
    return values


def _exact(name: str, value: Tensor) -> Vector:
    """A state as float32, which must lose nothing."""
    values = array(value)
    if not torch.equal(torch.from_numpy(values).to(value.dtype), value.detach().cpu()):
        raise ValueError(f"{name} is {value.dtype}, and float32 does not hold its numbers")
    return values


def _value(shape: str, values: Vector) -> Union[Tensor, float, int]:
    if shape == "number":
        number = float(values[0])
        return int(number) if number.is_integer() else number
    sides = [int(side) for side in shape.split(",") if side]
    return torch.from_numpy(values.copy()).reshape(sides)
