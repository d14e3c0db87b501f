"""Wake-ups that are held back are never lost."""

from __future__ import annotations

import itertools
import selectors
import socket
from contextlib import suppress

import pytest
from kafka.net.compat import KafkaNetClient

from vorab.log.kafka_client import HeldClient, Selector


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per wake-up that reached the thread."""
    calls: list[int] = []
    counter = itertools.count()
    monkeypatch.setattr(KafkaNetClient, "wakeup", lambda _self: calls.append(next(counter)))
    return calls


@pytest.fixture
def client() -> HeldClient:
    """A client that connects to nothing."""
    made: HeldClient = HeldClient.__new__(HeldClient)
    return made


def test_many_become_one(client: HeldClient, woken: list[int]) -> None:
    """Four batches begun together wake the thread once, at the end."""
    with client.together():
        for _ in range(4):
            client.wakeup()
        assert not woken
    assert len(woken) == 1


def test_none_becomes_none_and_alone_is_at_once(client: HeldClient, woken: list[int]) -> None:
    """Nothing to say, nothing said; outside of it every call counts."""
    with client.together():
        pass
    assert not woken
    client.wakeup()
    client.wakeup()
    assert len(woken) == 2


def test_an_error_lets_go_as_well(client: HeldClient, woken: list[int]) -> None:
    """What was begun before it still leaves."""
    with suppress(ZeroDivisionError), client.together():
        client.wakeup()
        raise ZeroDivisionError
    assert len(woken) == 1


def test_letting_go_in_between_holds_nothing_back(client: HeldClient, woken: list[int]) -> None:
    """Before a wait for space or for the first word about a topic: what is held leaves, and what follows at once."""
    with client.together():
        client.wakeup()
        client.let_go()
        assert len(woken) == 1
        client.wakeup()
    assert len(woken) == 2


def test_another_thread_between_two_steps_is_not_lost(client: HeldClient, woken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: to look whether it is held before saying what is wanted; who lets go in between would see nothing."""
    client._held = True
    seen: list[bool] = []

    def held(self: HeldClient) -> bool:
        """Somebody lets go exactly while another thread looks."""
        seen.append(self._wanted)
        return True

    monkeypatch.setattr(HeldClient, "_held", property(held, lambda _self, _to: None))
    del client.__dict__["_held"]
    client.wakeup()
    assert seen == [True]
    assert not woken


def test_the_selector_knows_what_the_systems_own_knows() -> None:
    """Registered, changed, given up: its keys are those of the system's own at every step."""
    one, other = socket.socketpair()
    with one, other, Selector() as selector:
        assert selector.register(one, selectors.EVENT_READ, "a") == selector.get_key(one) == selector.get_map()[one]
        selector.modify(one, selectors.EVENT_READ | selectors.EVENT_WRITE, "b")
        assert selector.get_key(one) == selector.get_map()[one]
        other.sendall(b"x")
        assert [key.data for key, _ in selector.select(1)] == ["b"]
        selector.unregister(one)
        with pytest.raises(KeyError):
            selector.get_key(one)
        assert not selector.get_map()


def test_an_unknown_socket_is_not_described_in_words() -> None:
    """That would cost more than the wait it is about."""
    one, other = socket.socketpair()
    with one, other, Selector() as selector, pytest.raises(KeyError) as error:
        selector.get_key(one)
    assert error.value.args == (one,)
