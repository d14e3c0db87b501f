"""The records: what is written is read back, and what is not valid is refused."""

from __future__ import annotations

import json

import pytest

from vorab import ids
from vorab.cloudevents import attributes
from vorab.errors import Reason, Rejected
from vorab.records import (
    CaseEvent,
    CaseKind,
    Customer,
    Device,
    Permit,
    PermitState,
    Presence,
    Severity,
    Status,
    Symptom,
    SymptomState,
    from_wire,
    to_wire,
    type_of,
)

SYMPTOM = Symptom(
    id=ids.symptom_id("main/p1", "low-pressure", 1_000_001),
    device="p1",
    state=SymptomState.RAISED,
    rule="low-pressure",
    rule_version="abc",
    detector="threshold",
    cause="low_pressure",
    severity=Severity.MAJOR,
    onset=1_000_001,
    detected_at=2_000_000,
)


def test_a_record_comes_back_as_it_was() -> None:
    """Bytes and headers hold everything."""
    _, value, headers = to_wire(SYMPTOM, "urn:vorab:detect")

    assert from_wire(value, headers) == SYMPTOM


def test_records_are_cloudevents_in_binary_mode() -> None:
    """The context is in `ce_` headers, the record alone is the value, times are ISO 8601 in UTC."""
    key, value, headers = to_wire(SYMPTOM, "urn:vorab:detect")

    assert key == b"main/p1"
    assert json.loads(value)["onset"] == "1970-01-01T00:00:01.000001Z"
    assert attributes(headers) == (SYMPTOM.id, "io.vorab.symptom.raised.v1", "urn:vorab:detect", 2_000_000, "main/p1")
    assert dict(headers)["content-type"] == b"application/json"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Presence(id="x", device="p1", online=True, evidence="will", at=1), "io.vorab.device.presence.v1"),
        (Device(id="x", device="p1"), "io.vorab.device.v1"),
        (Customer(id="x", customer="c1"), "io.vorab.customer.v1"),
        (
            CaseEvent(
                id="x", device="p1", case="c", kind=CaseKind.HANDED_OVER, status=Status.HELD, at=1, because="s", cause="k",
                severity=Severity.MINOR, opened_at=1,
            ),
            "io.vorab.case.handed_over.v1",
        ),
    ],
)  # fmt: skip
def test_each_type_finds_its_record_again(record: Device, expected: str) -> None:
    """The CloudEvents type alone tells what a record is."""
    _, value, headers = to_wire(record, "urn:vorab:test")

    assert type_of(record) == expected
    assert from_wire(value, headers) == record


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_type", b"io.vorab.symptom.raised.v2", Reason.NEWER_VERSION),
        ("ce_type", b"com.example.thing.v1", Reason.BAD_RECORD),
        ("ce_type", b"io.vorab.nothing.v1", Reason.BAD_RECORD),
        ("ce_specversion", b"2.0", Reason.NEWER_VERSION),
        ("ce_time", b"yesterday", Reason.BAD_RECORD),
    ],
)
def test_a_record_of_tomorrow_or_of_somebody_else_is_refused(name: str, value: bytes, reason: Reason) -> None:
    """Old code never guesses at new records."""
    _, body, headers = to_wire(SYMPTOM, "urn:vorab:detect")
    changed = tuple((key, value if key == name else old) for key, old in headers)

    with pytest.raises(Rejected) as caught:
        from_wire(body, changed)

    assert caught.value.reason is reason


def test_a_missing_header_is_named() -> None:
    """Whoever wrote the record learns what it lacks."""
    _, body, headers = to_wire(SYMPTOM, "urn:vorab:detect")

    with pytest.raises(Rejected, match="ce_id is missing"):
        from_wire(body, tuple(pair for pair in headers if pair[0] != "ce_id"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"id": NaN}', b"\xff"])
def test_a_broken_body_is_refused_and_nothing_else_happens(body: bytes) -> None:
    """Validation stands at the edge."""
    _, _, headers = to_wire(SYMPTOM, "urn:vorab:detect")

    with pytest.raises(Rejected) as caught:
        from_wire(body, headers)

    assert caught.value.reason is Reason.BAD_RECORD


def test_unknown_keys_of_a_newer_writer_are_ignored() -> None:
    """Adding a key does not need a new major version."""
    _, body, headers = to_wire(SYMPTOM, "urn:vorab:detect")

    assert from_wire(json.dumps({**json.loads(body), "new": 1}).encode(), headers) == SYMPTOM


def test_a_permit_is_asked_under_its_remedy_and_answered_under_its_device() -> None:
    """Fleet-wide limits are counted in one place, and the answer finds the case."""
    asked = Permit(id="x", device="p1", state=PermitState.ASKED, action="a", case="c", remedy="restart", at=1, expires_at=2)

    assert asked.key == "main/restart"
    assert asked.model_copy(update={"state": PermitState.GRANTED}).key != "main/restart"


def test_ids_depend_on_what_a_thing_is_and_on_nothing_else() -> None:
    """The same thing has the same id wherever and whenever it is computed; parts never run together."""
    assert ids.symptom_id("main/p1", "r", 5) == ids.symptom_id("main/p1", "r", 5)
    assert ids.symptom_id("main/p1", "r1", 5) != ids.symptom_id("main/p", "1r1", 5)
    assert len({ids.case_id("k", "a", 1), ids.symptom_id("k", "a", 1), ids.command_id("k", "a", "1")}) == 3
