"""A runtime that this process started: JSON lines over a socket, and its last words."""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, cast

from .errors import PeerFailed

Message = Dict[str, Any]

_BEAT = b'{"beat":true}\n'
_BEAT_SECONDS = 1.0
"""Between signs of life, in both directions."""
_SILENCE_SECONDS = 60.0
"""Longest time without a sign of life of the runtime."""
_END_SECONDS = 10.0
"""Longest time from the end of the connection to that of the runtime, which is killed after it."""
_KEPT_LINES = 20
_SHOWN_LINES = 3

log = logging.getLogger("murmuration")
_open: "weakref.WeakSet[Connection]" = weakref.WeakSet()


class Connection:
    """
    :param name: what errors call the runtime
    :param command: the program with its arguments; ``{fd}`` in them stands for the number of the socket
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("murmuration.join needs Linux or macOS: use a trainer program on Windows")
        self.name = name
        self._messages: "queue.SimpleQueue[Optional[Message]]" = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._errors: List[str] = []
        self._output = b""
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [argument.replace("{fd}", str(theirs.fileno())) for argument in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=environment,
                # Ctrl-C is for this process, which decides what becomes of the run.
                start_new_session=True,
            )
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._attend, name=name, daemon=True)
        self._thread.start()
        _open.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Message) -> None:
        self._write(json.dumps(message, allow_nan=False).encode() + b"\n")

    def receive(self) -> Message:
        """The next message. Raises ``PeerFailed`` where the runtime has ended, or gives no sign of life."""
        while True:
            try:
                message = self._messages.get(timeout=_BEAT_SECONDS)
            except queue.Empty:
                if time.monotonic() - self._heard > _SILENCE_SECONDS:
                    self._kill()
                    raise PeerFailed(f"{self.name} gave no sign of life for {_SILENCE_SECONDS:.0f} s: it was killed") from None
                continue
            if message is None:
                self.finish()
                raise PeerFailed(f"{self.name} ended before its run was over{self._last_words()}", self._process.returncode)
            return message

    def finish(self) -> str:
        """Waits for the runtime's end. Returns what it printed. Raises ``PeerFailed`` where it failed."""
        self._end()
        code = self._process.returncode
        if code == 0:
            return self._output.decode(errors="replace")
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        raise PeerFailed(f"{self.name} {how}{self._last_words()}", code)

    def stop(self) -> None:
        """Ends the runtime, whatever it does. It leaves its neighbours in order where it can."""
        if self in _open:
            self._end()

    def forget(self) -> None:
        """In a forked process: closes its copies of what belongs to the other one."""
        _open.discard(self)
        self._socket.close()
        for stream in self._streams():
            stream.close()

    def _end(self) -> None:
        _open.discard(self)
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.terminate()
        self._kill()

    def _kill(self) -> None:
        _open.discard(self)
        try:
            self._process.wait(0 if self._process.poll() is not None else _END_SECONDS / 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._socket.close()
        for stream in self._streams():
            stream.close()

    def _streams(self) -> List[IO[bytes]]:
        return [cast("IO[bytes]", self._process.stdout), cast("IO[bytes]", self._process.stderr)]

    def _write(self, line: bytes) -> None:
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError:
            pass  # It has ended, which the reader finds.

    def _attend(self) -> None:
        """Reads all that the runtime writes until it ends, and gives signs of life meanwhile."""
        output, errors = self._streams()
        rests = {"message": b"", "error": b""}
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ, "message")
            selector.register(output, selectors.EVENT_READ, "output")
            selector.register(errors, selectors.EVENT_READ, "error")
            beaten = time.monotonic()
            while selector.get_map():
                for key, _ in selector.select(max(0.0, beaten + _BEAT_SECONDS - time.monotonic())):
                    data = _read(key.fd)
                    if not data:
                        selector.unregister(key.fileobj)
                        if key.data == "message":
                            self._messages.put(None)
                    elif key.data == "output":
                        self._output += data
                    else:
                        *lines, rests[key.data] = (rests[key.data] + data).split(b"\n")
                        for line in lines:
                            self._take(key.data, line)
                if time.monotonic() >= beaten + _BEAT_SECONDS:
                    beaten = time.monotonic()
                    self._write(_BEAT)

    def _take(self, kind: str, line: bytes) -> None:
        self._heard = time.monotonic()
        if kind == "message":
            message = json.loads(line)
            if "beat" not in message:
                self._messages.put(message)
            return
        text = line.decode(errors="replace").strip()
        self._errors = [*self._errors[1 - _KEPT_LINES :], text]
        log.log(logging.WARNING if text.startswith("warning:") else logging.INFO, "%s: %s", self.name, text)

    def _last_words(self) -> str:
        """The runtime's own error where it has reported one, and the last lines that it wrote otherwise."""
        reported = [text[len("error: ") :] for text in self._errors if text.startswith("error: ")]
        words = reported[-1:] or [text for text in self._errors if text][-_SHOWN_LINES:]
        return f": {' | '.join(words)}" if words else ""


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""


def _stop_all() -> None:
    for connection in list(_open):
        connection.stop()


def _forget_all() -> None:
    for connection in list(_open):
        connection.forget()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
