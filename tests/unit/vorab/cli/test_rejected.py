"""`vorab rejected`: what was refused is found and shown without harm."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from vorab.cli.rejected import beginning, printable, rejected
from vorab.clock import SECOND
from vorab.errors import Reason
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.records import Rejection, Tick, to_wire
from vorab.topics import REJECTED


def refusal(i: int, device: str, payload: bytes = b'{"a":NaN}') -> Outgoing:
    """One refused message, in one of two partitions."""
    record = Rejection(
        id=f"r{i}",
        source=f"telemetry/{device}",
        reason=Reason.NOT_FINITE,
        detail="a: not a finite number",
        device=f"main/{device}",
        at=i * SECOND,
        size_bytes=len(payload),
        payload_base64=base64.b64encode(payload).decode(),
    )
    key, value, headers = to_wire(record, "urn:vorab:test")
    return Outgoing(REJECTED, i % 2, key, value, headers)


@pytest.fixture
def log(tmp_path: Path) -> str:
    """The address of a log with eight refusals, a tick and something unreadable, held by a process that writes."""
    path = tmp_path / "vorab.db"
    with SqliteLog(path) as opened:
        opened.create({REJECTED: 2})
        _, value, headers = to_wire(Tick(id="t", at=1), "urn:vorab:test")
        append_all(opened, [Outgoing(REJECTED, 0, None, value, headers), Outgoing(REJECTED, 1, b"k", b"?")])
        append_all(opened, [refusal(i, "pump-7" if i < 5 else "pump-8") for i in range(8)])
    return f"sqlite:///{path}"


def test_the_newest_come_last(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The limit keeps the newest across partitions, oldest first, with all that helps their author."""
    rejected(log=log, limit=2)
    assert capsys.readouterr().out.splitlines() == [
        "1970-01-01T00:00:06Z  telemetry/pump-8  not_finite  a: not a finite number",
        '    9 bytes: {"a":NaN}',
        "1970-01-01T00:00:07Z  telemetry/pump-8  not_finite  a: not a finite number",
        '    9 bytes: {"a":NaN}',
    ]


def test_one_device_as_json(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A bare name belongs to the default tenant; the records come whole."""
    rejected(device="pump-7", log=log, as_json=True, limit=20)
    found = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in found] == ["r0", "r1", "r2", "r3", "r4"]
    rejected(device="other/pump-7", log=log, limit=20)
    assert capsys.readouterr().out == "nothing of other/pump-7 was refused\n"


def test_a_stranger_does_not_steer_the_terminal() -> None:
    """Known bad: to print bytes as they came; escape sequences and line breaks are spelled out."""
    assert printable("a\x1b[2J\nb é") == "a\\x1b[2J\\nb é"
    assert beginning(base64.b64encode(b"\xff\x07" + b"x" * 100).decode()) == "\\xff\\x07" + "x" * 78 + " …"
