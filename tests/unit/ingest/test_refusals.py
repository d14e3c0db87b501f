"""What is said about refusals: in this process's log, and to the author of the firmware."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ingest.decoders import Sender, decode
from ingest.refusals import News
from ingest.replies import reply
from ingest.topicmap import TopicMap
from vorab.clock import HOUR, MINUTE
from vorab.errors import Reason, Rejected
from vorab.records import ReplyStatus

SENDER = Sender("pump-7", "main/pump-7", 0)
ANSWER = TopicMap([], 6, 2).resolve(b"vorab/v1/main/pump-7/cmd/restart/res")


def test_the_first_of_each_sender_and_reason_is_news() -> None:
    """Repetitions are not, for an hour; another reason or another device is."""
    news = News()
    asked = [("a", "empty", 0), ("a", "empty", 1), ("a", "bad_json", 1), ("b", "empty", 1), ("a", "empty", HOUR - 1), ("a", "empty", HOUR)]
    assert [news.first(who, reason, now, 1.0) for who, reason, now in asked] == [True, False, True, True, False, True]


def test_many_senders_do_not_flood_the_log() -> None:
    """Known bad: one line per invented topic; a minute has twenty, the next one twenty more."""
    news = News()
    assert sum(news.first(f"x{i}", "unknown_topic", i, 1.0) for i in range(100)) == 20
    assert sum(news.first(f"x{i}", "unknown_topic", MINUTE + i, 1.0) for i in range(100)) == 20


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (b'{"a": 1, "temperature": NaN}', "temperature: not a finite number"),
        (b'{"values": {"p.in": -Infinity}}', "p.in: not a finite number"),
        (b'{"t": 1e999, "more": 123456789012345678901234567890}', "t: not a finite number"),
        (b'[{"a": 1}, {"deep": [[NaN]]}]', "deep: not a finite number"),
        (b'[{"bn": "urn:dev:ow:1:", "n": "temp", "v": Infinity}]', "temp: not a finite number"),
        (b'{"v": NaN}', "v: not a finite number"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[1e999]", "1e999 is not a finite number"),
    ],
)
def test_what_is_not_finite_is_named(payload: bytes, detail: str) -> None:
    """The signal where there is one, else what was written."""
    with pytest.raises(Rejected) as why:
        decode(payload, SENDER)
    assert (why.value.reason, why.value.detail) == (Reason.NOT_FINITE, detail)


@pytest.mark.parametrize("status", ["timed_out", "cancelled", "done", 1, None, ["accepted"]])
def test_a_device_says_what_devices_may_say(status: object) -> None:
    """Known bad: to accept what only vorab concludes; the refusal lists the six."""
    with pytest.raises(Rejected) as why:
        reply(ANSWER, json.dumps({"id": "x", "status": status}).encode(), 0)
    assert why.value.detail == "status: not one of accepted, running, succeeded, failed, rejected, expired"


def test_the_six_are_taken() -> None:
    """All that `docs/formats.md` lists."""
    for status in ("accepted", "running", "succeeded", "failed", "rejected", "expired"):
        assert reply(ANSWER, f'{{"id": "x", "status": "{status}"}}'.encode(), 0).status is ReplyStatus(status)


FORMATS = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_page_names_every_reason_and_no_other() -> None:
    """Whoever reads a reason on the error topic finds it in the table."""
    section = FORMATS.partition("\n## Refusals\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([a-z_0-9]+)`", row)} == {str(reason) for reason in Reason}


def test_the_examples_of_the_page_are_true() -> None:
    """Each answer is taken, and the example of an error is what comes."""
    examples = [json.loads(line) for line in FORMATS.splitlines() if line.startswith('{"')]
    answers = [each for each in examples if "status" in each and "id" in each]
    assert [reply(ANSWER, json.dumps(each).encode(), 0).detail for each in answers] == ["closing valves", "", "valve stuck"]
    with pytest.raises(Rejected) as why:
        decode(b'{"temperature": NaN}', SENDER)
    assert {"reason": str(why.value.reason), "detail": why.value.detail} in examples


def test_a_motor_is_flattened_as_the_page_says() -> None:
    """The refusal the table shows, and what it advises."""
    with pytest.raises(Rejected) as why:
        decode(b'{"motor": {"rpm": 1}}', SENDER)
    assert why.value.reason is Reason.BAD_SHAPE
    assert decode(b'{"motor.rpm": 1}', SENDER)[0].values == {"motor.rpm": 1}
