"""What vorab writes is readable by its owner only."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vorab import cli


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The usual umask, which lets everybody read; the test's own afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_what_the_program_writes_is_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State folder, databases and log: no right for group and others, whatever the umask was."""
    rows = tmp_path / "customers.csv"
    rows.write_text("customer,name,mail\nc-1,Erika,erika@example.org\n", encoding="utf-8")
    state = tmp_path / "var"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VORAB_STATE_DIR", str(state))
    monkeypatch.setattr(sys, "argv", ["vorab", "customers", "import", str(rows)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    written = [state, *state.rglob("*")]
    assert {"notifier.db", "log.db"} <= {path.name for path in written}
    assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
