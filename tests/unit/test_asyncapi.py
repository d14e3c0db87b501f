"""firmware/asyncapi.yaml: valid AsyncAPI 3.0, and true of what devices, the fleet, the examples and vorab itself say."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from ingest.acks import AckBook, Mark
from ingest.decoders import Sender, decode
from ingest.downlink import Command, Downlink
from ingest.refusals import Notes
from ingest.topicmap import TopicMap
from tests.parts.base import REPOSITORY
from vorab import topics
from vorab.clock import MINUTE, SECOND, iso, parse_iso
from vorab.errors import Reason, Rejected
from vorab.fleet.machines import Machine
from vorab.fleet.models import MODELS
from vorab.fleet.protocol import Request as Asked
from vorab.fleet.protocol import Responder, prefix_of
from vorab.fleet.replay import payload_of
from vorab.fleet.series import Reading
from vorab.records import (
    KINDS,
    Action,
    Alarm,
    Answered,
    Booking,
    BookingKind,
    BookingStatus,
    CaseEvent,
    CaseKind,
    Cohort,
    CohortKind,
    CommandKind,
    Consent,
    ConsentBy,
    ConsentTo,
    Contact,
    ContactState,
    Contract,
    Corrected,
    Customer,
    Delivery,
    DeliveryState,
    Device,
    Errand,
    ErrandState,
    Facts,
    FirmwareLine,
    FirmwareUse,
    Gap,
    HandedTo,
    Heard,
    Incident,
    IncidentKind,
    LeadTime,
    Notification,
    Offer,
    OfferKind,
    Permit,
    PermitState,
    Presence,
    Purpose,
    Recall,
    Record,
    Rejection,
    Reply,
    ReplyStatus,
    Request,
    RequestKind,
    Severity,
    Silence,
    SilenceState,
    Site,
    Slot,
    SlotKind,
    Stage,
    Status,
    Switch,
    SwitchState,
    Symptom,
    SymptomState,
    Tick,
    to_wire,
)
from vorab.records import Command as LogCommand

DOCUMENT: Final[dict[str, Any]] = yaml.safe_load((REPOSITORY / "firmware" / "asyncapi.yaml").read_text(encoding="utf-8"))
STANDARD: Final[dict[str, Any]] = json.loads((REPOSITORY / "tests" / "vendor" / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
NOW: Final = parse_iso("2026-11-23T21:00:00Z")


def wrong(schema: str, body: object) -> list[str]:
    """What a message's schema has against a body."""
    validator = Draft7Validator({"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(body)]


def _errors(document: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in Draft7Validator(STANDARD).iter_errors(document)]


def references(node: object) -> Iterator[str]:
    """Every `$ref` below."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def missing(document: dict[str, Any]) -> list[str]:
    """References that lead nowhere."""
    lost = []
    for reference in set(references(document)):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            lost.append(reference)
    return lost


def test_the_document_is_asyncapi_3() -> None:
    """It holds before the standard's own schema, every schema of a message is one, and every reference leads somewhere."""
    assert _errors(DOCUMENT) == []
    assert missing(DOCUMENT) == []
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize(
    "change",
    [
        {"asyncapi": "2.6.0"},
        {"info": {"title": "vorab"}},
        {"channels": {"telemetry": {"adress": "x"}}},
        {"operations": {"hear": {"action": "subscribe", "channel": {"$ref": "#/channels/telemetry"}}}},
    ],
)
def test_a_document_that_is_none_is_caught(change: dict[str, Any]) -> None:
    """Known bad: an older version, no version of the interface, a misspelt key, an action of the old standard."""
    assert _errors(DOCUMENT | change)


def test_every_topic_of_the_contract_has_a_channel_of_its_own() -> None:
    """What the topic map hears, and what vorab says to devices, is all there; so is each topic of the log that has records."""
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    contract = {f"vorab/v1/{{tenant}}/{{device}}/{end}" for end in ("telemetry", "status", "cmd/{name}", "cmd/{name}/res", "ack", "errors")}
    assert {address for address in addresses if address.startswith("vorab/")} == contract
    heard = {wanted for wanted, _ in TopicMap([], 4, 1).filters}
    assert heard <= {re.sub(r"\{[a-z]+\}", "+", address) for address in addresses}
    assert {address for address in addresses if address.startswith("vorab.")} <= set(topics.TOPICS)


# ------------------------------------------------------------------------------------------------ what devices say


def fleet() -> Iterator[tuple[str, dict[str, Any]]]:
    """What machines of each model say in an hour, commands included."""
    for name, model in MODELS.items():
        machine = Machine("m-1", model, start=NOW)
        responder = Responder(machine, prefix_of("main", "m-1"))
        for minute in range(60):
            reading = machine.step(NOW + minute * MINUTE)
            if reading is not None:
                yield "telemetry", json.loads(json.dumps(reading))
        for number, params in enumerate(({}, {"x": 1}, "?")):
            body = {"id": f"{name}-{number}", "params": params, "not_after": iso(NOW + (2 - number) * 90 * MINUTE)}
            topic = f"{prefix_of('main', 'm-1')}/cmd/{'restart' if number != 1 else 'dance'}"
            for answer in responder.received(Asked(topic, json.dumps(body).encode()), NOW + 60 * MINUTE):
                yield "answer", json.loads(answer.payload)


def test_what_the_fleet_says_is_what_the_document_says() -> None:
    """Every reading and every answer of every simulated machine."""
    said = list(fleet())
    assert {kind for kind, _ in said} == {"telemetry", "answer"}
    assert len(said) > 100
    assert [(kind, body, errors) for kind, body in said if (errors := wrong(kind, body))] == []


@pytest.mark.parametrize("word", ["online", "offline"])
def test_a_status_is_what_the_document_says(word: str) -> None:
    """As a plain word, in JSON, with a reason, and with whatever a device adds."""
    assert wrong("statusWord", word) == []
    for more in ({}, {"reason": "goodbye"}, {"ts": 1_795_467_600_000, "fw": "1.2", "session": "3"}):
        assert wrong("status", {"status": word} | more) == []


def test_what_recordings_say_is_what_the_document_says() -> None:
    """One reading flat, several in a list."""
    rows = [Reading(device="machine", at=NOW + i, values={"temperature": 21.5, "open": True}) for i in range(3)]
    assert [wrong("telemetry", json.loads(payload_of(rows[:n]))) for n in (1, 3)] == [[], []]


def test_what_the_example_for_micropython_says_is_what_the_document_says() -> None:
    """Telemetry with boot, seq and acked, SenML, and answers of every kind."""
    spec = importlib.util.spec_from_file_location("firmware_test", REPOSITORY / "tests" / "unit" / "test_firmware.py")
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    device, client = other.pump()
    device.on("restart", lambda _params: {"restarts": 4})
    device.send({"temperature": 71.4, "door": False, "state": "ok"})
    for name, body in (
        ("restart", other.order("a")),
        ("restart", other.order("b", 0)),
        ("explode", other.order("c")),
        ("restart", {"id": "d"}),
    ):
        client.hear(f"cmd/{name}", body)
    device.poll()
    kinds = [("telemetry" if topic.endswith("telemetry") else "answer", body) for topic, body in client.said]
    assert [kind for kind, _ in kinds].count("answer") == 5
    assert [wrong(kind, body) for kind, body in kinds] == [[]] * 6


def samples() -> list[Any]:
    """The examples of telemetry in the page that firmware authors read."""
    page = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
    block = page[page.index("## Telemetry") :].split("```")[1].removeprefix("json\n")
    return [json.loads(line) for line in block.splitlines() if line.strip()]


def test_the_examples_in_the_docs_are_what_the_document_says() -> None:
    """Each is telemetry, or SenML where it looks like it."""
    found = samples()
    assert len(found) >= 4
    assert [body for body in found if wrong("telemetry", body) and wrong("senml", body)] == []


NAMES: Final = st.sampled_from(["temperature", "motor.rpm", "x", "ts", "boot", "seq", "acked", "device", "values", "a b", ""])
VALUES: Final = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=300),
    st.none(),
    st.just("pump-7"),
    st.just({}),
)
ROWS: Final = st.dictionaries(NAMES, st.one_of(VALUES, st.dictionaries(NAMES, VALUES, max_size=3)), max_size=5)


@given(st.one_of(ROWS, st.lists(ROWS, max_size=3)))
def test_what_vorab_takes_is_what_the_document_allows(body: object) -> None:
    """Whatever the decoder accepts as flat JSON, the schema accepts: nobody who validates before sending is stricter than vorab."""
    try:
        decode(json.dumps(body).encode(), Sender("pump-7", "main/pump-7", NOW), decoder="json")
    except Rejected:
        return
    assert wrong("telemetry", body) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("telemetry", {"temperature": {"value": 1}}),
        ("telemetry", {"bad name": 1}),
        ("telemetry", {"values": {"x": 1}, "y": 2, "seq": -1}),
        ("telemetry", {"x": "y" * 256}),
        ("telemetry", [[1]]),
        ("telemetry", []),
        ("telemetry", 7),
        ("senml", [{"n": "x", "v": 1, "vs": "1"}]),
        ("senml", [{"n": "x", "v": 1, "quality_": 2}]),
        ("status", {"status": "dancing"}),
        ("statusWord", "perhaps"),
        ("answer", {"id": "a", "status": "done"}),
        ("answer", {"status": "succeeded"}),
        ("ack", {"boot": 3}),
        ("refusal", {"reason": "because", "detail": ""}),
    ],
)
def test_a_message_that_vorab_would_refuse_is_caught(kind: str, body: object) -> None:
    """Known bad, one of each kind: the schemas say no as well."""
    assert wrong(kind, body)


# ------------------------------------------------------------------------------------------------ what vorab says

ACTION: Final = Action(
    id="a1",
    device="pump-7",
    case="c1",
    remedy="restart",
    name="restart",
    params={"soft": True},
    at=NOW,
    not_before=NOW,
    not_after=NOW + MINUTE,
)


def test_what_vorab_says_to_devices_is_what_the_document_says() -> None:
    """A command, an acknowledgement, a refusal."""
    command = Downlink(speed=1, shadow=False).decide(ACTION, NOW)
    assert isinstance(command, Command)
    [ack] = AckBook().stored([Mark("main/pump-7", 3, 1, 0)], NOW)
    note = Notes().note(TopicMap([], 4, 0).resolve(b"vorab/v1/main/pump-7/telemetry"), Rejected(Reason.BAD_JSON, "no"), NOW, 1.0)
    assert note is not None
    said = {"command": command.payload, "ack": ack.payload, "refusal": note.payload}
    assert {kind: wrong(kind, json.loads(payload)) for kind, payload in said.items()} == {"command": [], "ack": [], "refusal": []}


RECORDS: Final[tuple[Record, ...]] = (
    ACTION,
    Consent(
        id="x", customer="c-1", purpose=ConsentTo.REMOTE_REPAIR, given=True, way=ConsentBy.PAGE, text="remote-repair-1.de@1f2e", at=NOW
    ),
    CaseEvent(
        id="x", case="c1", device="p", kind=CaseKind.OPENED, status=Status.PENDING, at=NOW, opened_at=NOW, because="s", cause="c",
        severity=Severity.MAJOR,
    ),
    FirmwareUse(
        id="x", model="pump", partition=3, start=NOW, end=NOW + MINUTE, at=NOW,
        lines=(FirmwareLine(firmware="4.2.1", devices=2, ran=90, affected=1, moved_from={"4.2.0": 1}),),
    ),
    Cohort(
        id="x", cohort="r:pump", kind=CohortKind.BASELINE, rule="r", start=NOW, end=NOW + MINUTE, partition=3, devices=9, level=1.5, at=NOW,
    ),
    LogCommand(id="x", case="c1", device="p", kind=CommandKind.NOTE, at=NOW, detail="seen"),
    ContactState(id="x", customer="k", state=Contact.RECOVERING, at=NOW, until=NOW + MINUTE, because="e"),
    Contract(id="main/v", contract="v", starts=date(2026, 1, 1), response_h=4.0, purposes={Purpose.SERVICE: True}, at=NOW),
    Customer(id="main/k", customer="k", at=NOW),
    Delivery(id="x", customer="k", notification="n", stage=Stage.HEALED, state=DeliveryState.DEFERRED, at=NOW, due_at=NOW + MINUTE),
    Incident(
        id="x", incident="i", kind=IncidentKind.OPENED, group="site/hall", at=NOW, opened_at=NOW, onset=NOW,
        children=("c1", "c2"), total=2, open=2,
    ),
    Silence(id="x", state=SilenceState.SET, group="site/hall", since=NOW, until=NOW + MINUTE, why="new fuses", by="ops", at=NOW),
    Gap(id="x", device="p", boot=3, first=4, last=6, filled=False, at=NOW),
    Notification(
        id="x", customer="k", case="c1", device="p", stage=Stage.CONSENT, at=NOW, expires_at=NOW + MINUTE, because="e",
        params={"value": 71.4},
    ),
    Offer(id="x", customer="k", kind=OfferKind.PART, what="FR-2207", article="paper-jam", case="c1", device="p", at=NOW, because="e"),
    Permit(id="x", device="p", state=PermitState.ASKED, action="a1", case="c1", remedy="r", at=NOW, expires_at=NOW + MINUTE),
    Request(id="x", customer="k", kind=RequestKind.CALL_ME, case="c1", device="p", at=NOW),
    Alarm(id="x", device="p", name="hot", source="alertmanager", active=True, at=NOW),
    Device(id="main/p", device="p", at=NOW, limits={"hot": 70.5}),
    Site(id="main/s", site="s", time_zone="Europe/Berlin", region="DE-BY", at=NOW),
    Facts(id="main/p", device="p", model="S3", units={"temperature": "Cel"}, at=NOW),
    Presence(id="x", device="p", online=False, evidence="will", at=NOW),
    Rejection(id="x", source="a/b", reason=Reason.BAD_JSON, at=NOW),
    Recall(id="x", device="p", action="a1", case="c1", at=NOW, because="said-no"),
    Switch(id="x", remedy="restart", state=SwitchState.STOPPED, at=NOW, by="ops", detail="wrong rule"),
    Errand(
        id="x", device="p", helper="gw-1", state=ErrandState.ASKED, case="c1", action="a1", name="link_state", at=NOW,
        not_after=NOW + MINUTE,
    ),
    Reply(id="x", device="p", action="a1", status=ReplyStatus.RUNNING, at=NOW, progress=40, result={"n": 1}),
    Symptom(
        id="x", device="p", state=SymptomState.RAISED, rule="r", rule_version="1", detector="threshold", cause="c",
        severity=Severity.MAJOR, onset=NOW, detected_at=NOW + SECOND,
    ),
    Slot(id="x", kind=SlotKind.BOOK, booking="b1", customer="k", case="c1", device="p", at=NOW, by="customer"),
    Booking(
        id="x", booking="b1", kind=BookingKind.BOOKED, status=BookingStatus.OPEN, customer="k", case="c1", start=NOW, end=NOW + MINUTE,
        at=NOW, because="s",
    ),
    Heard(id="x", customer="k", channel="mail", said="c2VhbGVk", intent="status", handed_to=HandedTo.VORAB, doubts=("anger",), at=NOW),
    Answered(id="x", customer="k", heard="h1", channel="mail", answer="state_of_device", source="case:c1", at=NOW),
    Corrected(id="x", customer="k", heard="h1", intent="call_me", before="status", by="agent-7", at=NOW),
    Tick(id="x", at=NOW),
    LeadTime(id="x", device="p", case="c1", cause="c", first_sign=NOW, detected=NOW + SECOND, at=NOW + SECOND),
)  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_on_the_log_are_what_the_document_says(record: Record) -> None:
    """Value and headers, as they are written."""
    _, value, headers = to_wire(record, "urn:vorab:test")
    [message] = [one for one in DOCUMENT["components"]["messages"].values() if one.get("title") == type(record).__name__ and "name" in one]
    assert wrong(type(record).__name__, json.loads(value)) == []
    told = {name: held.decode() for name, held in headers}
    assert list(Draft7Validator(message["headers"]).iter_errors(told)) == []
    assert list(Draft7Validator(message["headers"]).iter_errors(told | {"ce_type": "io.vorab.other.v1"}))


def test_every_kind_of_record_is_played() -> None:
    """None of the kinds on the log is left out above."""
    assert {type(record) for record in RECORDS} == set(KINDS)
