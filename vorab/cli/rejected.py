"""`vorab rejected`: what was refused, why, and what the bytes began with."""

from __future__ import annotations

import base64
import heapq
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vorab.cli.options import Config, Json, Log, StateDir

if TYPE_CHECKING:
    from vorab.log import EventLog
    from vorab.records import Rejection

SHOWN_BYTES: Final = 80


def rejected(
    *,
    device: Annotated[str, typer.Option(help="Only of this device; tenant/device where the tenant is not main.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show what was refused in the last seven days: time, source, reason, detail and the first bytes, oldest first.

    Examples:
        vorab rejected
        vorab rejected --device pump-7 --limit 5
    """
    from vorab import settings
    from vorab.clock import iso
    from vorab.log import open_log
    from vorab.registry.kinds import full_key

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(device) if device else ""
    with open_log(found.log_address, read_only=True) as opened:
        newest = heapq.nlargest(limit, (each for each in records(opened) if not key or each.device == key), key=lambda each: each.at)
    newest.reverse()
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in newest], ensure_ascii=False))
        return
    for each in newest:
        typer.echo(f"{iso(each.at)[:19]}Z  {printable(each.source)}  {each.reason}  {printable(each.detail)}")
        typer.echo(f"    {each.size_bytes} bytes: {beginning(each.payload_base64)}")
    if not newest:
        typer.echo(f"nothing of {device} was refused" if device else "nothing was refused")


def records(log: EventLog) -> Iterator[Rejection]:
    """All of `vorab.rejected` up to where it ends now; what cannot be read is left out."""
    from vorab.errors import Rejected
    from vorab.records import Rejection, from_wire
    from vorab.topics import REJECTED

    places = {(REJECTED, partition): begin for partition, begin in log.begins(REJECTED).items()}
    ends = log.ends(REJECTED)
    while behind := {place: at for place, at in places.items() if at < ends[place[1]]}:
        entries = log.read(behind, limit=1_000, wait_s=1.0)
        if not entries:
            return
        for entry in entries:
            places[entry.topic, entry.partition] = entry.offset + 1
            try:
                record = from_wire(entry.value, entry.headers)
            except Rejected:
                continue
            if isinstance(record, Rejection):
                yield record


def beginning(payload_base64: str) -> str:
    """The first bytes as text that is safe on a terminal."""
    payload = base64.b64decode(payload_base64)
    text = printable(payload[:SHOWN_BYTES].decode("utf-8", "backslashreplace"))
    return text + (" …" if len(payload) > SHOWN_BYTES else "")


def printable(text: str) -> str:
    """No control characters: what a stranger sent must not steer the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
