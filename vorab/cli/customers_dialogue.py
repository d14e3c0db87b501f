"""`vorab customers timeline` and `vorab customers corrections`: the dialogue with a customer, and what was learned from corrections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from vorab.cli.options import Config, Json, Log, StateDir
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, ConfigError, Unavailable

if TYPE_CHECKING:
    from desk.timeline.anew import Checked
    from desk.timeline.entry import Entry
    from vorab.settings import Settings

FEW: Final = 5
"""Fewer corrections than that say nothing about replies of another wording."""


def timeline(
    customer: Annotated[str, typer.Argument(help="Key or id of the customer.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Rebuild it from the log and compare every byte; ends with 1 where they differ.")
    ] = False,
    lang: Annotated[Literal["de", "en"], typer.Option(help="In which language.")] = "en",
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show all that happened and was said with a customer, in one order: from the desk's database, or from the log where there is none.

    What customers wrote is shown where the notifier still has their key; `--json` leaves it sealed.

    Examples:
        vorab customers timeline c-5f3a9c
        vorab customers timeline c-5f3a9c --check
        vorab customers timeline c-5f3a9c --json | jq '.entries[-1]'
    """
    from vorab import settings
    from vorab.registry.kinds import full_key

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    key = full_key(customer)
    if check:
        raise typer.Exit(_check(found, key, as_json=as_json))
    entries = _entries(found, key)
    if as_json:
        typer.echo(json.dumps({"customer": key, "entries": [entry.json() for entry in entries]}, ensure_ascii=False))
    elif entries:
        _say(found, key, entries, lang)
    else:
        typer.echo(f"nothing is told of {key}\n  `vorab customers list` names customers", err=True)
    raise typer.Exit(EXIT_OK if entries else EXIT_PROBLEMS)


def corrections(
    *,
    config: Config = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show how often replies that agents corrected are understood rightly, before and after vorab learned from them.

    The second line is about replies judged by a recogniser that was told of the others only. Reads the desk's database; the words come
    from the notifier's, and examples of customers who were erased are gone.

    Examples:
        vorab customers corrections
        vorab customers corrections --json
    """
    from vorab import settings

    found = settings.load(config, overrides={"state_dir": state_dir})
    told = _learned(found)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        for line in _learned_words(told):
            typer.echo(line)
    raise typer.Exit(EXIT_OK)


@contextmanager
def _tables(settings: Settings) -> Iterator[Any]:
    """The desk's tables; None where there are none."""
    from desk.queries import Queries
    from desk.store import open_read_only

    store = open_read_only(settings.desk.database or f"sqlite:///{settings.state_path / 'desk.db'}")
    try:
        yield Queries(store) if store is not None else None
    finally:
        if store is not None:
            store.close()


def _entries(settings: Settings, key: str) -> list[Entry]:
    from desk.timeline.anew import records_in
    from desk.timeline.fold import timeline as folded
    from desk.timeline.source import Timelines
    from vorab.cli.registry import is_there
    from vorab.log import open_log

    with _tables(settings) as queries:
        if queries is not None:
            return Timelines(queries).of(key)
    if not is_there(settings):
        raise ConfigError("there is neither a desk's database nor a log", key="state_dir", hint="--state-dir or --log names it")
    with open_log(settings.log_address, read_only=True) as log:
        return folded(key, records_in(log, key))


def _check(settings: Settings, key: str, *, as_json: bool) -> int:
    from desk.timeline.anew import check
    from desk.timeline.source import Timelines
    from vorab.log import open_log

    with _tables(settings) as queries:
        if queries is None:
            raise ConfigError(
                "there is no desk's database to compare with", key="state_dir", file=str(settings.state_path), hint="--state-dir names it"
            )
        with open_log(settings.log_address, read_only=True) as log:
            found = check(log, Timelines(queries), key)
    typer.echo(json.dumps({"customer": key, **found.json()}, ensure_ascii=False) if as_json else _checked(key, found))
    return EXIT_OK if found.same else EXIT_PROBLEMS


def _checked(key: str, found: Checked) -> str:
    size = f"{found.entries:,} entries, {found.size_bytes:,} bytes"
    lines = [f"{key}: the same, {size}, sha256 {found.sha256}" if found.same else f"{key}: differs, {size}"]
    if not found.same:
        lines += [f"  tables {found.sha256}", f"  log    {found.rebuilt_sha256}"]
        lines += [f"  first difference in the tables: {found.in_tables[:300] or 'nothing'}"]
        lines += [f"  first difference in the log:    {found.in_log[:300] or 'nothing'}"]
        lines += ["  delete the desk's database: it is built again from the log"]
    if found.gone:
        lines.append(f"  {found.gone:,} records are older than what the log keeps, and were not compared")
    if found.behind:
        lines.append(f"  {found.behind:,} records on the log have not been read by the desk yet, and were not compared")
    return "\n".join(lines)


@contextmanager
def _people(settings: Settings) -> Iterator[object]:
    """Whoever holds the keys, as far as they can be asked."""
    from vorab.cli.registry import reading_people

    try:
        with reading_people(settings) as people:
            yield people
    except (ConfigError, Unavailable):
        yield None


def _say(settings: Settings, key: str, entries: list[Entry], lang: str) -> None:
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from desk.pages import zone_of
    from desk.timeline.labels import label
    from desk.timeline.opening import words_of
    from desk.timeline.speech import Speech
    from vorab.words import load_words

    speech = Speech(lang, zone_of(settings.desk.time_zone), load_words(Path(settings.notifier.words) if settings.notifier.words else None))
    with _people(settings) as people:
        words = words_of(people, key, entries)
    console, day = Console(highlight=False), ""
    for entry in entries:
        if (today := speech.day(entry.at)) != day:
            day = today
            console.print(Text(f"\n{day}" if entry is not entries[0] else day, style="dim"))
        line = Text(f"{speech.clock(entry.at)}  {label(entry.who.value, lang):<11} ", style="dim" if entry.aside else "")
        if entry.sealed:
            line.append(f"“{words[entry.sealed]}” " if entry.sealed in words else f"({label('unreadable', lang)}) ")
        line.append(speech.say(entry), style={"good": "green", "bad": "red"}.get(entry.tone, "") if not entry.aside else "")
        console.print(line, soft_wrap=True)


def _learned(settings: Settings) -> dict[str, Any]:
    from desk.timeline.opening import Opens
    from vorab.bench.understanding import corrected, figures, judged
    from vorab.records import Corrected, Heard
    from vorab.understanding import recogniser
    from vorab.understanding.corrections import examples_from, last_words

    with _tables(settings) as queries:
        if queries is None:
            raise ConfigError("there is no desk's database", key="state_dir", file=str(settings.state_path), hint="--state-dir names it")
        records = queries.of_kinds(Heard, Corrected)
        languages = {key: queries.customer(key) for key in {record.key for record in records}}
    heard = [record for record in records if isinstance(record, Heard)]
    said = [record for record in records if isinstance(record, Corrected)]
    spoken = {key: customer.language for key, customer in languages.items() if customer is not None}
    with _people(settings) as people:
        rows = examples_from(heard, said, people.opened, spoken) if isinstance(people, Opens) else []
    found: dict[str, Any] = {"corrections": len(last_words(said)), "readable": len(rows)}
    if rows:
        shipped = recogniser()
        found["same_words"] = {
            when: {name: figures(judged(rows, how))[name] for name in ("right", "wrongly_automated")}
            for when, how in (("before", shipped), ("after", shipped.taught(rows)))
        }
    if len(rows) >= FEW:
        found["other_words"] = corrected(rows, recogniser())
    return found


def _learned_words(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['corrections']:,} replies were corrected, {told['readable']:,} of them can be read"
    for name, what in (("same_words", "the same words again"), ("other_words", "judged by what the others taught")):
        if name in told:
            before, after = (told[name][when] for when in ("before", "after"))
            yield f"  {what}: right {before['right']:.3f} before, {after['right']:.3f} after"
            wrongly = before["wrongly_automated"], after["wrongly_automated"]
            yield f"    wrongly automated {wrongly[0]:.3f} before, {wrongly[1]:.3f} after"
    if 0 < told["readable"] < FEW:
        yield f"  from {FEW} on it is told what they teach about replies of another wording"
