"""A PyTorch model of this process as a peer."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Optional, Union

import torch
from torch import Tensor, nn

from .peer import Evaluate, Peer, Settings
from .torch_module import TrainedModule
from .trainer import Description, Evaluation, State, Vector


class TorchPeer(Peer):
    """The peer that ``join`` makes of a module."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optional[torch.optim.Optimizer],
        settings: Settings,
        evaluate: Optional[Evaluate],
        data: Optional[str],
    ) -> None:
        super().__init__(ModuleParameters(model, optimizer, evaluate, data), settings, evaluate is not None)

    def step(self, loss: Union[Tensor, float, None] = None) -> bool:
        """
        Call it after every step of the optimiser. With the round's last one it exchanges with the neighbours, and
        changes the parameters in place.

        Returns whether it has exchanged. Raises ``PeerFailed``; the parameters may be partly exchanged then.

        :param loss: training loss of the step, for the reports
        """
        if not self._count(loss.detach() if isinstance(loss, Tensor) else loss):
            return False
        self._exchange([float(each) for each in self._losses])
        return True


class ModuleParameters:
    """
    The trained parameters of a module. Those of float32 in main memory become views of the shared file, so that an
    exchange copies nothing here; of the others the file has the float32 master copy.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optional[torch.optim.Optimizer],
        evaluate: Optional[Evaluate],
        data: Optional[str],
    ) -> None:
        self._trained = TrainedModule(model, optimizer)
        self._evaluate = evaluate
        self._data = data
        self._point: List[Tensor] = []
        self._out: List[Tensor] = []
        self._starts: List[Tensor] = []
        self._parameters = [parameter for _, parameter in self._trained.named]
        is_exact = all(parameter.dtype == torch.float32 for parameter in self._parameters)
        # What a lower precision has made of the master copy is no change of the model.
        self.returns: Literal["model", "update"] = "model" if is_exact else "update"

    def describe(self) -> Description:
        return self._trained.describe(self._data)

    def share(self, point: Vector, out: Vector) -> None:
        start = 0
        for parameter in self._parameters:
            end = start + parameter.numel()
            # Each with a storage of its own: a common one is taken for tied weights where a model is saved.
            self._point.append(torch.from_numpy(point[start:end]).view(parameter.shape))
            self._out.append(torch.from_numpy(out[start:end]).view(parameter.shape))
            if self.returns == "model" and parameter.device.type == "cpu" and parameter.is_contiguous():
                parameter.data = self._point[-1]
            start = end

    @torch.no_grad()
    def load(self) -> None:
        for parameter, point in zip(self._parameters, self._point):
            if not _is_view(parameter, point):
                parameter.copy_(point)
        if self.returns == "update":
            self._starts = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def store(self) -> None:
        if self.returns == "update":
            for parameter, start, out in zip(self._parameters, self._starts, self._out):
                out.copy_(parameter.float() - start.float())
            return
        for parameter, point in zip(self._parameters, self._point):
            if not _is_view(parameter, point):
                point.copy_(parameter)

    def evaluate(self) -> Union[Evaluation, float]:
        if self._evaluate is None:
            raise RuntimeError("there is nothing to evaluate the model with")
        modes: Dict[nn.Module, bool] = {module: module.training for module in self._trained.model.modules()}
        self._trained.model.eval()
        try:
            with torch.no_grad():
                result: Any = self._evaluate(self._trained.model)
        finally:
            for module, is_training in modes.items():
                module.training = is_training
        return result if isinstance(result, Evaluation) else float(result)

    def state(self) -> State:
        return self._trained.state()

    def restore(self, state: State) -> None:
        self._trained.restore(state)

    def release(self) -> None:
        for parameter, point in zip(self._parameters, self._point):
            if _is_view(parameter, point):
                parameter.data = parameter.data.clone()
        self._point, self._out, self._starts = [], [], []


def _is_view(parameter: nn.Parameter, point: Tensor) -> bool:
    return parameter.data_ptr() == point.data_ptr()
