"""What the CNN of a safetensors file answers for images in an IDX file, computed with PyTorch alone.

python take-home.py MODEL.safetensors IMAGES.gz COUNT    classes of the last COUNT images, as JSON
"""
import gzip
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

path, images, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with safe_open(path, framework="pt") as file:
    metadata = file.metadata()
    # In the order of the layers: kernel, bias, kernel, bias, …
    tensors = [file.get_tensor(name) for name in json.loads(metadata["vector"])]

with gzip.open(images) as file:
    content = file.read()
height, width = np.frombuffer(content, ">i4", 2, 8)
pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, height, width)[-count:]
x = torch.from_numpy(pixels.astype(np.float32) / 255)

*convolutions, kernel, bias = tensors
for weight, offset in zip(convolutions[::2], convolutions[1::2]):
    # TensorFlow keeps kernels as height, width, inputs, outputs.
    x = F.max_pool2d(F.relu(F.conv2d(x, weight.permute(3, 2, 0, 1), offset, padding="same")), 2)
logits = x.permute(0, 2, 3, 1).flatten(1) @ kernel + bias
print(json.dumps(logits.argmax(1).tolist()))
