"""How a program becomes a peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

from .peer import Evaluate, PathOrText, Settings

if TYPE_CHECKING:
    import torch

    from .torch_peer import TorchPeer


def join(
    model: torch.nn.Module,
    optimizer: Optional[torch.optim.Optimizer] = None,
    *,
    topology: PathOrText,
    id: int,
    experiment: Union[PathOrText, Mapping[str, Any], None] = None,
    evaluate: Optional[Evaluate] = None,
    data: Optional[str] = None,
    keys: Optional[PathOrText] = None,
    out: Optional[PathOrText] = None,
    save: Optional[PathOrText] = None,
    checkpoints: Optional[PathOrText] = None,
    resume: bool = False,
    allow_different_data: bool = False,
    deadlines: Optional[Mapping[str, float]] = None,
    arguments: Sequence[str] = (),
) -> TorchPeer:
    """
    Makes this process a peer of a run. Returns when every neighbour is there.

    Parameters that require gradients are exchanged, in float32 whatever their type and device; all peers must start from
    the same ones. What the optimiser and the buffers hold stays with the peer. The runtime is a process of its own, which
    ends with this one.

    Raises ``PeerFailed``, whose message has what the runtime reported, and ``FileNotFoundError`` without a runtime.

    :param optimizer: its state is part of checkpoints
    :param topology: topology file, with the keys and addresses of ``murmur keys``
    :param id: number of this peer in the topology
    :param experiment: experiment file, or its fields
    :param evaluate: evaluates a module, which is in evaluation mode, without gradients; asked every ``evaluateEvery`` rounds
    :param data: what is learned from, such as a digest; neighbours compare it unless they allow different data
    :param keys: folder of the keys; beside the topology where left out
    :param out: folder for the log, for ``murmur inspect``
    :param save: folder for the trained model, as safetensors
    :param checkpoints: folder for checkpoints; with ``resume`` the peer goes on from the last one, in round ``peer.round``
    :param deadlines: most seconds that this process may take, by request: ``{"step": 3600}`` for the steps of a round
    :param arguments: further ones of ``murmur peer``, such as ``["--metrics", "0"]``
    """
    from .torch_peer import TorchPeer

    settings = Settings(
        topology=topology,
        id=id,
        experiment=experiment,
        keys=keys,
        out=out,
        save=save,
        checkpoints=checkpoints,
        resume=resume,
        allow_different_data=allow_different_data,
        deadlines=deadlines,
        arguments=arguments,
    )
    return TorchPeer(model, optimizer, settings, evaluate, data)
