"""The store of people and the loopback HTTP in front of it."""

from __future__ import annotations

import json
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from notifier.database import SCHEMA, Database, meta
from notifier.people_http import PeopleServer
from notifier.people_store import PeopleStore
from notifier.wiring import Lock
from tests.unit.notifier.house import customer
from vorab.errors import ConfigError, Unavailable
from vorab.people import PeopleClient, Person, person_of
from vorab.records import Customer, Device

ERIKA = Person("main/c-1", "Erika Muster", "erika@example.org", "+49 30 1")
BOB = Person("main/c-2", "Bob", "bob@example.org")

Written = tuple[list[Customer | Device], list[tuple[str, str]]]
"""Entries, customers taken out, devices taken out."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PeopleStore]:
    """An empty store."""
    database = Database(f"sqlite:///{tmp_path / 'notifier.db'}")
    yield PeopleStore(database)
    database.close()


@pytest.fixture
def written() -> list[Written]:
    """What was written to the registry."""
    return []


@pytest.fixture
def served(store: PeopleStore, tmp_path: Path, written: list[Written]) -> Iterator[PeopleClient]:
    """The store behind HTTP, and a client that found it."""

    def registry(entries: Sequence[Customer | Device], gone: Sequence[tuple[str, str]]) -> None:
        written.append((list(entries), list(gone)))

    server = PeopleServer(store, registry, tmp_path / "notifier.json")
    server.start()
    client = PeopleClient.announced(tmp_path)
    assert client is not None
    yield client
    server.stop()
    assert PeopleClient.announced(tmp_path) is None


def test_people_are_written_replaced_listed_and_forgotten(store: PeopleStore) -> None:
    """What one would expect of a small address book."""
    store.put([BOB, ERIKA])
    store.put([Person("main/c-2", "Robert", "bob@example.org")])
    assert store.get("main/c-1") == ERIKA
    assert [person.name for person in store.all()] == ["Erika Muster", "Robert"]
    assert store.erase("main/c-1")
    assert not store.erase("main/c-1")
    assert store.get("main/c-1") is None


def test_the_same_through_http(served: PeopleClient, written: list[Written]) -> None:
    """Another process sees no difference."""
    served.put([ERIKA, BOB])
    assert served.get("main/c-1") == ERIKA
    assert served.get("main/c-9") is None
    assert list(served.all()) == [ERIKA, BOB]
    assert served.erase("main/c-2")
    assert not served.erase("main/c-2")
    pump = Device(id="main/pump-1", device="pump-1", at=1)
    served.register([customer(), pump], [("vorab.customers", "main/c-2")])
    assert written == [([pump, customer()], [("vorab.customers", "main/c-2")])]


def test_words_are_sealed_and_opened_by_the_notifier_and_by_nobody_after_the_end(served: PeopleClient, store: PeopleStore) -> None:
    """The same key each time, one for each customer; who is forgotten takes the words along, and opening makes no key."""
    first, second = *served.seal("main/c-1", ["It is loud.\nVery."]), *store.seal("main/c-1", ["und heiß 🔥"])
    assert served.opened("main/c-1", [second, first, "nonsense"]) == ["und heiß 🔥", "It is loud.\nVery.", None]
    assert served.opened("main/c-2", [first]) == [None]
    assert store.key("main/c-1") != store.key("main/c-2")
    assert served.erase("main/c-1")  # nobody of that name, but words
    assert served.opened("main/c-1", [first, second]) == [None, None]
    assert not served.erase("main/c-1")
    assert store.opened("main/c-1", [*store.seal("main/c-1", ["anew"]), first]) == ["anew", None]


def test_of_several_notifiers_whichever_can_opens(store: PeopleStore, tmp_path: Path) -> None:
    """Workers of one installation have a database, and so a key, each."""
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    servers = [PeopleServer(each, lambda *_: None, tmp_path / f"notifier-{n}.json") for n, each in enumerate((store, PeopleStore(other)))]
    for server in servers:
        server.start()
    client = PeopleClient.announced(tmp_path)
    assert client is not None
    [theirs], [ours] = PeopleStore(other).seal("main/c-1", ["theirs"]), client.seal("main/c-1", ["ours"])
    assert client.opened("main/c-1", [theirs, ours]) == ["theirs", "ours"]
    assert client.erase("main/c-1")
    assert client.opened("main/c-1", [theirs, ours]) == [None, None]
    for server in servers:
        server.stop()
    other.close()


def test_without_the_token_nothing_is_told(served: PeopleClient, tmp_path: Path) -> None:
    """Whoever may not read the announcement may not read people."""
    served.put([ERIKA])
    file = tmp_path / "notifier.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    url = json.loads(file.read_text())["people_url"]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{url}/people", headers=headers))  # noqa: S310 - our own server
        assert refused.value.code == 401
        assert b"erika" not in refused.value.read()
        refused.value.close()


def test_nonsense_is_refused_and_the_server_goes_on(served: PeopleClient) -> None:
    """A person without key, or with something else in its place, is a wrong request."""
    for wrong in ([Person("")], ["nobody"], None):
        with pytest.raises((Unavailable, TypeError)):
            served.put(wrong)  # type: ignore[arg-type]
    served.put([ERIKA])


def test_a_notifier_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    """The announcement of a killed process leads nowhere, and says so."""
    (tmp_path / "notifier.json").write_text('{"people_url": "http://127.0.0.1:9", "people_token": "x"}')
    client = PeopleClient.announced(tmp_path)
    assert client is not None
    with pytest.raises(Unavailable):
        client.get("main/c-1")


def test_a_person_does_not_end_up_in_a_log_line() -> None:
    """Printing a person shows the key and nothing else."""
    assert f"{ERIKA} {ERIKA!r}" == "Person(main/c-1) Person(main/c-1)"
    assert person_of({"customer": "main/c-1", "email": "a@example.org", "age": 7}) == Person("main/c-1", mail="a@example.org")


def test_erased_bytes_are_gone_from_the_files(tmp_path: Path) -> None:
    """Forgetting means the disk as well."""
    database = Database(f"sqlite:///{tmp_path / 'notifier.db'}")
    store = PeopleStore(database)
    store.put([ERIKA, BOB])
    store.erase("main/c-1")
    found = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"erika@example.org" not in found
    assert b"bob@example.org" in found
    database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old program does not touch what it does not know."""
    address = f"sqlite:///{tmp_path / 'notifier.db'}"
    database = Database(address)
    with database.begin() as connection:
        connection.execute(meta.update().values(value=str(SCHEMA + 1)))
    database.close()
    with pytest.raises(ConfigError, match="schema"):
        Database(address)


def test_one_process_per_database(tmp_path: Path) -> None:
    """The second one is told what to do."""
    address = f"sqlite:///{tmp_path / 'notifier.db'}"
    lock = Lock(address)
    with pytest.raises(ConfigError, match="another process"):
        Lock(address)
    lock.close()
    Lock(address).close()
