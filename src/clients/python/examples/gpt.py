"""
A GPT of 1.0 million parameters on text, trained by four peers in PyTorch: edge-choco with one bit per parameter and an
exchange after every eighth step, against all-reduce after every step and after every eighth. Prints a table.

    python gpt.py [--text FILE]

The text is the source code of Python's standard library unless a file is given.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import torch
from local import print_table, run_peers, write_topology
from torch import Tensor, nn

import murmuration

PEERS = 4
CHARACTERS, CONTEXT, WIDTH, HEADS, LAYERS, BATCH = 128, 64, 128, 4, 5, 8
LEARNING_RATE = 1e-3
HELD_OUT_BATCHES = 16
SEED = 1

RUNS: Dict[str, Dict[str, Any]] = {
    "all-reduce, H = 1": {"algorithm": "all-reduce", "compressor": "identity", "localSteps": 1},
    "all-reduce, H = 8": {"algorithm": "all-reduce", "compressor": "identity", "localSteps": 8},
    "edge-choco, 1 bit, H = 8": {"algorithm": "edge-choco", "compressor": "sign", "localSteps": 8},
}


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        heads = self.attention(self.norms[0](x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norms[1](x))


class Gpt(nn.Module):
    def __init__(self, width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> None:
        super().__init__()
        self.tokens = nn.Embedding(CHARACTERS, width)
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.blocks(self.tokens(tokens) + self.positions[: tokens.shape[1]])
        return self.norm(x) @ self.tokens.weight.T


def loss_of(model: nn.Module, batch: Tensor) -> Tensor:
    logits = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.reshape(-1, CHARACTERS), batch[:, 1:].reshape(-1))


def standard_library() -> str:
    """The source code that comes with this Python."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    return "".join(file.read_text(encoding="utf8", errors="ignore") for file in files)


def read_text(path: str) -> Tensor:
    """Its ASCII characters."""
    text = Path(path).read_text(encoding="utf8", errors="ignore") if path else standard_library()
    return torch.tensor(list(text.encode("ascii", "ignore")), dtype=torch.long)


def batch_of(text: Tensor, size: int, generator: torch.Generator) -> Tensor:
    starts = torch.randint(len(text) - CONTEXT - 1, (size,), generator=generator)
    return torch.stack([text[start : start + CONTEXT + 1] for start in starts.tolist()])


def train(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    text = read_text(arguments.text)
    train_end = len(text) * 9 // 10
    share = text[:train_end].tensor_split(PEERS)[arguments.peer]
    held_out = torch.Generator().manual_seed(SEED)
    tests = [batch_of(text[train_end:], BATCH, held_out) for _ in range(HELD_OUT_BATCHES)]
    torch.manual_seed(SEED)
    model = Gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(1000 + arguments.peer)
    settings = RUNS[arguments.run]
    rounds = arguments.steps // settings["localSteps"]
    # Without the closing consensus, which sends a few whole models: the peers' losses show how far they agree.
    experiment = {**settings, "rounds": rounds, "closingRounds": 0, "seed": SEED}
    with murmuration.join(model, optimizer, topology=arguments.topology, experiment=experiment, id=arguments.peer) as peer:
        while not peer.is_finished:
            loss = loss_of(model, batch_of(share, BATCH, generator))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            peer.step(loss)
    with torch.no_grad():
        losses = [float(loss_of(model, batch)) for batch in tests]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sent = peer.report.bytes_sent if peer.report else 0
    print(json.dumps({"loss": sum(losses) / len(losses), "sent": sent, "parameters": parameters, "rounds": peer.rounds}))


def compare(arguments: argparse.Namespace) -> None:
    rows: List[List[str]] = []
    most = 0
    with tempfile.TemporaryDirectory() as folder:
        graphs = {
            "all-reduce": write_topology(Path(folder), {"kind": "complete", "peers": PEERS}),
            "edge-choco": write_topology(Path(folder), {"kind": "ring", "peers": PEERS}),
        }
        for name, settings in RUNS.items():
            began = time.monotonic()
            graph = graphs[settings["algorithm"]]
            passed = ["--run", name, "--topology", str(graph), "--steps", str(arguments.steps), "--text", arguments.text]
            peers = run_peers(PEERS, passed)
            losses = [peer["loss"] for peer in peers]
            sent = max(peer["sent"] for peer in peers)
            most = max(most, sent)
            if not rows:
                print(f"{peers[0]['parameters']:,} parameters, {arguments.steps} steps of {PEERS} peers\n", flush=True)
            rows.append(
                [name, f"{min(losses):.3f}", f"{max(losses):.3f}", str(peers[0]["rounds"])]
                + [f"{sent / 1e6:.2f} MB", f"{most / sent:.0f}×", f"{time.monotonic() - began:.0f} s"]
            )
    print_table(["run", "best peer's loss", "worst peer's", "exchanges", "sent per peer", "fewer bytes", "time"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default="", help="file to learn from")
    parser.add_argument("--steps", type=int, default=160, help="optimiser steps of each peer, a multiple of 8")
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--topology", help=argparse.SUPPRESS)
    given = parser.parse_args()
    compare(given) if given.peer is None else train(given)
