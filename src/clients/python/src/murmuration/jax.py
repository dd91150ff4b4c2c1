"""
JAX: parameters are a pytree of arrays, which is given to every step and returned by it.

    peer = murmuration.jax.join(params, topology="ring.json", id=0)
    for batch in batches:
        params, state, loss = update(params, state, batch)
        params = peer.step(params, loss)
    params = peer.close()
"""

from __future__ import annotations

from typing import Any, List, Literal, Optional, Tuple, Union

import jax
import jax.numpy as jnp
import numpy as np

from .peer import Evaluate, PathOrText, Peer, Settings
from .trainer import Description, Evaluation, State, Vector

Tree = Any
"""A pytree whose leaves are arrays of floating point."""


def join(
    parameters: Tree,
    *,
    topology: PathOrText,
    id: int,
    evaluate: Optional[Evaluate] = None,
    data: Optional[str] = None,
    **settings: Any,
) -> TreePeer:
    """
    Makes this process a peer; see ``murmuration.join``. The optimiser's state is not part of checkpoints.

    :param parameters: the same for every peer
    """
    return TreePeer(TreeParameters(parameters, evaluate, data), Settings(topology, id, **settings), evaluate is not None)


class TreePeer(Peer):
    """The peer that ``join`` makes of a pytree."""

    _parameters: TreeParameters

    @property
    def parameters(self) -> Tree:
        """The model after the last exchange."""
        return self._parameters.tree

    def step(self, parameters: Tree, loss: Any = None) -> Tree:
        """
        Call it after every step of the optimiser. With the round's last one it exchanges with the neighbours.

        Returns the parameters to go on with. Raises ``PeerFailed``.

        :param loss: training loss of the step, for the reports
        """
        if not self._count(loss):
            return parameters
        self._parameters.tree = parameters
        self._exchange([float(each) for each in self._losses])
        return self._parameters.tree

    def close(self) -> Tree:
        """As ``Peer.close``. Returns the parameters after the closing consensus."""
        super().close()
        return self._parameters.tree


class TreeParameters:
    """The leaves of a pytree, one after another."""

    def __init__(self, tree: Tree, evaluate: Optional[Evaluate], data: Optional[str]) -> None:
        leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
        self._structure: Any = structure
        self._named: List[Tuple[str, Any]] = [
            (jax.tree_util.keystr(path) or "parameters", jnp.asarray(leaf)) for path, leaf in leaves
        ]
        for name, leaf in self._named:
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                raise TypeError(f"parameter {name} is {leaf.dtype}: only real floating point is trained")
        self.tree = tree
        self._evaluate = evaluate
        self._data = data
        self._point = self._out = np.zeros(0, np.float32)
        self._start = np.zeros(0, np.float32)
        is_exact = all(leaf.dtype == jnp.float32 for _, leaf in self._named)
        # What a lower precision has made of the master copy is no change of the model.
        self.returns: Literal["model", "update"] = "model" if is_exact else "update"

    def describe(self) -> Description:
        tensors = {name: np.asarray(leaf, dtype=np.float32) for name, leaf in self._named}
        return Description(tensors, data=self._data, model=f"pytree of {len(tensors)} arrays")

    def share(self, point: Vector, out: Vector) -> None:
        self._point, self._out = point, out

    def load(self) -> None:
        leaves = []
        start = 0
        for _, like in self._named:
            end = start + like.size
            # A copy: JAX may take memory of NumPy as it is, and the file changes.
            leaves.append(jnp.array(self._point[start:end].reshape(like.shape).copy(), dtype=like.dtype))
            start = end
        self.tree = jax.tree_util.tree_unflatten(self._structure, leaves)
        if self.returns == "update":
            self._start = self._flat()

    def store(self) -> None:
        if self.returns == "update":
            np.subtract(self._flat(), self._start, out=self._out)
        else:
            self._point[:] = self._flat()

    def evaluate(self) -> Union[Evaluation, float]:
        if self._evaluate is None:
            raise RuntimeError("there is nothing to evaluate the model with")
        result = self._evaluate(self.tree)
        return result if isinstance(result, Evaluation) else float(result)

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        if state:
            raise ValueError("a pytree has no state beside its parameters")

    def release(self) -> None:
        self._point = self._out = self._start = np.zeros(0, np.float32)

    def _flat(self) -> Vector:
        leaves, structure = jax.tree_util.tree_flatten(self.tree)
        shapes = [leaf.shape for leaf in leaves]
        if structure != self._structure or shapes != [like.shape for _, like in self._named]:
            raise ValueError(f"step was given {structure} with shapes {shapes}: give it the tree of join")
        return np.concatenate([np.asarray(leaf, dtype=np.float32).reshape(-1) for leaf in leaves])
