"""A PyTorch model as a trainer."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn

from .torch_module import TrainedModule, array
from .trainer import Description, Evaluation, Run, State, Step, Vector


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
        self._trained = TrainedModule(model, optimizer)
        self._optimizer = optimizer
        self._batches = batches
        self._loss = loss
        self._evaluate = evaluate
        self._learning_rate = learning_rate
        self._data = data

    def describe(self) -> Description:
        return self._trained.describe(self._data)

    def step(self, point: Vector, out: Vector, step: Step) -> float:
        self._trained.load(point)
        self._model.train()
        if self._optimizer is None:
            loss = self._backward(step.number)
            self._write(out, lambda parameter: parameter.grad)
            return loss
        self._set_learning_rate(step)
        before = [parameter.detach().clone() for _, parameter in self._trained.named]
        losses = []
        for number in range(step.number, step.number + step.local_steps):
            losses.append(self._backward(number))
            self._optimizer.step()
        starts = iter(before)
        self._write(out, lambda parameter: parameter.detach().float() - next(starts).float())
        return sum(losses) / len(losses)

    def evaluate(self, model: Vector) -> Union[Evaluation, float]:
        self._trained.load(model)
        self._model.eval()
        with torch.no_grad():
            return self._evaluate(self._model)

    def state(self) -> State:
        return self._trained.state()

    def restore(self, state: State) -> None:
        self._trained.restore(state)

    def _backward(self, number: int) -> float:
        """Gradients of one minibatch; dropout follows from the seed, the peer and its number."""
        torch.manual_seed(_mixed(self._run.seed, self._run.peer, number))
        self._model.zero_grad(set_to_none=True)
        loss = self._loss(self._model, self._batches(number))
        torch.autograd.backward(loss)
        return float(loss.detach())

    def _write(self, out: Vector, value_of: Callable[[nn.Parameter], Optional[Tensor]]) -> None:
        start = 0
        for _, parameter in self._trained.named:
            end = start + parameter.numel()
            value = value_of(parameter)
            out[start:end] = 0 if value is None else array(value).reshape(-1)
            start = end

    def _set_learning_rate(self, step: Step) -> None:
        rate = self._learning_rate(step) if self._learning_rate is not None else None
        if rate is None or self._optimizer is None:
            return
        for group in self._optimizer.param_groups:
            group["lr"] = rate


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


def _mixed(*numbers: int) -> int:
    """A seed that follows from these numbers."""
    entropy = [number % 2**64 for number in numbers]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
