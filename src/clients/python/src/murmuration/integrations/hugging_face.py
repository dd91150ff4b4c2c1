"""
A callback that makes the model of a ``transformers.Trainer`` a peer.

    trainer = Trainer(model=model, args=args, train_dataset=dataset,
                      callbacks=[MurmurationCallback(topology="ring.json", experiment="experiment.json", id=0)])
    trainer.train()
"""

from __future__ import annotations

from typing import Any, Optional

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..errors import PeerFailed
from ..joining import join
from ..torch_peer import TorchPeer


class MurmurationCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """
    Exchanges after every ``localSteps`` steps of the trainer's optimiser, and stops the trainer after the run's last
    round. The trainer must make all of the run's steps: ``max_steps`` at least ``rounds`` times ``localSteps``.

    :param settings: arguments of ``murmuration.join`` after the optimiser
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self.peer: Optional[TorchPeer] = None
        """While training, and afterwards."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.peer = peer = join(kwargs["model"], kwargs.get("optimizer"), **self._settings)
        needed = (peer.rounds - peer.round) * peer.local_steps
        if state.max_steps - state.global_step < needed:
            peer.stop()
            raise PeerFailed(
                f"the trainer makes {state.max_steps - state.global_step} steps, and the run needs {needed}"
                f" ({peer.rounds - peer.round} rounds of {peer.local_steps}): raise max_steps, or lower rounds"
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.peer is None or self.peer.is_finished:
            return
        self.peer.step()
        if self.peer.is_finished:
            control.should_training_stop = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.peer is not None:
            self.peer.close()
