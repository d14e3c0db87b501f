"""Web Push set up: the key, the settings, who finds the public half, and whose devices are kept."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.vapid import keys_in
from notifier.ways import channels_of, push_key
from notifier.wiring import Service
from tests.unit.notifier.browser import Device, decoded
from tests.unit.notifier.house import NOON, House
from vorab.clock import ManualClock, Micros
from vorab.errors import ConfigError
from vorab.log.sqlite import SqliteLog
from vorab.people import PeopleClient
from vorab.records import Channel
from vorab.settings import Settings, load
from vorab.topics import TOPICS


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The second start finds the same; a file others may read, or that holds something else, is told with what to do."""
    file = tmp_path / "state" / "vapid.pem"
    first = keys_in(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["vapid.pem"]
    assert keys_in(file) == first
    assert len(decoded(first.browsers)) == 65
    assert "BEGIN" not in repr(first)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        keys_in(file)
    file.chmod(0o600)
    file.write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="not a private key"):
        keys_in(file)


def test_it_is_set_up_by_one_address(tmp_path: Path) -> None:
    """Without `contact` there is no such channel and no key is made."""
    off = load(None, {}, {"state_dir": str(tmp_path), "link_secret": "a secret for tests, long enough"})
    assert (push_key(off), Channel.WEB_PUSH in [port.channel for port in channels_of(off)]) == ("", False)
    assert not (tmp_path / "vapid.pem").exists()
    on = off.model_copy(update={"notifier": off.notifier.model_copy(update={"web_push": _contact("push@example.org")})})
    assert Channel.WEB_PUSH in [port.channel for port in channels_of(on)]
    assert push_key(on) == keys_in(tmp_path / "vapid.pem").browsers
    for wrong in ("push", "push@", "a b@example.org", "push@example.org\nx"):
        with pytest.raises(ValueError, match="mail address"):
            _contact(wrong)


def test_whoever_needs_the_public_key_finds_it_where_the_notifier_announces_itself(tmp_path: Path) -> None:
    """A running notifier tells other processes of this machine; with it off, nothing is told. A device that comes that way is reached."""
    settings = load(None, {}, {"state_dir": str(tmp_path), "link_secret": "a secret for tests, long enough"})
    for contact in ("", "push@example.org"):
        found = settings.model_copy(update={"notifier": settings.notifier.model_copy(update={"web_push": _contact(contact)})})
        with SqliteLog(tmp_path / f"log-{contact}.db", fsync=False) as log:
            log.create(dict.fromkeys(TOPICS, 1))
            service = Service(log, found.model_copy(update={"state_dir": str(tmp_path / f"state-{contact}")}), ManualClock(NOON))
            service.start()
            try:
                client = PeopleClient.announced(tmp_path / f"state-{contact}")
                assert client is not None
                assert bool(client.push_key) is bool(contact)
                device = Device().subscription("https://fcm.googleapis.com/fcm/send/1")
                client.subscribe("main/c-1", device)
                person = service.people.get("main/c-1")
                assert person is not None
                assert [port.channel for port in service.channels if port.channel is Channel.WEB_PUSH and port.reaches(person)] == (
                    [Channel.WEB_PUSH] if contact else []
                )
                assert client.unsubscribe("main/c-1", device.endpoint)
                assert not client.unsubscribe("main/c-1", device.endpoint)
            finally:
                service.stop()


def _contact(address: str) -> Any:
    return type(Settings().notifier.web_push).model_validate({"contact": address})


def test_the_newest_devices_are_kept_and_one_device_has_one_owner(tmp_path: Path) -> None:
    """Eight for a person; who asks last on a device is whose it is; an import keeps them, an erasure does not."""
    times: Iterator[Micros] = iter(range(100))
    house = House(tmp_path, now=NOON)
    try:
        house.people._wall = lambda: next(times)
        house.know()
        made = [Device().subscription(f"https://push.example/{n}") for n in range(10)]
        for each in made:
            house.people.subscribe("main/c-1", each)
        house.know()
        assert [each.endpoint for each in house.people.all()[0].devices] == [each.endpoint for each in made[2:]]
        house.people.subscribe("main/c-2", made[9])
        assert [len(person.devices) for person in house.people.all()] == [7, 1]
        assert house.people.unsubscribe("main/c-1", made[9].endpoint) is False
        assert house.people.unsubscribe("main/c-2", made[9].endpoint)
        house.people.erase("main/c-1")
        house.know()
        assert [len(person.devices) for person in house.people.all()] == [0, 0]
    finally:
        house.close()
