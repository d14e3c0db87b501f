"""The dead-man sweep: what nobody would come back to is found, and what is in order is left alone."""

from __future__ import annotations

import sqlalchemy as sa

from notifier.database import notices
from notifier.store_sweep import EVERY, sweep
from tests.unit.notifier.house import NOON, House, customer, note
from vorab.records import Channel, DeliveryReason, DeliveryState


def waiting(house: House, count: int = 2) -> None:
    """So many messages in the outbox, none of them decided."""
    house.clock.set(NOON)
    house.know()
    house.put(customer(), *(note(case=f"case-{n}") for n in range(count)))
    house.notifier.prepare()
    while sum(house.store.counts().values()) < count:
        house.notifier.read(("vorab.notifications",), 0.1)


def test_what_is_in_order_is_left_alone(house: House) -> None:
    """A call that is being made, with what it tells besides, and what waits: nothing is found, nothing changes."""
    waiting(house)
    first, second = house.store.due(NOON, 2)
    house.store.claim(first, Channel.MAIL, NOON, carries=[second.note])
    before = house.store.counts()
    assert sweep(house.store, {first.note.id}, NOON) == (0, [])
    assert house.store.counts() == before
    assert house.store.due(NOON, 2) == []


def test_a_message_whose_carrier_is_over_is_told_by_itself(house: House) -> None:
    """Known-bad: an outbox that forgets to free what a failed message was to tell besides; without the sweep it is never due again."""
    waiting(house)
    first, second = house.store.due(NOON, 2)
    house.store.claim(first, Channel.MAIL, NOON, carries=[second.note])
    house.store.failed(first.note, Channel.MAIL, DeliveryReason.REFUSED, "", NOON)
    with house.database.begin() as connection:
        mine = notices.c.notification == second.note.id
        connection.execute(sa.update(notices).where(mine).values(carrier=first.note.id))
    assert house.store.due(NOON, 2) == []
    house.run(prepare=False)
    assert house.store.counts() == {DeliveryState.FAILED: 1, DeliveryState.SENT: 1}


def test_a_call_that_nobody_makes_is_held_as_unknown(house: House) -> None:
    """A row says `sending`, no hand has it, and no restart is near: a minute later it is held for a person, and never sent again."""
    waiting(house, 1)
    [notice] = house.store.due(NOON, 1)
    house.store.claim(notice, Channel.MAIL, NOON)
    house.clock.advance(EVERY)
    house.run(prepare=False)
    assert house.store.counts() == {DeliveryState.UNKNOWN: 1}
    assert house.mail.sent == []
    assert house.told() == ["unknown:interrupted"]
