"""What counts for a person, merged from four layers, and who said so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.preferences import (
    CONTRACT,
    NOBODY,
    OPERATOR,
    PERSON,
    VORAB,
    Layer,
    Preferences,
    from_contract,
    from_person,
    from_settings,
    merge,
)
from tests.unit.notifier.house import MORNING, NIGHT, NOON, House, customer, note
from vorab.records import Channel, Contract, Limit, Purpose, QuietDay
from vorab.settings import Notifier

AGREED = Contract(
    id="main/v-7", contract="v-7", customer="c-1", language="de", channels=(Channel.FILE, Channel.MAIL), quiet_from="20:00",
    quiet_until="08:00", tell_healed=True, budget={Limit.A_WEEK: 5}, purposes={Purpose.SERVICE: True, Purpose.ADVERTISING: True},
)  # fmt: skip
SILENT = customer(own=())
"""An entry in which nobody has said anything."""


def layers(who: Any = SILENT, contract: Contract | None = AGREED, **operator: Any) -> list[Layer]:
    """vorab, an operator, a contract and a person."""
    agreed = [from_contract(contract)] if contract else []
    return [*from_settings(Notifier.model_validate(operator)), *agreed, from_person(who)]


def test_the_nearest_to_the_person_decides_each_field_and_the_trace_says_who() -> None:
    """Four layers, field by field."""
    who = customer(own=["quiet_from", "quiet_until"], quiet_from="23:00", quiet_until="06:00", budget={"a_month": 2})
    found = merge(layers(who, preferences={"region": "DE-BY", "language": "en"}, budget={"a_day": 2}))
    assert (found.language, found.region, found.channels[0], found.tell_healed) == ("de", "DE-BY", Channel.FILE, True)
    assert (found.quiet_from, found.quiet_until, found.time_zone) == ("23:00", "06:00", "Europe/Berlin")
    assert found.budget == {Limit.A_DAY: 2, Limit.A_WEEK: 5, Limit.A_MONTH: 2, Limit.ADVERTISING_A_MONTH: 1}
    assert {name: said.partition(":")[0] for name, said in found.trace.items()} == {
        "language": f"{CONTRACT} v-7", "time_zone": VORAB, "region": OPERATOR, "channels": f"{CONTRACT} v-7", "quiet_hours": PERSON,
        "quiet_days": VORAB, "tell_healed": f"{CONTRACT} v-7", "purposes": f"{CONTRACT} v-7", "a_day": OPERATOR,
        "a_week": f"{CONTRACT} v-7",
        "a_month": PERSON, "advertising_a_month": VORAB,
    }  # fmt: skip
    assert found.trace["quiet_hours"] == "person: 23:00-06:00"
    assert found.trace["channels"] == "contract v-7: file mail"


def test_where_nobody_says_anything_vorab_does() -> None:
    """Mail, in English, about service, not in the night nor on public holidays, and not more than one a day."""
    found = merge(layers(contract=None))
    assert found.budget == {Limit.A_DAY: 1, Limit.A_WEEK: 3, Limit.A_MONTH: 6, Limit.ADVERTISING_A_MONTH: 1}
    assert {said.partition(":")[0] for said in found.trace.values()} == {VORAB}
    assert (found.channels, found.purposes, found.quiet_days) == ((Channel.MAIL,), {Purpose.SERVICE: True}, (QuietDay.HOLIDAY,))


def test_nobody_agrees_to_advertising_for_somebody_else() -> None:
    """A contract can speak for service messages; advertising takes the person's own word."""
    assert not merge(layers()).purposes.get(Purpose.ADVERTISING, False)
    who = customer(own=["purposes"], purposes={"service": True, "advertising": True})
    assert merge(layers(who)).purposes[Purpose.ADVERTISING]


def test_an_entry_from_before_there_were_layers_is_all_the_persons_word() -> None:
    """Who was spoken to in a certain way is still spoken to so."""
    found = merge(layers(customer(), preferences={"language": "en", "tell_healed": True}))
    assert (found.language, found.channels, found.tell_healed) == ("de", (Channel.MAIL,), False)
    assert found.trace["tell_healed"] == "person: no"


Merge = Callable[[Iterable[Layer]], Preferences]
SAYS = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["de", "en"]),
        "tell_healed": st.booleans(),
        "channels": st.sampled_from([(Channel.MAIL,), (Channel.FILE, Channel.MAIL)]),
        "quiet_hours": st.sampled_from([("22:00", "07:00"), ("20:00", "06:00")]),
        Limit.A_DAY: st.integers(1, 5),
        Limit.A_WEEK: st.integers(1, 9),
    },
)


def right(say: list[dict[str, Any]], merged: Merge) -> bool:
    """Whether every field is that of the last layer that says it, and the trace names this layer."""
    found = merged([Layer(f"layer {n}", each) for n, each in enumerate(say)])
    for name in {name for each in say for name in each}:
        n, value = max((n, each[name]) for n, each in enumerate(say) if name in each)
        limits: dict[str, Any] = dict(found.budget.items())
        have = (found.quiet_from, found.quiet_until) if name == "quiet_hours" else limits.get(name, getattr(found, name, None))
        if have != value or not found.trace[name].startswith(f"layer {n}:"):
            return False
    return True


@given(st.lists(SAYS, max_size=4))
def test_every_field_is_decided_by_the_last_layer_that_says_it(say: list[dict[str, Any]]) -> None:
    """Whatever the layers say."""
    assert right(say, merge)


def test_a_merge_that_takes_a_layer_as_a_whole_is_caught() -> None:
    """Known-bad: the nearest layer that says anything decides everything."""
    say: list[dict[str, Any]] = [{"language": "de", "tell_healed": True}, {"language": "en"}]
    assert right(say, merge)
    assert not right(say, _whole)


def _whole(found: Iterable[Layer]) -> Preferences:
    """Known-bad."""
    last = [each for each in found if each.says][-1]
    return merge([Layer(last.name, {"tell_healed": NOBODY.tell_healed, **last.says})])


def test_the_contract_in_force_counts_else_the_default_of_the_tenant_and_the_message_tells_why(house: House) -> None:
    """A contract shifts the night; when it is over, the tenant's default does."""
    default = Contract(id="main/default", contract="default", quiet_from="00:00", quiet_until="00:00")
    agreed = AGREED.model_copy(update={"ends": date(2026, 11, 24), "channels": ()})
    house.know()
    house.put(SILENT)
    house.contracts(agreed, default)
    house.put(note())
    house.run()
    [waits] = house.deliveries()
    assert (waits.decided_by, waits.due_at) == ("awake", MORNING + 3_600_000_000)
    assert waits.preferences["quiet_hours"] == "contract v-7: 20:00-08:00"

    house.clock.set(NIGHT + 86_400_000_000)
    house.put(note(case="case-2", at=NIGHT))
    house.run(prepare=False)
    sent = [each for each in house.deliveries() if each.state == "sent"]
    assert {each.case for each in sent} == {"case-1", "case-2"}
    assert all(each.preferences["quiet_hours"] == "contract default: 00:00-00:00" and each.decided_by == "out_loud" for each in sent)


@pytest.mark.parametrize("gone", [False, True])
def test_a_contract_taken_out_counts_no_more(house: House, gone: bool) -> None:
    """A tombstone counts at once."""
    house.know()
    house.put(SILENT, note())
    house.contracts(Contract(id="main/v-7", contract="v-7", customer="c-1", quiet_from="11:00", quiet_until="13:00"))
    if gone:
        house.contracts("main/v-7")
    house.clock.set(NOON)
    house.run()
    assert house.told() == (["sent"] if gone else ["deferred:quiet_hours"])
