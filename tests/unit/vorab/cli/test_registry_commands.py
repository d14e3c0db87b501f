"""`vorab customers` and `vorab devices`: what goes in comes out, mistakes are named by file and line, nobody is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vorab.cli import app
from vorab.errors import ConfigError
from vorab.log import open_log
from vorab.people import Person
from vorab.topics import CUSTOMERS

CUSTOMERS_CSV = """\
customer,name,mail,phone,language,channels,purposes,tell_healed,quiet_from
c-1,Erika Muster,erika@example.org,+49 30 1,de,mail file,service,yes,22:30
c-2,"=HYPERLINK(""x"")",bob@example.org,,en,,service=yes advertising=no,,
"""
DEVICES_YAML = """\
- {device: pump-1, model: pump, name: Pumpe 1, customer: c-1, firmware: 1.10, remote_repair: yes, limits: {pressure_low: 1.9}}
- {device: pump-2, model: pump, remote_repair: no}
- {device: pump-3, model: pump}
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("VORAB_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("VORAB_TOPICS_PARTITIONS", "2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    """One command; errors speak as exceptions."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def ok(*arguments: str | Path) -> str:
    """The output of a command that must work."""
    found = run(*arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


def put(folder: Path, name: str, text: str) -> Path:
    """A file to import."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("form", ["csv", "json", "yaml"])
def test_customers_come_out_as_they_went_in(state: Path, form: str) -> None:
    """Imported, exported, imported again in every format: the same each time."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    first = ok("customers", "export", "--format", form)
    ok("customers", "erase", "c-1")
    ok("customers", "import", put(state, f"again.{form}", first))
    assert ok("customers", "export", "--format", form) == first
    shown = json.loads(ok("customers", "show", "c-1", "--json"))
    assert (shown["name"], shown["mail"], shown["channels"], shown["quiet_from"]) == (
        "Erika Muster",
        "erika@example.org",
        ["mail", "file"],
        "22:30",
    )
    assert shown["purposes"] == {"service": True, "advertising": False}
    assert json.loads(ok("customers", "show", "main/c-2", "--json"))["name"] == '=HYPERLINK("x")'


def test_a_spreadsheet_finds_no_formula(state: Path) -> None:
    """A name that begins like a formula is quoted in CSV."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    assert "'=HYPERLINK" in ok("customers", "export", "--format", "csv")


def test_names_and_addresses_never_reach_the_log(state: Path) -> None:
    """The log holds random ids and preferences; people live in one other place."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    with open_log(f"sqlite:///{state / 'var' / 'log.db'}", read_only=True) as log:
        entries = log.read({(CUSTOMERS, p): 0 for p in range(2)})
    assert len(entries) == 2
    assert all(b"Erika" not in (entry.value or b"") and b"example.org" not in (entry.value or b"") for entry in entries)
    written = b"".join(file.read_bytes() for file in (state / "var").glob("log.db*"))
    assert b"erika@example.org" not in written
    assert "Erika" not in ok("customers", "export", "--without-people")


def test_an_erased_customer_is_gone(state: Path) -> None:
    """From the registry, from the store of people, and from the bytes on disk."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    assert "forgotten" in ok("customers", "erase", "c-1")
    assert run("customers", "show", "c-1").exit_code == 1
    assert [row["customer"] for row in json.loads(ok("customers", "export", "--format", "json"))] == ["c-2"]
    written = b"".join(file.read_bytes() for file in (state / "var").rglob("*") if file.is_file())
    assert b"erika@example.org" not in written


def test_devices_come_out_as_they_went_in(state: Path) -> None:
    """A firmware of 1.10 stays 1.10, and consent that was never asked stays unasked."""
    ok("devices", "import", put(state, "in.yaml", DEVICES_YAML))
    for form in ("csv", "json", "yaml"):
        text = ok("devices", "export", "--format", form)
        ok("devices", "import", put(state, f"again.{form}", text))
        assert ok("devices", "export", "--format", form) == text
    shown = [json.loads(ok("devices", "show", f"pump-{n}", "--json")) for n in (1, 2, 3)]
    assert shown[0]["firmware"] == "1.10"
    assert shown[0]["limits"] == {"pressure_low": 1.9}
    assert [entry.get("remote_repair") for entry in shown] == [True, False, None]


@pytest.mark.parametrize(
    ("command", "name", "text", "says"),
    [
        ("customers", "in.csv", "customer,nmae\nc-1,Erika\n", r"unknown key nmae[\s\S]*in\.csv:1[\s\S]*did you mean name\?"),
        ("customers", "in.csv", "customer,mail\nc-1,nobody\n", r"not a mail address[\s\S]*in\.csv:2 \[mail\]"),
        ("customers", "in.csv", "customer\nerika@example.org\n", r"never a name or an address"),
        ("customers", "in.csv", "customer,time_zone\nc-1,Mars\n", r"no time zone 'Mars'"),
        ("customers", "in.csv", "customer,quiet_from\nc-1,late\n", r"no time of day 'late'"),
        ("customers", "in.csv", "customer,channels\nc-1,pigeon\n", r"channels"),
        ("customers", "in.csv", "customer\nc-1\nc-1\n", r"twice"),
        ("customers", "in.yaml", "customer: c-1\n", r"no list"),
        ("customers", "in.json", "[{", r"not valid JSON"),
        ("customers", "in.txt", "", r"ends in"),
        ("customers", "missing.yaml", "", r"cannot be read[\s\S]*at .*missing\.yaml\n  name an existing file"),
        ("customers", "in.csv", "customer;name\nc-1;Erika\n", r"semicolons[\s\S]*in\.csv:1\n  separate"),
        ("customers", "in.csv", "name\nErika\n", r"no column customer[\s\S]*in\.csv:1"),
        ("customers", "in.csv", "customer,name\nc-1,Muster, Erika\n", r"more cells[\s\S]*in\.csv:2"),
        ("customers", "in.csv", "customer,language\nc-1,fr\n", r"language 'fr'[\s\S]*in\.csv:2 \[language\], column 2\n  one of"),
        (
            "customers",
            "in.csv",
            "customer,channels\nc-1,pigeon\n",
            r"no channel 'pigeon'[\s\S]*in\.csv:2 \[channels\], column 2\n  one or more of mail",
        ),
        (
            "customers",
            "in.csv",
            "customer,purposes\nc-1,love\n",
            r"no purpose 'love'[\s\S]*in\.csv:2 \[purposes\], column 2\n  the purposes",
        ),
        ("customers", "in.csv", "customer,purposes\nc-1,service=maybe\n", r"yes or no[\s\S]*in\.csv:2 \[purposes\], column 2\n"),
        (
            "customers",
            "in.csv",
            "customer,tell_healed\nc-1,perhaps\n",
            r"'perhaps' is neither[\s\S]*in\.csv:2 \[tell_healed\], column 2\n  yes or no",
        ),
        ("customers", "in.yaml", "- {customer: c-1}\n- {customer: c 2}\n", r"customer 'c 2'[\s\S]*in\.yaml:2"),
        ("customers", "in.yaml", "- {customer: [}\n", r"not valid YAML[\s\S]*in\.yaml:1, column 15\n"),
        ("customers", "in.json", '[\n {"customer": "c-1",\n  "name": "{"},\n {"customer": "c 2"}]', r"customer 'c 2'[\s\S]*in\.json:4"),
        ("devices", "in.csv", "device\nb 1\n", r"device 'b 1'[\s\S]*in\.csv:2 \[device\], column 1\n  the id the device has on MQTT"),
        ("devices", "in.csv", "device,tenant\nb,a/b\n", r"tenant 'a/b'"),
        ("devices", "in.yaml", "- {model: pump}\n", r"the id the device has"),
        ("devices", "in.yaml", "- {device: p, limits: {a: high}}\n", r"limits"),
        ("devices", "in.yaml", "- {device: p, remote_repair: perhaps}\n", r"remote_repair"),
        ("devices", "in.yaml", "- {device: p, time_zone: Europe/Baerlin}\n", r"there is no time zone .Europe/Baerlin."),
        ("devices", "in.yaml", "- {device: p}\n- {device: p}\n", r"twice"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(state: Path, command: str, name: str, text: str, says: str) -> None:
    """File, line, key and what would be right; the good rows before it are not written either."""
    file = state / name
    if name != "missing.yaml":
        put(state, name, text)
    with pytest.raises(ConfigError, match=says):
        run(command, "import", file)
    assert not (state / "var").exists()


def test_all_mistakes_of_an_import_are_told_at_once(state: Path) -> None:
    """Who corrects a file reads it once: every row's mistakes, each with its line and what would be right."""
    rows = put(state, "in.csv", "device,limits,remote_repair\nb 1,a=high,\np-2,,perhaps\np-3,,\np-3,,\n")
    with pytest.raises(ConfigError) as told:
        run("devices", "import", rows)
    said = str(told.value)
    assert [f"in.csv:{line}" in said for line in range(1, 6)] == [False, True, True, False, True]
    assert "device 'b 1'" in said
    assert said.endswith("4 mistakes; nothing was imported")


def test_what_is_no_mistake_but_worth_knowing_is_noted(state: Path) -> None:
    """A customer without the address they like, a device of a customer nobody knows."""
    told = run("customers", "import", put(state, "in.csv", "customer,mail\nc-1,erika@example.org\nc-9,\n"))
    assert "note: c-9 likes mail but has no address" in told.output
    assert "c-1 likes" not in told.output
    told = run("devices", "import", put(state, "in.yaml", "- {device: p-1, customer: c-1}\n- {device: p-2, customer: c-2}\n"))
    assert "note: p-2 names the customer c-2" in told.output
    assert "p-1 names" not in told.output


def test_nobody_cannot_be_erased(state: Path) -> None:
    """A mistyped name must not look like a customer forgotten."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    told = run("customers", "erase", "nobody")
    assert told.exit_code == 1
    assert "there is no customer main/nobody" in told.output


def test_what_a_customer_has_been_through_is_counted(state: Path) -> None:
    """One more of each that is named, nothing else changed, and import can say it, too."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    before = json.loads(ok("customers", "show", "c-1", "--json"))
    ok("customers", "mark", "c-1", "--return", "--wrong-bill")
    assert json.loads(ok("customers", "mark", "c-1", "--return", "--json")) == {
        "customer": "main/c-1", "returns": 2, "wrong_bills": 1, "complaints": 0,
    }  # fmt: skip
    after = json.loads(ok("customers", "show", "c-1", "--json"))
    assert after == {**before, "returns": 2, "wrong_bills": 1}
    assert "returns 1, wrong bills 0, complaints 1" in ok("customers", "mark", "c-2", "--return", "--complaint")


def test_a_mark_for_nobody_or_of_nothing_is_refused(state: Path) -> None:
    """A mistyped name must not look like a complaint heard."""
    ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
    told = run("customers", "mark", "nobody", "--complaint")
    assert told.exit_code == 1
    assert "there is no customer main/nobody" in told.output
    with pytest.raises(ConfigError, match="nothing to note"):
        run("customers", "mark", "c-1")


def test_a_removed_device_is_gone(state: Path) -> None:
    """From the registry, as a record without value; what is not there cannot be removed."""
    ok("devices", "import", put(state, "in.yaml", DEVICES_YAML))
    assert "taken out" in ok("devices", "remove", "pump-2")
    assert [row["device"] for row in json.loads(ok("devices", "export", "--format", "json"))] == ["pump-1", "pump-3"]
    assert run("devices", "remove", "pump-2").exit_code == 1


def test_a_running_notifier_is_asked_to_write(state: Path) -> None:
    """While it holds log and database, the commands go through its loopback HTTP."""
    from notifier.wiring import Service
    from vorab import settings
    from vorab.clock import SystemClock
    from vorab.provision import create_topics

    found = settings.load()
    with open_log(found.log_address) as log:
        create_topics(log, found)
        service = Service(log, found, SystemClock())
        service.start()
        try:
            assert "2 customers imported" in ok("customers", "import", put(state, "in.csv", CUSTOMERS_CSV))
            assert "3 devices imported" in ok("devices", "import", put(state, "in.yaml", DEVICES_YAML))
            assert service.people.get("main/c-1") == Person("main/c-1", "Erika Muster", "erika@example.org", "+49 30 1")
            assert json.loads(ok("customers", "show", "c-1", "--json"))["language"] == "de"
            ok("devices", "remove", "pump-3")
            assert run("devices", "show", "pump-3").exit_code == 1
            ok("customers", "erase", "c-1")
            assert service.people.get("main/c-1") is None
        finally:
            service.stop()
