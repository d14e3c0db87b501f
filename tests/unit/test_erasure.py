"""After an erasure nothing personal is left below the state folder or in what was logged: every place that can hold any is seeded first."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from typer.testing import CliRunner

from desk.app import create_app
from desk.context import Context
from desk.projector import Projector
from desk.queries import Queries
from desk.sealed import Seal
from desk.store import Store
from notifier.channels import ChannelPort, Message, Outcome, Result
from notifier.database import Database, keys
from notifier.filechannel import FileChannel
from notifier.letter import Addresses, LetterChannel
from notifier.letter_pdf import Letterhead
from notifier.people_store import PeopleStore
from notifier.wiring import Service
from streams.hosts.embedded import EmbeddedHost
from streams.hosts.registry import Tables
from tests.unit.desk.house import SECRET, customer, device, doubted
from vorab import pipeline, provision, topics
from vorab.cli import app
from vorab.cli.hears import hears_on
from vorab.clock import DAY, SystemClock
from vorab.errors import Reason
from vorab.log import Outgoing, append_all
from vorab.log.sqlite import SqliteLog
from vorab.people import Person
from vorab.personal import everything
from vorab.records import (
    Answered,
    Channel,
    Customer,
    Delivery,
    HandedTo,
    Heard,
    Notification,
    Record,
    Rejection,
    from_wire,
    to_wire,
)
from vorab.settings import Settings

KEY: Final = "main/c-1"
CANARIES: Final = {
    name: f"kanari{number}{name}"
    for number, name in enumerate(("name", "mail", "phone", "wish", "note", "said", "answer", "street", "payload"))
}
"""One word for each field that can hold something personal, found nowhere else."""
PERSON: Final = Person(KEY, f"Erika {CANARIES['name']}", f"{CANARIES['mail']}@example.org", f"+49 {CANARIES['phone']}")
WAIT_S: Final = 60.0


@dataclass
class Quoting:
    """A provider that takes everything, keeps nothing here, and quotes the person in its answer."""

    channel: Channel = Channel.WEBHOOK
    idempotent: bool = True
    told: list[Message] = field(default_factory=list)

    def reaches(self, person: Person | None) -> bool:
        """Everybody with a name."""
        return person is not None and bool(person.name)

    def send(self, message: Message) -> Result:
        """Refuse, with the whole person in the answer."""
        self.told.append(message)
        return Result(Outcome.FAILED, f"no such person: {message.to.name} <{message.to.mail}> {message.to.phone.upper()}")

    def forget(self, notification: str) -> None:
        """Nothing is kept."""


class World:
    """Log, streams, notifier and desk on one state folder, in this process."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "var"
        self.state.mkdir()
        self.settings = Settings.model_validate(
            {
                "state_dir": str(self.state),
                "link_secret": SecretStr(SECRET),
                "desk": {"port": 0},
                "topics": {"partitions": 2},
                "notifier": {"budget": {"a_day": 0, "a_week": 0, "a_month": 0}},
            }
        )
        self.log = SqliteLog(self.state / "log.db")
        provision.create_topics(self.log, self.settings)
        addresses = folder / "addresses.yaml"  # the operator's own file: not ours to erase
        addresses.write_text(f"c-1: [Erika, {CANARIES['street']} 1, 10115 Berlin]\n", encoding="utf-8")
        self.provider = Quoting()
        channels: list[ChannelPort] = [
            self.provider, FileChannel(self.state / "messages"),
            LetterChannel(self.state / "letters", Addresses(addresses), Letterhead("Service")),
        ]  # fmt: skip
        self.clock = SystemClock()
        self.notifier = Service(self.log, self.settings, self.clock, channels=channels, base_url="https://desk.example.org")
        self.notifier.start()
        self.store = Store(f"sqlite:///{self.state / 'desk.db'}")
        seal = Seal(self.state)
        self.projector = Projector(self.log, self.store, self.clock)
        context = Context(self.log, Queries(self.store, seal), self.projector, self.settings, self.clock, hears=hears_on(self.settings))
        self.client = TestClient(
            create_app(context), base_url="http://127.0.0.1", headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False
        )
        self.projector.load()
        self._stop = threading.Event()
        host = EmbeddedHost(self.log, pipeline.kinds(self.settings, ["cases", "customers"]), Tables(), self.clock, checkpoint_s=0.2)
        self._thread = threading.Thread(target=host.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def write(self, *records: Record) -> None:
        """Append records."""
        out = []
        for record in records:
            key, value, headers = to_wire(record, "urn:test")
            out.append(Outgoing(record.TOPIC, topics.partition_of(record.key, 2), key, value, headers))
        append_all(self.log, out)

    def told(self, topic: str) -> list[Record]:
        """The records of a topic."""
        entries = self.log.read({(topic, partition): 0 for partition in range(2)}, limit=1_000)
        return [from_wire(entry.value, entry.headers) for entry in entries if entry.value]

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition."""
        end = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < end, "it never came true"
            seen = self.log.commits
            self.log.wait(seen, 0.05)
            while self.projector.step():
                pass

    def live(self) -> None:
        """A customer gets messages, writes, is written about, and is answered; a machine of theirs sends what nobody can read."""
        story = doubted()
        self.notifier.people.put([PERSON])
        awake: dict[str, Any] = {"quiet_from": "00:00", "quiet_until": "00:00", "quiet_days": ()}
        channels = (Channel.WEBHOOK, Channel.FILE)
        self.write(
            customer().model_copy(update={**awake, "channels": channels}), device(story.device),
            *(each for each in story.records if not isinstance(each, Notification | Delivery)),
        )  # fmt: skip
        self.until(lambda: self.client.get(f"/cases/{story.case}").status_code == 200)
        now = self.clock.now()
        template = next(each for each in story.records if isinstance(each, Notification))
        for number, channel in enumerate((Channel.FILE, Channel.LETTER, Channel.WEBHOOK)):
            self.write(Customer(id=KEY, customer="c-1", channels=(channel,), at=now + number, **awake))
            self.write(template.model_copy(update={"id": f"note-{number}", "case": f"case-{number}", "at": now, "expires_at": now + DAY}))
            self.until(lambda: any(d.notification == f"note-{number}" and d.state.final for d in self.deliveries()))  # noqa: B023 - asked at once
        token = story.token(expires_at=now + DAY)
        words = {"token": token, "kind": "call_me", "text": CANARIES["wish"]}
        assert self.client.post("/c/answer", data=words).status_code == 200
        noted = self.client.post(f"/cases/{story.case}/note", data={"nonce": "n" * 8, "text": f"sie sagt {CANARIES['note']}"})
        assert noted.status_code == 303
        said, answer = self.notifier.people.seal(KEY, [CANARIES["said"], CANARIES["answer"]])
        of: dict[str, Any] = {"customer": "c-1", "case": story.case, "channel": "mail", "at": now}
        self.write(
            Heard(id="heard-1", said=said, handed_to=HandedTo.PERSON, **of),
            Answered(id="answered-1", heard="heard-1", answer="by_hand", said=answer, **of),
            Rejection(
                id="rejected-1", source=f"telemetry/{story.device}", reason=Reason.BAD_JSON, device=story.key, at=now,
                payload_base64=base64.b64encode(CANARIES["payload"].encode()).decode(),
            ),
        )  # fmt: skip
        self.until(lambda: len(self.told(topics.COMMANDS)) == 2 and len(self.told(topics.REJECTED)) >= 1)
        self.until(lambda: self.projector.caught_up)

    def deliveries(self) -> list[Delivery]:
        """What became of messages."""
        return [each for each in self.told(topics.DELIVERIES) if isinstance(each, Delivery)]

    def erase(self) -> dict[str, object]:
        """By command, through the notifier that runs; then the time passes after which refused bytes are let go."""
        said = CliRunner().invoke(app, ["customers", "erase", "c-1", "--state-dir", str(self.state), "--json"], catch_exceptions=False)
        # The last record of a partition is kept whatever its age: the next refused one takes its place.
        self.write(
            *(Rejection(id=f"later-{n}", source=f"telemetry/other-{n}", reason=Reason.BAD_JSON, at=self.clock.now()) for n in range(8))
        )
        self.log.enforce(self.clock.now() + 8 * DAY)
        found: dict[str, object] = json.loads(said.stdout)
        return found

    def found(self, secrets: dict[str, bytes]) -> dict[str, list[str]]:
        """Where these bytes stand below the state folder, also in base64."""
        hits: dict[str, list[str]] = {}
        for file in sorted(path for path in self.state.rglob("*") if path.is_file()):
            content = file.read_bytes()
            for name, secret in secrets.items():
                if any(form in content for form in forms(secret)):
                    hits.setdefault(name, []).append(file.name)
        return hits

    def close(self) -> None:
        """End all of it, once."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(WAIT_S)
        self.notifier.stop()
        self.client.close()
        self.store.close()
        self.log.close()


def forms(secret: bytes) -> list[bytes]:
    """Bytes as they are, and in base64 wherever they begin."""
    return [secret, *(base64.b64encode(b"\0" * shift + secret)[shift + (shift > 0) : -4] for shift in range(3))]


def canaries() -> dict[str, bytes]:
    """What is looked for."""
    return {name: word.encode() for name, word in CANARIES.items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A customer's life before the erasure."""
    made = World(tmp_path)
    try:
        made.live()
        yield made
    finally:
        made.close()


def test_an_erasure_leaves_nothing_behind(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Before, people and messages name the person, and words stand nowhere in clear; afterwards 0 hits, and nobody opens the words."""
    secrets = {**canaries(), "key": world.notifier.people.key(KEY)}
    before = world.found(secrets)
    assert set(before) - {"street"} == {"name", "mail", "phone", "payload", "key"}  # a letter may be packed
    held = json.dumps(everything(world.log, world.notifier.people, KEY, world.clock.now()), ensure_ascii=False)
    assert all(CANARIES[name] in held for name in ("name", "mail", "phone", "wish", "said", "answer", "note"))
    assert world.provider.told
    assert world.erase() == {"customer": KEY, "person_erased": True, "entry_removed": True, "still_in": []}
    # Refused bytes go with their topic, and their pages when they are written anew.
    assert set(world.found(secrets)) <= {"payload"}
    after = everything(world.log, world.notifier.people, KEY, world.clock.now())
    assert not any(word in json.dumps(after, ensure_ascii=False) for word in CANARIES.values())
    world.close()
    with sqlite3.connect(world.state / "log.db") as log:
        log.execute("VACUUM")
    assert world.found(secrets) == {}
    logged = capfd.readouterr()
    assert not any(word in logged.out + logged.err for word in CANARIES.values())


def test_words_that_were_not_sealed_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: text that only looks sealed stays in the log."""
    monkeypatch.setattr(
        PeopleStore, "seal", lambda _self, _customer, texts: [base64.urlsafe_b64encode(b"-" * 30 + t.encode()).decode() for t in texts]
    )
    world = World(tmp_path)
    try:
        world.live()
        world.erase()
        assert set(world.found(canaries())) >= {"wish", "note", "said", "answer"}
    finally:
        world.close()


def test_a_key_that_is_kept_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: the person is forgotten, and what they wrote can still be opened."""
    key = world.notifier.people.key(KEY)
    erase = PeopleStore.erase

    def forgetful(self: PeopleStore, customer: str) -> bool:
        gone = erase(self, customer)
        self._database.upsert(keys, [{"customer": customer, "key": key}])
        return gone

    monkeypatch.setattr(PeopleStore, "erase", forgetful)
    world.erase()
    assert world.found({"key": key}) == {"key": ["notifier.db-wal"]}


def test_a_database_that_is_not_scrubbed_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known-bad: deleted rows stand in the log of changes until somebody writes it back."""
    monkeypatch.setattr(Database, "scrub", lambda _self: None)
    world.erase()
    assert {"name", "mail", "phone"} <= set(world.found(canaries()))
