"""One peer's trainer: Murmuration starts this program once per peer."""

import murmuration
import torch
from murmuration.pytorch import TorchTrainer, minibatches

from model import accuracy, create_model, test_examples, training_examples

# Peers of one machine share its cores.
torch.set_num_threads(1)
cross_entropy = torch.nn.functional.cross_entropy


def loss(model, batch):
    points, arms = batch
    return cross_entropy(model(points), arms)


def evaluate(model):
    points, arms = test_examples()
    return murmuration.Evaluation(cross_entropy(model(points), arms).item(), accuracy(model, points, arms))


def make(run):
    model = create_model(run.seed)
    return TorchTrainer(
        run,
        model,
        torch.optim.Adam(model.parameters()),
        # This peer's part of the training examples.
        minibatches(run, training_examples(), 32),
        loss,
        evaluate,
        learning_rate=lambda step: step.learning_rate,
    )


murmuration.serve(make)
