"""What the registry knows and does not know: a device nobody registered gets care as any other, and a contract speaks for its devices."""

from __future__ import annotations

from datetime import date

import pytest

from streams.hosts.registry import Tables
from tests.unit.streams.cases.ward import ASKS, CUSTOMER, HEAT_PUMP, NIGHT, REFUSES, Ward
from vorab.processor import remote_repair
from vorab.records import CaseKind, CommandKind, Contract, Device, ReplyStatus, Status

STRANGER = Device(id="main/stranger", device="stranger", model="pump", name="Nobody's")
SAYS = Contract(id="main/v-1", contract="v-1", customer="c-1", starts=date(2026, 11, 1), ends=date(2026, 11, 30), remote_repair=True)


def test_a_case_on_a_device_nobody_registered_is_worked_by_people() -> None:
    """It opens, waits for a person, is taken and resolved; nobody is written to, because nobody is known."""
    ward = Ward()
    symptom = ward.raised("02:10", device=STRANGER)
    opened = ward.events[0]
    assert (opened.kind, opened.customer, opened.site, opened.model, opened.name) == (CaseKind.OPENED, "", "", "", "")
    assert ward.last.status is Status.HELD
    assert "I am calling about the device stranger" in ward.last.detail
    ward.asked("03:00", CommandKind.TAKE, device=STRANGER)
    ward.asked("03:10", CommandKind.NOTE, device=STRANGER, detail="a new pump of the yard")
    ward.asked("03:20", CommandKind.RESOLVE, device=STRANGER)
    ward.cleared("03:30", symptom)
    ward.tick("1+03:30")
    assert ward.story[-1].endswith("closed closed")
    assert ward.notifications == []
    assert ward.actions == []


def test_once_it_is_registered_its_next_case_knows_its_customer() -> None:
    """The open case stays as it was; the next one is its customer's."""
    ward = Ward()
    ward.raised("02:10", device=STRANGER, cause="jam")
    ward.registry.put(HEAT_PUMP.model_copy(update={"id": "main/stranger", "device": "stranger"}))
    ward.raised("02:20", device=STRANGER)
    assert [event.customer for event in ward.kinds(CaseKind.OPENED)] == ["", "c-1"]


@pytest.mark.parametrize(
    ("device", "contract", "agreed"),
    [
        (ASKS, SAYS, True),
        (ASKS, SAYS.model_copy(update={"remote_repair": False}), False),
        (ASKS, SAYS.model_copy(update={"remote_repair": None}), None),
        (ASKS, SAYS.model_copy(update={"ends": date(2026, 11, 22)}), None),
        (ASKS, SAYS.model_copy(update={"starts": date(2026, 11, 24)}), None),
        (ASKS, SAYS.model_copy(update={"customer": "c-2"}), None),
        (ASKS, None, None),
        (REFUSES, SAYS, False),
        (HEAT_PUMP, SAYS.model_copy(update={"remote_repair": False}), True),
    ],
)
def test_a_contract_speaks_where_nobody_was_asked(device: Device, contract: Contract | None, *, agreed: bool | None) -> None:
    """While it is in force, for its own customer, and never against what was said about the device itself."""
    entry = device.model_copy(update={"contract": "v-1"})
    tables = Tables([entry], [CUSTOMER], contracts=[contract] if contract else [])
    assert remote_repair(tables, entry.key, NIGHT) is agreed


def test_a_machine_under_contract_is_repaired_without_a_question() -> None:
    """The same machine without one would wait for its customer."""
    asked = Ward(devices=[ASKS])
    asked.raised("02:10", device=ASKS)
    assert asked.last.status is Status.PENDING
    ward = Ward(devices=[ASKS.model_copy(update={"contract": "v-1"})])
    ward.registry.put(SAYS)
    ward.raised("02:10", device=ASKS)
    assert [action.name for action in ward.actions] == ["restart"]
    ward.replied("02:14", ReplyStatus.SUCCEEDED)
    assert ward.kinds(CaseKind.CONSENT_ASKED) == []
