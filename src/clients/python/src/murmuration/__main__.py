"""The ``murmur`` command: ``python -m murmuration``."""

from __future__ import annotations

import os
import subprocess
import sys

from .runtime import command


def main() -> None:
    try:
        arguments = [*command(), *sys.argv[1:]]
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    if sys.platform == "win32":
        sys.exit(subprocess.call(arguments))
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
