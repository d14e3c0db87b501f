"""The way of an HTTP request: a bounded queue, the intake, an answer when the log has it; no socket."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingest.acks import AckBook
from ingest.door import FULL, LOST, MOST_WAITING, STORED, Door, Kind, Knock, Verdict, closed, foreign, refused
from ingest.intake import Intake
from ingest.kept import redeem, ticket, write_off
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from ingest.visits import Visit, Visits
from ingest.webhooks import Labels
from vorab import topics
from vorab.clock import SECOND
from vorab.errors import Reason, Rejected
from vorab.frame import decode, unpack
from vorab.settings import TopicMapEntry

NOW = 1_795_000_000 * SECOND


class Guest:
    """Somebody who knocks, and the answers."""

    def __init__(
        self, payload: bytes = b'{"x":1}', *, kind: Kind = "telemetry", tenant: str = "main", device: str = "pump-7", **more: Any
    ) -> None:
        self.answers: list[Verdict] = []
        self.knock = Knock(kind, tenant, device, payload, more.get("content_type", ""), more.get("size"), self.answers.append)


def visits(share: tuple[int, int] = (0, 1), *entries: TopicMapEntry) -> Visits:
    """A worker's."""
    plan = Plan(partitions=4, rejected_partitions=4, share=share)
    return Visits(Intake(plan, TopicMap(list(entries), 4, 0)), Labels())


def take(*guests: Guest, at: Visits | None = None) -> Visit:
    """What becomes of them."""
    return (at or visits()).take([guest.knock for guest in guests], NOW)


def bodies(visit: Visit, topic: str) -> list[dict[str, Any]]:
    """The JSON records of a topic."""
    return [json.loads(record.value or b"") for taken in visit.passes for record in taken.records if record.topic == topic]


def store(visit: Visit) -> None:
    """The log has it all."""
    owed = ticket(visit.passes, visit.answers)
    assert owed is not None
    redeem(owed, AckBook(), NOW)


# ------------------------------------------------------------------------------------------------ the door


def test_the_door_takes_no_more_than_it_can_hold() -> None:
    """Beyond, the answer is: later."""
    door = Door(lambda: None)
    door.open()
    assert [door.knock(Guest().knock) for _ in range(MOST_WAITING + 1)] == [None] * MOST_WAITING + [FULL]
    assert len(door.take()) == MOST_WAITING
    assert door.take() == []
    large = Guest(b"x" * (16 << 20)).knock
    assert [door.knock(large), door.knock(Guest().knock)] == [None, FULL]
    assert len(door.take()) == 1
    assert door.knock(Guest().knock) is None


def test_a_closed_door_sends_everybody_away_with_the_reason() -> None:
    """Who waits and who comes; who has gone already is not taken."""
    woken: list[int] = []
    door = Door(lambda: woken.append(1))
    assert door.knock(Guest().knock) is not None, "closed until somebody opens it"
    door.open()
    waiting, gone = Guest(), Guest()
    door.knock(waiting.knock)
    door.knock(gone.knock)
    assert len(woken) == 2
    gone.knock.gone = True
    door.close("the log is away")
    assert [(one.status, one.detail, one.retry_after_s > 0) for one in waiting.answers] == [(503, "the log is away", True)]
    assert gone.answers == []
    late = door.knock(Guest().knock)
    assert late is not None
    assert late.status == 503


def test_every_status_stands_in_the_docs() -> None:
    """Whoever writes a client finds what each answer means, and what to do."""
    table = (Path(__file__).parents[3] / "docs" / "formats.md").read_text().partition("## By HTTP")[2].partition("\n## ")[0]
    told = {int(found) for row in re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE) for found in row.split(",")}
    said = {verdict.status for verdict in (STORED, FULL, LOST, closed(""), foreign(""))}
    said |= {refused(Rejected(reason)).status for reason in Reason} | {401, 403, 404, 405, 408}
    assert said == told


# ------------------------------------------------------------------------------------------------ telemetry


def test_a_reading_is_answered_when_the_log_has_it_and_not_before() -> None:
    """Until the ticket comes back nobody hears anything."""
    guest = Guest(b'{"x":1.5}')
    visit = take(guest)
    [frame] = [record for taken in visit.passes for record in taken.records]
    assert [(row.device, row.values) for row in unpack(decode(frame.value or b""))] == [("main/pump-7", {"x": 1.5})]
    assert guest.answers == []
    store(visit)
    assert guest.answers == [STORED]


def test_a_reading_whose_fate_is_unknown_is_asked_for_again() -> None:
    """A connection was given up with its tickets: later is the honest answer."""
    guest = Guest()
    visit = take(guest)
    owed = ticket(visit.passes, visit.answers)
    assert owed is not None
    write_off([owed])
    assert guest.answers == [LOST]


@pytest.mark.parametrize(
    ("guest", "status", "reason"),
    [
        (Guest(b'{"x":'), 400, "bad_json"),
        (Guest(b""), 400, "empty"),
        (Guest(b'{"x":1}', content_type="text/html"), 415, "unsupported"),
        (Guest(b'{"x":1}', content_type="gzip of application/json"), 415, "unsupported"),
        (Guest(b"", size=70_000), 413, "too_large"),
        (Guest(b'{"device":"pump-8","x":1}'), 403, "identity_mismatch"),
        (Guest(device="a b"), 400, "bad_name"),
        (Guest(device="+"), 400, "bad_name"),
        (Guest(tenant="recorded"), 400, "bad_name"),
        (Guest(b'{"x":1,"boot":1,"acked":0}'), 400, "bad_shape"),
    ],
)
def test_what_is_refused_is_written_down_before_it_is_answered(guest: Guest, status: int, reason: str) -> None:
    """The reason as answer, and the bytes among the rejections; neighbours in the same turn are taken."""
    good = Guest()
    visit = take(good, guest)
    assert [one["reason"] for one in bodies(visit, topics.REJECTED)] == [reason]
    assert guest.answers == []
    store(visit)
    assert [(one.status, one.reason) for one in guest.answers] == [(status, reason)]
    assert good.answers == [STORED]


def test_a_flood_is_told_to_wait() -> None:
    """Above the limit of a device: too many requests, with a time to come back."""
    verdict = refused(Rejected(Reason.RATE_LIMITED, "more than 10 a second"))
    assert (verdict.status, verdict.retry_after_s > 0) == (429, True)


def test_a_device_of_another_worker_is_sent_there_and_nothing_is_written() -> None:
    """One worker writes a partition; the answer says which this one is."""
    guests = [Guest(device=f"pump-{i}") for i in range(20)]
    first, second = visits((0, 2)), visits((1, 2))
    for worker in (first, second):
        visit = worker.take([guest.knock for guest in guests], NOW)
        store(visit)
    for guest in guests:
        assert sorted(one.status for one in guest.answers) == [204, 421]
    assert {one.detail for guest in guests for one in guest.answers if one.status == 421} == {
        "this worker is 0/2; ask the others", "this worker is 1/2; ask the others",
    }  # fmt: skip


def test_a_refusal_is_written_by_whichever_worker_hears_it() -> None:
    """Nobody else has heard it, so it is never left to the worker that owns its partition."""
    for share in ((0, 2), (1, 2)):
        for guest in (Guest(device="a b"), Guest(b"{}", kind="alertmanager")):
            visit = take(guest, at=visits(share))
            assert len(bodies(visit, topics.REJECTED)) == 1


def test_a_topic_map_that_reads_the_topic_otherwise_goes_before() -> None:
    """What is not the telemetry of this very device is not taken by this way."""
    entry = TopicMapEntry(filter="vorab/v1/{tenant}/{device}/telemetry", kind="ignore")
    guest = Guest()
    assert take(guest, at=visits((0, 1), entry)).passes == []
    assert [one.status for one in guest.answers] == [404]


# ------------------------------------------------------------------------------------------------ webhooks


def alert(device: str) -> dict[str, Any]:
    """One alert."""
    return {"status": "firing", "labels": {"alertname": "Hot", "device": device}}


def test_a_webhook_becomes_alarms_in_the_partitions_of_their_devices() -> None:
    """And is answered when the log has them, with what was taken and what was not."""
    guest = Guest(json.dumps({"alerts": [alert("pump-7"), alert("pump-8"), {}]}).encode(), kind="alertmanager", device="")
    visit = take(guest)
    assert [(one["device"], one["name"], one["source"]) for one in bodies(visit, topics.ALARMS)] == [
        ("pump-7", "Hot", "alertmanager"), ("pump-8", "Hot", "alertmanager"),
    ]  # fmt: skip
    places = [record.partition for taken in visit.passes for record in taken.records if record.topic == topics.ALARMS]
    assert places == [topics.partition_of(f"main/{name}", 4) for name in ("pump-7", "pump-8")]
    [refusal] = bodies(visit, topics.REJECTED)
    assert (refusal["reason"], refusal["source"]) == ("bad_value", "v1/main/alertmanager")
    store(visit)
    assert guest.answers == [Verdict(200, body={"alarms": 2, "refused": 1})]


@pytest.mark.parametrize(
    ("guest", "status"),
    [
        (Guest(b"nonsense", kind="alertmanager"), 400),
        (Guest(b'{"alerts":[{}]}', kind="alertmanager"), 400),
        (Guest(b"{}", kind="thingsboard"), 400),
        (Guest(b"", kind="thingsboard", size=2 << 20), 413),
        (Guest(json.dumps({"alerts": [alert("a")]}).encode(), kind="alertmanager", tenant="a b"), 400),
        (Guest(json.dumps({"alerts": [alert("a")]}).encode(), kind="alertmanager", tenant="recorded"), 400),
    ],
)
def test_a_webhook_without_a_good_alarm_is_refused(guest: Guest, status: int) -> None:
    """And written down all the same."""
    visit = take(guest)
    assert bodies(visit, topics.ALARMS) == []
    assert len(bodies(visit, topics.REJECTED)) == 1
    store(visit)
    assert [one.status for one in guest.answers] == [status]
