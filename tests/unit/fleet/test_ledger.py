"""The ledger: what the fleet can swear to."""

from __future__ import annotations

import json
from pathlib import Path

from vorab.fleet.ledger import Ledger, write_status


def test_what_is_not_acknowledged_is_open() -> None:
    """Published is acked, refused, overflowed or unacked, nothing else."""
    ledger = Ledger()
    for what, many in {"published": 10, "acked": 6, "refused": 1, "overflowed": 1}.items():
        ledger.count(what, many)
    assert ledger.counts()["unacked"] == 2


def test_lines_are_there_before_the_end(tmp_path: Path) -> None:
    """A ledger that is never closed, because its process was killed, still has every line."""
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    ledger.note("published", "pump-1", boot=1, seq=0)
    assert json.loads(path.read_text()) == {"e": "published", "device": "pump-1", "boot": 1, "seq": 0}
    ledger.close()


def test_the_status_file_is_never_half_written(tmp_path: Path) -> None:
    """It appears whole, and nothing else stays behind."""
    path = tmp_path / "status.json"
    write_status(path, {"published": 3}, 7)
    assert json.loads(path.read_text()) == {"now": 7, "published": 3}
    assert list(tmp_path.iterdir()) == [path]
