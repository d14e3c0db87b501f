"""The ledger of consents: what changed is written, nothing is replaced, and the words people agreed to stay what they were."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from vorab.cli import app
from vorab.consents import REMOTE_REPAIR, TEXTS, changed, version, words_of
from vorab.records import ConsentBy, Customer, Purpose
from vorab.words import LANGUAGES

KEPT = {"remote-repair-1.de": "remote-repair-1.de@d523b4fa1ef7", "remote-repair-1.en": "remote-repair-1.en@6dd235adfc46"}
"""What people have agreed to: a line is added for a new version, and none is ever changed."""


def entry(at: int, own: tuple[str, ...] | None = ("purposes",), **purposes: bool) -> Customer:
    """Somebody who has said this to the purposes."""
    return Customer(id="main/c-1", customer="c-1", at=at, own=own, purposes={Purpose(name): said for name, said in purposes.items()})


def test_words_that_were_agreed_to_are_never_others() -> None:
    """Each version with its hash; a changed word is another hash, and no words are found for what we never said."""
    assert {name: version(name) for name in TEXTS} == KEPT
    assert set(REMOTE_REPAIR) == set(LANGUAGES)
    assert all(words_of(version(name)) == TEXTS[name] for name in REMOTE_REPAIR.values())
    assert words_of("remote-repair-1.de@000000000000") == words_of("web-form-2026-03") == ""


def test_only_what_somebody_said_and_what_changed_is_written_down() -> None:
    """Yes, no, taken back by silence; a default is nobody's word, and the same entry again says nothing new."""

    def told(before: Customer | None, after: Customer) -> list[tuple[str, bool]]:
        return [(each.purpose.value, each.given) for each in changed(before, after, ConsentBy.IMPORT)]

    assert told(None, entry(1, own=())) == []
    assert told(None, entry(1, service=True, advertising=False)) == [("service", True), ("advertising", False)]
    assert told(entry(1, service=True), entry(2, service=True)) == []
    assert told(entry(1, service=True, advertising=True), entry(2, service=True, advertising=False)) == [("advertising", False)]
    assert told(entry(1, service=True, advertising=True), entry(2, service=True)) == [("advertising", False)]
    first, again = (changed(None, entry(at, service=True), ConsentBy.REST)[0] for at in (1, 2))
    assert first.key != again.key  # compaction keeps both
    assert first.of == again.of == "main/c-1"


def test_imports_stand_in_the_ledger_and_the_export_of_a_person(tmp_path: Path) -> None:
    """Given, then withdrawn by the next file: both lines stay, with what the words are called."""
    runner, file, where = CliRunner(), tmp_path / "in.csv", ("--state-dir", str(tmp_path / "var"))
    for purposes, text in (("service=yes advertising=yes", "web-form-2026-03"), ("service=yes advertising=no", "")):
        file.write_text(f"customer,name,mail,channels,purposes\nc-1,Erika,erika@example.org,mail,{purposes}\n", encoding="utf-8")
        assert runner.invoke(app, ["customers", "import", str(file), "--consent-text", text, *where]).exit_code == 0
    shown = json.loads(runner.invoke(app, ["customers", "consents", "c-1", "--json", *where]).stdout)
    assert [(each["purpose"], each["given"], each["way"], each.get("text", "")) for each in shown] == [
        ("advertising", True, "import", "web-form-2026-03"),
        ("service", True, "import", "web-form-2026-03"),
        ("advertising", False, "import", ""),
    ]
    held = json.loads(runner.invoke(app, ["customers", "export-person", "c-1", *where]).stdout)
    assert (held["format"], held["person"]["mail"], held["consents"]) == ("vorab.person/1", "erika@example.org", shown)
    assert held["entry"]["purposes"] == {"service": True, "advertising": False}
    assert runner.invoke(app, ["customers", "export-person", "nobody", *where]).exit_code == 1
