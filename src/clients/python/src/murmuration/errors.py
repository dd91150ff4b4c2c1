"""What can go wrong with a peer of this process."""

from __future__ import annotations

from typing import Optional


class PeerFailed(RuntimeError):
    """A peer's runtime did not start, ended, or gave no sign of life. The message has its last words."""

    def __init__(self, message: str, exit_code: Optional[int] = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """Its exit code, 2 for what its settings or neighbours caused; negative for a signal, None where it was killed here."""
