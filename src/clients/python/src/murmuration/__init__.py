"""Trainer programs for Murmuration: what a peer trains, written in Python."""

from .serving import serve
from .trainer import Description, Evaluation, Run, State, Step, Trainer, Vector

__all__ = ["Description", "Evaluation", "Run", "State", "Step", "Trainer", "Vector", "serve"]
