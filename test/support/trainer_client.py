"""The trainer of trainer_plain.py through the Python client. It prints, which must not reach the protocol."""

import numpy as np

import murmuration

LENGTH = 6


class Parabola:
    def __init__(self, run):
        self.run = run
        self.steps = 0

    def describe(self):
        print("described")
        return murmuration.Description({"x": np.full((2, 3), 0.5)}, data="none", model="parabola")

    def step(self, point, out, step):
        print("step", step.number)
        if self.run.options.get("fails"):
            raise ValueError("no batch\nleft")
        self.steps += 1
        out[:] = point - self._optimum(self.run.peer)
        return float("nan") if self.run.options.get("diverges") else self._loss(point, self.run.peer)

    def evaluate(self, model):
        return self._loss(model, (self.run.peers - 1) / 2)

    def state(self):
        return {"steps": np.array([self.steps])}

    def restore(self, state):
        self.steps = int(state["steps"][0])

    def _optimum(self, peer):
        return np.float32(peer) + np.arange(LENGTH, dtype=np.float32) / 8

    def _loss(self, point, peer):
        return float(np.sum((point.astype(float) - self._optimum(peer)) ** 2) / 2)


murmuration.serve(Parabola)
