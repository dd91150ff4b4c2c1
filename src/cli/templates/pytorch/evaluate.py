"""Prints the accuracy of a saved model: python3 evaluate.py MODEL.safetensors"""

import sys

from safetensors.torch import load_file

from model import accuracy, create_model, test_examples

model = create_model(seed=0)
model.load_state_dict(load_file(sys.argv[1]))
model.eval()
print(f"accuracy {100 * accuracy(model, *test_examples()):.1f} % of 300 test examples")
