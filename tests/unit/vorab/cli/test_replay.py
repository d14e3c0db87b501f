"""`vorab replay` says beforehand when nobody will listen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vorab.cli.simulate import RECORDED, replay
from vorab.fleet import replay as module


class Nothing:
    """A replay that publishes nothing."""

    count = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes what comes."""

    def run(self, *_: Any, **__: Any) -> module.Report:
        """At once."""
        return module.Report(0, 0, 0, 0, 0.0, 0.0)


@pytest.mark.parametrize(("topic", "partitions", "warned"), [(RECORDED, 0, True), (RECORDED, 2, False), ("telemetry/{device}", 0, False)])
def test_a_recording_nobody_hears_is_announced(
    topic: str, partitions: int, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without partitions for recorded time ingest does not subscribe to the default topic; another topic is the caller's affair."""
    monkeypatch.setattr(module, "Replay", Nothing)
    (tmp_path / "pump.csv").write_text("timestamp,value\n2014-02-07 21:00:00,1\n")
    settings = tmp_path / "vorab.toml"
    settings.write_text(f"[topics]\nrecorded_partitions = {partitions}\n")
    replay([tmp_path / "pump.csv"], seconds=0.0, topic=topic, config=settings)
    assert ("topics.recorded_partitions is 0" in capsys.readouterr().err) is warned
