"""The desk: can it listen where the settings say, and do the links in messages lead anywhere?"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vorab.doctor import Finding, note, ok, problem
from vorab.settings import Desk, Settings

ANNOUNCEMENT: Final = "desk.json"
"""Where a running desk says its port and process id, in the state folder."""


def examine(settings: Settings) -> Sequence[Finding]:
    """Port and address."""
    where = settings.desk
    return [judge_port(where, taken(where.host, where.port), ours(settings.state_path, where.port)), links(where)]


def judge_port(desk: Desk, refused: str, running: bool) -> Finding:  # noqa: FBT001 - a fact that is judged
    """`refused` is why nobody can listen there (empty: free), `running` whether our own desk does."""
    address = f"{desk.host}:{desk.port}"
    if not refused:
        return ok("desk", "takes a free port" if desk.port == 0 else f"{address} is free")
    if running:
        return ok("desk", f"runs at {address}")
    return problem("desk", f"cannot listen on {address}: {refused}", "set [desk] host and port, or end what listens there")


def links(desk: Desk) -> Finding:
    """Whether customers can follow a link."""
    if desk.base_url:
        return ok("links", f"in messages lead to {desk.base_url}")
    return note(
        "links",
        f"desk.base_url is empty: links in messages lead to http://{desk.host}:{desk.port}, which customers do not reach",
        "set [desk] base_url to the address of the customer page",
    )


def taken(host: str, port: int) -> str:
    """Why nobody can listen on an address now; empty where somebody can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def ours(state: Path, port: int) -> bool:
    """Whether the desk of this state folder runs and has this port."""
    try:
        said = json.loads((state / ANNOUNCEMENT).read_text(encoding="utf-8"))
        os.kill(int(said["pid"]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(said.get("port") == port)
