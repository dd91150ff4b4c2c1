"""What an MLP of a safetensors file answers, computed with numpy alone.

python mlp.py MODEL DATA.csv    the probabilities of each row, as JSON
python mlp.py MODEL --copy FILE writes the tensors anew, with the library's own writer
"""
import csv
import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

model, second = sys.argv[1], sys.argv[2]
with safe_open(model, framework="numpy") as file:
    metadata = file.metadata()
    tensors = {name: file.get_tensor(name) for name in file.keys()}

if second == "--copy":
    save_file(tensors, sys.argv[3], metadata=metadata)
    sys.exit()

examples = json.loads(metadata["examples"])
scaling = examples["scaling"]
with open(second, newline="") as table:
    rows = list(csv.reader(table))[1:]
x = np.array([[float(field) for field in row[:-1]] for row in rows], dtype=np.float64)
x = ((x - scaling["mean"]) * scaling["factor"]).astype(np.float32)
layers = 1 + len(json.loads(metadata["experiment"])["model"]["hidden"])
for layer in range(1, layers + 1):
    x = x @ tensors[f"dense{layer}/kernel"] + tensors[f"dense{layer}/bias"]
    if layer < layers:
        x = np.maximum(x, 0)
e = np.exp(x - x.max(axis=1, keepdims=True))
print(json.dumps((e / e.sum(axis=1, keepdims=True)).tolist()))
