"""
One task, as a trainer program and as a peer of its own. Arguments: "serve" and the type of the parameters; or "join", the
type, topology, id and a JSON object with further arguments of join.
"""

import hashlib
import json
import os
import signal
import sys

import torch
from torch import nn

import murmuration
from murmuration.pytorch import TorchTrainer, minibatches

torch.set_num_threads(1)
way, dtype = sys.argv[1], getattr(torch, sys.argv[2])
SEED = 5
generator = torch.Generator().manual_seed(3)
inputs = torch.randn(64, 4, generator=generator).to(dtype)
targets = (inputs.float() @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 1).to(dtype)


def make_model():
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).to(dtype)
    model[0].bias.requires_grad_(False)
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def loss_of(model, batch):
    return nn.functional.mse_loss(model(batch[0]).float(), batch[1].float())


def evaluate(model):
    return float(loss_of(model, (inputs, targets)))


if way == "serve":

    def make(run):
        model, optimizer = make_model()
        return TorchTrainer(run, model, optimizer, minibatches(run, [inputs, targets], 8), loss_of, evaluate)

    murmuration.serve(make)
else:
    topology, peer_id, settings = sys.argv[3], int(sys.argv[4]), json.loads(sys.argv[5])
    dies_in = settings.pop("dies_in", None)
    run = murmuration.Run(seed=SEED, peer=peer_id, peers=2, update="own", options={}, paths={})
    batches = minibatches(run, [inputs, targets], 8)
    model, optimizer = make_model()
    with murmuration.join(model, optimizer, topology=topology, id=peer_id, evaluate=evaluate, **settings) as peer:
        step = peer.round * peer.local_steps
        first = model[0].weight
        while not peer.is_finished:
            if peer.round == dies_in:
                os.kill(os.getpid(), signal.SIGKILL)
            model.train()
            optimizer.zero_grad()
            loss = loss_of(model, batches(step))
            loss.backward()
            optimizer.step()
            exchanged = peer.step(loss)
            step += 1
            assert exchanged == (step % peer.local_steps == 0), step
    assert model[0].weight is first
    trained = [p.detach().float().reshape(-1) for p in model.parameters() if p.requires_grad]
    own = hashlib.sha256(torch.cat(trained).numpy().tobytes()).hexdigest()
    print(json.dumps({"digest": peer.digest, "own": own, "report": peer.report.__dict__, "round": peer.round}, default=vars))
