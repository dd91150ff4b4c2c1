"""A linear regression with batch normalisation as a TorchTrainer."""

import torch
from torch import nn

import murmuration
from murmuration.pytorch import TorchTrainer, minibatches


def make(run):
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(64, 4, generator=generator)
    targets = inputs @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 1
    torch.manual_seed(run.seed)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1))
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01) if run.update == "own" else None
    return TorchTrainer(
        run,
        model,
        optimizer,
        batches=minibatches(run, [inputs, targets], 8),
        loss=lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]),
        evaluate=lambda model: float(nn.functional.mse_loss(model(inputs), targets)),
    )


murmuration.serve(make)
