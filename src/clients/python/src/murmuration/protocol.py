"""What programs that serve a trainer and those that start their peer say alike; ``src/clients/README.md`` specifies it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

import numpy as np

from .files import FLOAT, shapes, write_tensors
from .trainer import Description, State, Vector

PROTOCOL = "murmuration trainer"
VERSION = 1


def described(description: Description, initial: str) -> Tuple[int, Dict[str, Any]]:
    """Writes the initial tensors to the file ``initial``. Returns how many numbers they have, and the reply to ``describe``."""
    tensors = _floats(description.tensors)
    length = write_tensors(initial, tensors)
    about = {"data": description.data, "model": description.model}
    return length, {
        "tensors": shapes(tensors),
        "local": [{"name": name, "shape": list(shape)} for name, shape in description.local.items()],
        **{key: text for key, text in about.items() if text is not None},
    }


def saved(state: State, path: str) -> Dict[str, Any]:
    """Writes a state to a file. Returns the reply to ``state``."""
    tensors = _floats(state)
    write_tensors(path, tensors)
    return {"tensors": shapes(tensors)}


def _floats(tensors: Mapping[str, Any]) -> Dict[str, Vector]:
    return {name: np.asarray(values, dtype=FLOAT) for name, values in tensors.items()}
