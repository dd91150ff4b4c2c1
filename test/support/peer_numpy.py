"""A peer of its own without PyTorch: f(x) = sum (x_k - id)^2 / 2. Arguments: topology, id, what happens, settings."""

import json
import logging
import os
import signal
import sys

import numpy as np

from murmuration import Description, PeerFailed
from murmuration.peer import Peer, Settings

topology, peer_id, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
experiment = json.loads(sys.argv[4])
logging.basicConfig(level=logging.INFO, format="%(message)s")


class Point:
    returns = "model"

    def __init__(self):
        self.x = np.zeros(5, np.float32)

    def describe(self):
        return Description({"x": self.x})

    def share(self, point, out):
        self.x = point

    def load(self):
        pass

    def store(self):
        pass

    def evaluate(self):
        raise RuntimeError("no data to evaluate with") if how == "raises" else AssertionError

    def state(self):
        return {}

    def restore(self, state):
        pass

    def release(self):
        self.x = self.x.copy()


def happen(peer):
    if how == "killed":
        os.kill(peer._connection.pid, signal.SIGKILL)
    if how == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    if how == "closed":
        peer.close()
    if how == "forked" and os.fork() == 0:
        # A worker of a data loader, which outlives what happens and must hold nothing.
        os.closerange(0, 3)
        signal.pause()
    if how == "diverged":
        parameters.x[2] = np.nan


outcome = {}
parameters = Point()
try:
    with Peer(parameters, Settings(topology, peer_id, experiment), how == "raises") as peer:
        pid = peer._connection.pid
        folder = os.path.dirname(peer._files["vectors"])
        while not peer.is_finished:
            if peer.round == 2:
                happen(peer)
            parameters.x -= np.float32(0.1) * (parameters.x - np.float32(peer_id))
            if peer._count(0.5):
                peer._exchange(peer._losses)
    outcome["digest"] = peer.digest
except (PeerFailed, RuntimeError, KeyboardInterrupt) as error:
    outcome = {"error": type(error).__name__, "message": str(error), "exit_code": getattr(error, "exit_code", None)}
outcome["x"] = np.nan_to_num(parameters.x).tolist()
if "pid" in globals():
    outcome["is_folder_left"] = os.path.exists(folder)
    try:
        os.kill(pid, 0)
        outcome["is_process_left"] = True
    except ProcessLookupError:
        outcome["is_process_left"] = False
print(json.dumps(outcome))
