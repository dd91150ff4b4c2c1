"""Arrays in files that are shared with the runtime: float32, little-endian, without a header."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from .trainer import State, Vector

FLOAT = np.dtype("<f4")


def write_tensors(path: str, tensors: Mapping[str, Vector]) -> int:
    """Writes the arrays one after another. Returns how many numbers they have."""
    with open(path, "wb") as file:
        for values in tensors.values():
            file.write(np.ascontiguousarray(values).tobytes())
    return sum(values.size for values in tensors.values())


def read_tensors(path: str, tensors: Sequence[Mapping[str, Any]]) -> State:
    """The arrays of a file, flat, by the names and shapes of a message."""
    values: Vector = np.fromfile(path, dtype=FLOAT)
    state: State = {}
    start = 0
    for tensor in tensors:
        end = start + math.prod(tensor["shape"])
        state[tensor["name"]] = values[start:end]
        start = end
    return state


def shapes(tensors: Mapping[str, Vector]) -> List[Dict[str, Any]]:
    """Names and shapes, as messages have them."""
    return [{"name": name, "shape": list(values.shape)} for name, values in tensors.items()]


def finite(loss: float) -> Optional[float]:
    """JSON has no number for a loss that is not finite."""
    return float(loss) if math.isfinite(loss) else None
