"""Peers of an example on this machine: each runs the example's own program again, as a process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence


def write_topology(folder: Path, graph: Mapping[str, Any]) -> Path:
    """A topology file with keys, and with ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(graph["peers"])]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    peers = [{"id": k, "listen": [f"/ip4/127.0.0.1/tcp/{port}"]} for k, port in enumerate(ports)]
    path = folder / f"{graph['kind']}.json"
    path.write_text(json.dumps({"graph": graph, "peers": peers}))
    subprocess.run([sys.executable, "-m", "murmuration", "keys", str(path)], check=True, stdout=subprocess.DEVNULL)
    return path


def run_peers(peers: int, arguments: Sequence[str]) -> List[Dict[str, Any]]:
    """Runs this program once per peer, with ``--peer`` and its number. Returns the JSON objects that they print last."""
    command = [sys.executable, sys.argv[0], *arguments]
    running = [
        subprocess.Popen([*command, "--peer", str(peer)], stdout=subprocess.PIPE, text=True) for peer in range(peers)
    ]
    try:
        printed = [process.communicate()[0] for process in running]
    finally:
        for process in running:
            process.kill()
    if any(process.returncode for process in running):
        sys.exit("a peer failed; its error is above")
    return [json.loads(text.strip().splitlines()[-1]) for text in printed]


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in Markdown."""
    print(f"| {' | '.join(head)} |\n|---|{'--:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
