"""
LoRA: four peers adapt a pretrained GPT to text of their own, and only the adapters travel. An adapter adds B·A to a weight.

The mean of the peers' changes is the mean of the products B·A. Averaging A and B apart gives another model, since
mean(B)·mean(A) is not mean(B·A). With A frozen to the same random numbers for all peers (FFA-LoRA, Sun et al. 2024) the two
are the same, and half as many numbers travel. Prints a table of both.

    python lora.py [--text FILE]

The base model learns the text; the peers adapt it to the text with upper and lower case swapped, each to a part of its own.
The text is the source code of Python's standard library unless a file is given.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import torch
from gpt import BATCH, PEERS, SEED, Gpt, batch_of, loss_of, read_text
from local import print_table, run_peers, write_topology
from torch import Tensor, nn

import murmuration

RANK, ROUNDS, LOCAL_STEPS, LEARNING_RATE = 4, 2, 128, 2e-2
SHAPE = {"width": 64, "heads": 4, "layers": 2}
# All peers exchange whole adapters with all others, so that an exchange is the exact mean.
EXPERIMENT = {
    **{"algorithm": "all-reduce", "compressor": "identity", "closingRounds": 0},
    **{"rounds": ROUNDS, "localSteps": LOCAL_STEPS, "seed": SEED},
}
WAYS = {"A and B, averaged apart": False, "B alone, A frozen": True}


class Adapted(nn.Module):
    """A linear layer that is frozen, plus B·A."""

    def __init__(self, linear: nn.Linear, freezes: bool) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.randn(RANK, linear.in_features) / linear.in_features**0.5, requires_grad=not freezes)
        self.b = nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x) + x @ self.a.T @ self.b.T
        return y


def adapt(model: nn.Module, freezes: bool) -> List[Adapted]:
    """Puts an adapter beside every linear layer. The same for every peer."""
    torch.manual_seed(SEED)
    model.requires_grad_(False)
    adapters = []
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and not isinstance(module, Adapted):
                adapters.append(Adapted(child, freezes))
                setattr(module, name, adapters[-1])
    return adapters


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, text: Tensor, generator: torch.Generator) -> Any:
    """Losses of one step after another."""
    while True:
        loss = loss_of(model, batch_of(text, BATCH, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss


def swapped(text: Tensor) -> Tensor:
    return torch.tensor(list(bytes(text.tolist()).swapcase()))


def train(arguments: argparse.Namespace) -> None:
    text = swapped(read_text(arguments.text))
    share = text[: len(text) * 9 // 10].tensor_split(PEERS)[arguments.peer]
    model = Gpt(**SHAPE)
    model.load_state_dict(torch.load(Path(arguments.folder) / "base.pt"))
    adapters = adapt(model, WAYS[arguments.way])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    learning = steps(model, optimizer, share, torch.Generator().manual_seed(1000 + arguments.peer))
    with murmuration.join(model, optimizer, topology=arguments.topology, experiment=EXPERIMENT, id=arguments.peer) as peer:
        while not peer.is_finished:
            loss = next(learning)
            own = [(adapter.a.detach().clone(), adapter.b.detach().clone()) for adapter in adapters]
            peer.step(loss)
    # The peer's adapters before the last exchange, and after it.
    means = [(adapter.a.detach(), adapter.b.detach()) for adapter in adapters]
    torch.save({"own": own, "means": means}, Path(arguments.folder) / f"adapters-{arguments.peer}.pt")
    print(json.dumps({"sent": peer.report.bytes_sent if peer.report else 0, "parameters": sum(p.numel() for p in trained)}))


@torch.no_grad()
def held_out_loss(base: Dict[str, Any], products: List[Tensor], tests: List[Tensor]) -> float:
    """Of the base model with these changes of its layers."""
    model = Gpt(**SHAPE)
    model.load_state_dict(base)
    for adapter, product in zip(adapt(model, True), products):
        adapter.linear.weight += product
    return sum(float(loss_of(model, batch)) for batch in tests) / len(tests)


def compare(arguments: argparse.Namespace) -> None:
    text = read_text(arguments.text)
    train_end = len(text) * 9 // 10
    held_out = torch.Generator().manual_seed(SEED)
    tests = [batch_of(swapped(text[train_end:]), BATCH, held_out) for _ in range(16)]
    torch.manual_seed(SEED)
    model = Gpt(**SHAPE)
    learning = steps(model, torch.optim.AdamW(model.parameters(), lr=3e-3), text[:train_end], held_out)
    for _ in range(arguments.base_steps):
        next(learning)
    base = {name: values.clone() for name, values in model.state_dict().items()}
    rows: List[List[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        torch.save(base, Path(folder) / "base.pt")
        topology = str(write_topology(Path(folder), {"kind": "complete", "peers": PEERS}))
        for way in WAYS:
            peers = run_peers(PEERS, ["--way", way, "--topology", topology, "--folder", folder, "--text", arguments.text])
            saved = [torch.load(Path(folder) / f"adapters-{peer}.pt") for peer in range(PEERS)]
            own = [[b @ a for a, b in each["own"]] for each in saved]
            exact = [torch.stack(layer).mean(0) for layer in zip(*own)]
            exchanged = [b @ a for a, b in saved[0]["means"]]
            error = sum((x - y).square().sum() for x, y in zip(exchanged, exact)).sqrt()
            size = sum(x.square().sum() for x in exact).sqrt()
            losses = [held_out_loss(base, products, tests) for products in (exact, exchanged)]
            rows.append(
                [way, f"{peers[0]['parameters']:,}", f"{peers[0]['sent'] / 1e6:.2f} MB", f"{float(error / size):.1e}"]
                + [f"{loss:.3f}" for loss in losses]
            )
        before = held_out_loss(base, [torch.zeros_like(x) for x in exact], tests)
    numbers = sum(parameter.numel() for parameter in Gpt(**SHAPE).parameters())
    print(f"base model: {numbers:,} parameters, held-out loss {before:.3f} before it is adapted\n")
    print_table(["exchanged", "parameters", "sent per peer", "error", "loss of mean(B·A)", "loss after the exchange"], rows)
    print("\nerror: |mean(B) mean(A) - mean(B A)| / |mean(B A)| in the last exchange")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default="", help="file to learn from")
    parser.add_argument("--base-steps", type=int, default=300, help="steps in which the base model is made")
    for hidden, kind in (("--peer", int), ("--way", str), ("--topology", str), ("--folder", str)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    given = parser.parse_args()
    # Peers share the cores.
    torch.set_num_threads(1)
    compare(given) if given.peer is None else train(given)
