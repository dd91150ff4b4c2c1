"""Murmuration from Python: a model of this process as a peer, and programs that train for a peer."""

from .errors import PeerFailed
from .joining import join
from .peer import Peer, Report
from .serving import serve
from .trainer import Description, Evaluation, Run, State, Step, Trainer, Vector

__all__ = [
    "Description",
    "Evaluation",
    "Peer",
    "PeerFailed",
    "Report",
    "Run",
    "State",
    "Step",
    "Trainer",
    "Vector",
    "join",
    "serve",
]
