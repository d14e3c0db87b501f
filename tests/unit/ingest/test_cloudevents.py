"""CloudEvents in structured JSON mode."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.decoders import cloudevents
from ingest.decoders.rows import Row, Sender
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.frame import Quality

NOW = 1_795_000_000 * SECOND
EVENT = {
    "specversion": "1.0",
    "id": "A234-1234",
    "source": "/plant/7",
    "type": "com.example.telemetry",
    "time": "2026-11-18T11:06:40.5Z",
    "datacontenttype": "application/json",
    "data": {"temperature": 21.5, "door": False},
}


def rows(**change: Any) -> list[Row]:
    """The rows of the event with some attributes changed; None leaves one out."""
    event = {key: value for key, value in {**EVENT, **change}.items() if value is not None}
    return cloudevents.rows(event, Sender("p1", "main/p1", NOW))


def test_the_data_is_telemetry_at_the_time_of_the_event() -> None:
    """Unless the data has a time of its own, which is nearer to the measurement."""
    assert rows() == [Row(NOW + SECOND // 2, {"temperature": 21.5, "door": False})]
    assert rows(data={"ts": 1_795_000_001_000, "t": 1})[0].at == NOW + SECOND
    assert rows(time=None)[0].at is None


def test_a_time_without_a_zone_is_marked() -> None:
    """It is taken for UTC, and says so."""
    assert rows(time="2026-11-18T11:06:40")[0].quality == Quality.ASSUMED_ZONE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, Reason.BAD_SHAPE),
        ({"type": 7}, Reason.BAD_SHAPE),
        ({"specversion": "2.0"}, Reason.NEWER_VERSION),
        ({"data_base64": "AA=="}, Reason.UNSUPPORTED),
        ({"datacontenttype": "text/xml"}, Reason.UNSUPPORTED),
        ({"time": "yesterday"}, Reason.BAD_TIME),
        ({"data": {"device": "other", "t": 1}}, Reason.IDENTITY_MISMATCH),
        ({"data": 5}, Reason.BAD_SHAPE),
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, Any], reason: Reason) -> None:
    """With the reason, and nothing of it is taken."""
    with pytest.raises(Rejected) as refused:
        rows(**change)
    assert refused.value.reason is reason
