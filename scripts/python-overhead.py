"""
What a peer in a Python program costs beside the plain PyTorch loop, on a model of 10 million parameters.

    npm run build && MURMUR_PYTHON=… python scripts/python-overhead.py [--steps 96] [--parameters 10000000]

Both loops run in this process, a block of H = 8 steps of one and then of the other. The plain loop has a model of its own. The
peer's neighbour is a second process. Prints medians: of steps without an exchange, and of steps with one, of which the wait for
the neighbour is a part. The last line is JSON. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src/clients/python/src"))
import murmuration  # noqa: E402

LOCAL_STEPS = 8
LAYERS = 10
BATCH = 32


def make(parameters: int) -> Tuple[nn.Module, torch.optim.Optimizer, torch.Tensor]:
    width = round((parameters / LAYERS) ** 0.5)
    torch.manual_seed(1)
    layers = [layer for _ in range(LAYERS) for layer in (nn.Linear(width, width), nn.Tanh())]
    model = nn.Sequential(*layers)
    return model, torch.optim.SGD(model.parameters(), lr=1e-3), torch.randn(BATCH, width)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: torch.Tensor) -> torch.Tensor:
    loss = (model(batch) - batch).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def join(arguments: argparse.Namespace, peer: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    experiment = {
        **{"rounds": arguments.steps // LOCAL_STEPS, "localSteps": LOCAL_STEPS, "closingRounds": 0},
        **{"consensusRate": 0.5, "compressor": "sign", "projectEvery": 0},
    }
    return murmuration.join(model, optimizer, topology=arguments.topology, id=peer, experiment=experiment)


def neighbour(arguments: argparse.Namespace) -> None:
    """Takes part without learning, so that the cores are the other one's."""
    model, optimizer, _ = make(arguments.parameters)
    with join(arguments, 1, model, optimizer) as peer:
        while not peer.is_finished:
            peer.step(0.0)


def measure(arguments: argparse.Namespace) -> None:
    plain, peers = make(arguments.parameters), make(arguments.parameters)
    times: Dict[str, List[float]] = {"plain": [], "local": [], "exchange": []}
    with join(arguments, 0, peers[0], peers[1]) as peer:
        for _ in range(arguments.steps // LOCAL_STEPS):
            for _ in range(LOCAL_STEPS):
                began = time.perf_counter()
                step(*plain)
                times["plain"].append(time.perf_counter() - began)
            for _ in range(LOCAL_STEPS):
                began = time.perf_counter()
                exchanged = peer.step(step(*peers))
                times["exchange" if exchanged else "local"].append(time.perf_counter() - began)
    medians = {name: 1000 * statistics.median(each) for name, each in times.items()}
    result = {
        "parameters": sum(parameter.numel() for parameter in peers[0].parameters()),
        "localSteps": LOCAL_STEPS,
        "plainStepMs": round(medians["plain"], 2),
        "localStepMs": round(medians["local"], 2),
        "overheadPerLocalStepMs": round(medians["local"] - medians["plain"], 2),
        "overheadPerExchangeMs": round(medians["exchange"] - medians["plain"], 2),
    }
    result["overheadPerStepMs"] = round(
        result["overheadPerLocalStepMs"] * (1 - 1 / LOCAL_STEPS) + result["overheadPerExchangeMs"] / LOCAL_STEPS, 2
    )
    print(f"{result['parameters']:,} parameters, medians of {arguments.steps} steps, an exchange every {LOCAL_STEPS}")
    print(f"a step of the plain loop            {result['plainStepMs']:8.2f} ms")
    print(f"a local step of the peer            {result['localStepMs']:8.2f} ms")
    print(f"more per step without an exchange   {result['overheadPerLocalStepMs']:8.2f} ms")
    print(f"more per exchange                   {result['overheadPerExchangeMs']:8.2f} ms")
    print(f"more per step, exchanges included   {result['overheadPerStepMs']:8.2f} ms")
    print(json.dumps(result))


def write_topology(folder: str) -> str:
    with socket.socket() as a, socket.socket() as b:
        for each in (a, b):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (a, b)]
    peers = [{"id": k, "listen": [f"/ip4/127.0.0.1/tcp/{port}"]} for k, port in enumerate(ports)]
    path = os.path.join(folder, "pair.json")
    Path(path).write_text(json.dumps({"graph": {"kind": "complete", "peers": 2}, "peers": peers}))
    keys = [*murmuration.runtime.command(), "keys", path]
    subprocess.run(keys, check=True, stdout=subprocess.DEVNULL)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=96, help="of each loop, a multiple of 8")
    parser.add_argument("--parameters", type=int, default=10_000_000)
    parser.add_argument("--topology", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.topology is not None:
        neighbour(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.topology = write_topology(folder)
        passed = ["--steps", str(arguments.steps), "--parameters", str(arguments.parameters)]
        other = subprocess.Popen([sys.executable, __file__, *passed, "--topology", arguments.topology])
        try:
            measure(arguments)
        finally:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
