"""`vorab silences`: set, listed and ended by command, past the vorab that runs or through it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from notifier.people_http import PeopleServer
from notifier.wiring import write_registry
from vorab import people, provision, silences
from vorab.cli import app, main
from vorab.clock import DAY, HOUR, Micros, SystemClock, iso, parse_iso
from vorab.errors import EXIT_PROBLEMS, EXIT_USAGE, ConfigError, Unavailable
from vorab.log import open_log
from vorab.records import Device, Record, Silence, SilenceState, Switch, SwitchState, from_wire
from vorab.registry import writing
from vorab.settings import load
from vorab.topics import CASES_BY_GROUP

WHY = ("--why", "new pumps in the cellar")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("VORAB_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("VORAB_TOPICS_PARTITIONS", "2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    """One command; errors speak as exceptions."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def ok(*arguments: str) -> Any:
    """What a command that must work prints as JSON."""
    found = run(*arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def words() -> list[Record]:
    """What stands among the cases of tenants."""
    with open_log(load().log_address, read_only=True) as log:
        return [from_wire(each.value, each.headers) for each in log.read({(CASES_BY_GROUP, p): 0 for p in range(2)})]


def now() -> Micros:
    """The machine's time."""
    return SystemClock().now()


@pytest.mark.usefixtures("state")
def test_one_is_set_listed_and_ended() -> None:
    """With its end by length or by moment; who said it and why stand beside it; an ended one is listed no more."""
    one = ok("silences", "set", "site/ahornweg", "--for", "2h", *WHY, "--by", "ops-1")
    until = iso(now() + DAY)
    other = ok("silences", "set", "model/pump|low_pressure", "--until", until, "--from", iso(now() + HOUR), *WHY)
    assert parse_iso(one["until"]) - parse_iso(one["since"]) == 2 * HOUR
    assert (one["by"], one["why"], other["by"], other["until"]) == ("ops-1", WHY[1], "operations", until)
    assert [(row["group"], row["state"]) for row in ok("silences", "list")] == [
        ("site/ahornweg", "lasts"), ("model/pump|low_pressure", "to come"),
    ]  # fmt: skip
    table = run("silences", "list").stdout.splitlines()
    assert table[0].split() == ["silence", "state", "group", "since", "until", "by", "why"]
    assert one["silence"][:8] in table[1]
    assert ok("silences", "end", one["silence"][:6], "--by", "ops-2") == {"silence": one["silence"], "ended": True}
    assert [row["silence"] for row in ok("silences", "list")] == [other["silence"]]
    found = [record for record in words() if isinstance(record, Silence)]
    assert [(word.state, word.by) for word in found] == [
        (SilenceState.SET, "ops-1"), (SilenceState.SET, "operations"), (SilenceState.ENDED, "ops-2"),
    ]  # fmt: skip
    assert run("silences", "end", one["silence"]).exit_code == EXIT_PROBLEMS


def test_those_of_the_settings_are_listed_and_end_there(state: Path) -> None:
    """Who wants to end one is told where it stands."""
    since, until = iso(now() - HOUR), iso(now() + HOUR)
    text = f'[[streams.incidents.silences]]\ngroup = "fleet"\nsince = {since}\nuntil = {until}\n'
    (state / "vorab.toml").write_text(text, encoding="utf-8")
    [row] = ok("silences", "list")
    assert (row["group"], row["by"], row["since"]) == ("fleet", silences.IN_SETTINGS, since)
    with pytest.raises(ConfigError, match=r"streams\.incidents\.silences"):
        run("silences", "end", row["silence"])


def test_nothing_is_silent_where_nothing_is_known(state: Path) -> None:
    """Also before there is a log; looking makes none."""
    assert ok("silences", "list") == []
    assert "nothing is silent" in run("silences", "list").stderr
    assert not (state / "var").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("set", "ahornweg", "--for", "2h", *WHY), ("'ahornweg' is no group", "GROUP", "site/NAME")),
        (("set", "model/" + "x" * 250, "--for", "2h", *WHY), ("no group", "GROUP", "site/NAME")),
        (("set", "", "--for", "2h", *WHY), ("no group", "GROUP", "site/NAME")),
        (("set", "fleet", "--for", "2h", "--why", "x" * 3_000), ("too long", "--why", "200")),
        (("set", "fleet", *WHY), ("needs an end", "--for", "2026-")),
        (("set", "fleet", "--for", "2h", "--until", "2126-01-01T00:00:00Z", *WHY), ("one only", "--for", "2026-")),
        (("set", "fleet", "--for", "2", *WHY), ("no duration", "--for", "2h")),
        (("set", "fleet", "--for", "30d", *WHY), ("27 days", "--for", "streams.incidents.silences")),
        (("set", "fleet", "--until", "2020-01-01T00:00:00Z", "--from", "2019-01-01T00:00:00Z", *WHY), ("is over", "--until", "to come")),
        (("set", "fleet", "--until", "tomorrow", *WHY), ("no moment", "--until", "zone")),
        (("set", "fleet", "--from", "2026-12-01T22:00", "--for", "1h", *WHY), ("no moment", "--from", "zone")),
        (("set", "fleet", "--for", "2h"), ("--why", "vorab silences set", "--help")),
        (("set", "fleet", "--for", "2h", *WHY, "--by", "Erika Muster"), ("no id", "--by", "letters")),
        (("set", "fleet", "--for", "2h", *WHY, "--tenant", "recorded"), ("recordings", "--tenant", "leave")),
    ],
)
def test_a_mistake_is_told_in_three_lines(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    """What, where, what to do; and nothing is written."""
    with pytest.raises(SystemExit) as ended:
        main(["silences", *arguments])
    printed = capsys.readouterr().err
    assert ended.value.code == EXIT_USAGE
    assert len(printed.strip().splitlines()) == 3, printed
    assert all(each in printed for each in says), printed
    assert not (state / "var").exists()


def test_where_cases_are_not_looked_at_together_nothing_is_silenced(state: Path) -> None:
    """Nobody would read it, so the command says so instead."""
    (state / "vorab.toml").write_text("[streams.incidents]\non = false\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="nothing would be muted"):
        run("silences", "set", "fleet", "--for", "2h", *WHY)
    assert not (state / "var").exists()


def test_a_group_in_which_nobody_is_is_noted(state: Path) -> None:
    """A slip of the pen would mute nobody: it is said, with what may have been meant."""
    settings = load()
    (state / "var").mkdir()
    with open_log(settings.log_address) as log:
        provision.create_topics(log, settings)
        pumps = [Device(id="main/p-1", device="p-1", site="ahornweg", model="pump", at=1)]
        writing.write(log, settings.topics.recorded_partitions, pumps)
    wrong = run("silences", "set", "site/ahornwegg", "--for", "2h", *WHY)
    assert "no device of the registry is in site/ahornwegg; did you mean site/ahornweg?" in wrong.stderr
    for group in ("site/ahornweg", "device/p-1", "model/pump|low_pressure", "fleet"):
        assert "note:" not in run("silences", "set", group, "--for", "2h", *WHY).output


@pytest.fixture
def running(state: Path) -> Iterator[Path]:
    """A vorab at work: it holds the log, and its notifier says where it is found."""
    settings = load()
    (state / "var").mkdir()
    with open_log(settings.log_address) as log:
        provision.create_topics(log, settings)

        class Nobody:
            """Knows no people."""

            def get(self, _customer: str) -> None:
                """There is none."""

        server = PeopleServer(Nobody(), partial(write_registry, log, settings), state / "var" / "notifier.json")  # type: ignore[arg-type]
        server.start()
        try:
            yield state
        finally:
            server.stop()


def through_the_one_that_runs() -> list[type[Record]]:
    """Both kinds of words while somebody else holds the log; returns what the log has then."""
    said = ok("silences", "set", "site/ahornweg", "--for", "2h", *WHY)
    ok("silences", "end", said["silence"])
    assert ok("remedies", "stop", "restart", "--why", "wrong rule")["stopped"]
    return [type(record) for record in words()]


@pytest.mark.usefixtures("running")
def test_a_running_vorab_writes_it() -> None:
    """The log has one writer, so the command asks that one."""
    assert through_the_one_that_runs() == [Silence, Silence]
    assert [row["remedy"] for row in ok("remedies", "list") if row["stopped"]] == ["restart"]


@pytest.mark.usefixtures("running")
def test_a_notifier_that_drops_what_it_does_not_know_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: one of an earlier version would have taken the words for nothing, and the command would have said that all is silent."""
    known = {topic: kind for topic, kind in writing.WRITTEN.items() if kind not in {Silence, Switch}}
    monkeypatch.setattr("notifier.people_http.WRITTEN", known)
    with pytest.raises(Unavailable, match="earlier version"):
        through_the_one_that_runs()
    assert words() == []


@pytest.mark.usefixtures("running")
def test_while_somebody_else_holds_the_log_unannounced_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says so rather than writing beside it."""
    monkeypatch.setattr(people.PeopleClient, "announced", lambda _folder: None)
    with pytest.raises(ConfigError):
        ok("silences", "set", "fleet", "--for", "2h", *WHY)
    assert words() == []


# ------------------------------------------------------------------------------------------------- remedies


@pytest.mark.usefixtures("state")
def test_a_remedy_is_stopped_listed_and_allowed() -> None:
    """By whom, since when and why; the files say which there are."""
    assert not any(row["stopped"] for row in ok("remedies", "list"))
    stopped = ok("remedies", "stop", "restart", "--why", "wrong rule", "--by", "ops-1")
    rows = {row["remedy"]: row for row in ok("remedies", "list")}
    assert stopped.items() <= rows["restart"].items()
    assert (rows["restart"]["by"], rows["restart"]["why"]) == ("ops-1", "wrong rule")
    assert rows["restart"]["about"]
    [line] = [line for line in run("remedies", "list").stdout.splitlines() if line.startswith("restart ")]
    assert "stopped" in line
    assert "ops-1" in line
    assert not ok("remedies", "allow", "restart")["stopped"]
    assert not any(row["stopped"] for row in ok("remedies", "list"))
    assert "`vorab remedies allow restart`" in run("remedies", "stop", "restart").stdout


@pytest.mark.usefixtures("state")
def test_a_remedy_nobody_wrote_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen would stop nothing; whoever means it says so."""
    with pytest.raises(SystemExit) as ended:
        main(["remedies", "stop", "restrat"])
    printed = capsys.readouterr().err
    assert ended.value.code == EXIT_USAGE
    assert len(printed.strip().splitlines()) == 3
    assert "did you mean restart?" in printed
    assert ok("remedies", "stop", "of-another-site", "--anyway")["stopped"]
    assert [row["remedy"] for row in ok("remedies", "list") if row["stopped"]] == ["of-another-site"]


def test_the_desk_knows_of_a_stop_that_the_log_has_let_go(state: Path) -> None:
    """Permits are kept for 28 days; a stop holds until it is taken back, and the list shows it."""
    from desk import store as tables
    from desk.store import Store

    word = Switch(id="x", remedy="restart", state=SwitchState.STOPPED, at=now() - 60 * DAY, by="ops-1")
    desk = Store(f"sqlite:///{state / 'var' / 'desk.db'}")
    with desk.write() as db:
        row = {"mark": "m", "kind": "io.vorab.switch.stopped.v1", "id": "x", "at": word.at, "body": word.model_dump_json()}
        db.execute(tables.records.insert(), [{**row, "topic": word.TOPIC, "partition": 0, "offset": 0}])
    desk.close()
    assert [row["remedy"] for row in ok("remedies", "list") if row["stopped"]] == ["restart"]
    ok("remedies", "allow", "restart")
    assert not any(row["stopped"] for row in ok("remedies", "list"))
