"""A timeline as the page shows it: days, bubbles, and what stands beside the talk. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from desk.timeline.entry import Entry, Kind, Who
from desk.timeline.labels import LABELS, label
from desk.timeline.speech import Speech
from vorab.clock import Micros, iso

OURS = frozenset({Who.VORAB, Who.AGENT})
PERSONS = frozenset({"human", "other", ""})


@dataclass(slots=True)
class Shown:
    """One entry as it is shown."""

    id: str
    at: Micros
    iso: str
    clock: str
    exact: str
    css: str
    who: str
    text: str
    quote: str = ""
    """What a person wrote."""
    unreadable: bool = False
    meta: list[str] = field(default_factory=list)
    case: str = ""
    machine: str = ""
    heard: str = ""
    """Id of a reply whose meaning can be corrected,"""
    meant: str = ""
    """what it means by now,"""
    corrected: bool = False
    unclear: bool = False
    """and whether a person has to say."""
    notes: list[str] = field(default_factory=list)
    """What became of a message."""


@dataclass(slots=True)
class Day:
    """A day of the dialogue."""

    title: str
    rows: list[Shown]


def meanings(entries: Iterable[Entry]) -> dict[str, str]:
    """What each reply was corrected to, by id; the last word counts."""
    return {entry.about: str(entry.params.get("intent", "")) for entry in entries if entry.kind is Kind.CORRECTION}


def unanswered(entries: Sequence[Entry]) -> Entry | None:
    """The first reply that waits for a person since somebody of us last spoke; None where none does."""
    waits: Entry | None = None
    for entry in entries:
        spoke = entry.who is Who.AGENT and entry.kind is not Kind.CORRECTION
        if spoke or entry.words == "booking.reached":
            waits = None
        elif entry.words == "heard" and entry.params.get("person") and waits is None:
            waits = entry
    return waits


def days(entries: Sequence[Entry], whole: Sequence[Entry], speech: Speech, words: Mapping[str, str], names: Mapping[str, str]) -> list[Day]:
    """Some entries of a whole timeline, by day.

    Args:
        entries: Those to show, in their order.
        whole: All there are: what was corrected later counts earlier, too.
        speech: How they are said.
        words: Sealed text → what it says, where it can be read.
        names: Key of a device → what people call it.
    """
    corrected = meanings(whole)
    found: list[Day] = []
    messages: dict[str, Shown] = {}
    for entry in entries:
        title = speech.day(entry.at)
        if not found or found[-1].title != title:
            found.append(Day(title, []))
            messages.clear()
        if entry.kind is Kind.RECEIPT and entry.about in messages:
            _note(messages[entry.about], entry, speech)
            continue
        row = _shown(entry, speech, words, names, corrected)
        if entry.kind is Kind.MESSAGE:
            messages[entry.about] = row
        found[-1].rows.append(row)
    return found


def _note(message: Shown, receipt: Entry, speech: Speech) -> None:
    message.notes.append(f"{speech.clock(receipt.at)} {speech.say(receipt)}")
    kept = [css for css in message.css.split() if not css.startswith("is-")]
    message.css = " ".join([*kept, f"is-{receipt.words.partition('.')[2]}"])


def _shown(entry: Entry, speech: Speech, words: Mapping[str, str], names: Mapping[str, str], corrected: Mapping[str, str]) -> Shown:
    language, params = speech.language, entry.params
    machine = names.get(entry.device, "") or str(params.get("name") or "") or entry.device.partition("/")[2]
    who = machine if entry.who is Who.MACHINE and machine else label(entry.who.value, language)
    text = speech.say(entry)
    quote = words.get(entry.sealed, "") if entry.sealed else ""
    row = Shown(
        entry.id, entry.at, iso(entry.at), speech.clock(entry.at), speech.exact(entry.at), _css(entry), who, text, quote,
        unreadable=bool(entry.sealed) and entry.sealed not in words, case=entry.case, machine="" if who == machine else machine,
    )  # fmt: skip
    if entry.kind is Kind.MESSAGE:
        row.meta.append(label("to_customer", language))
    if entry.words in {"heard", "answered"} and entry.channel:
        row.meta.append(speech.channel(entry.channel))
    row.meta += [label(name, language) for name in ("public", "edited") if params.get(name)]
    if source := params.get("source"):
        of, _, what = str(source).partition(":")
        row.meta.append(label(f"source.{of}", language, what=what[:40]) if f"source.{of}" in LABELS else str(source))
    if entry.words == "heard":
        intent = str(params.get("intent", ""))
        row.heard, row.meant = entry.id, corrected.get(entry.id, intent)
        row.corrected = entry.id in corrected
        row.unclear = not row.corrected and intent in PERSONS and intent != "human"
        row.text = ""
        if params.get("person"):
            why = speech.doubts(str(params.get("doubts") or ""))
            row.notes.append(f"{label('waits', language)}{f' ({why})' if why else ''}")
    elif entry.words == "answered" and quote:
        row.text = ""
    return row


def _css(entry: Entry) -> str:
    side = "aside" if entry.aside else "ours" if entry.who in OURS else "theirs"
    parts = [side, entry.who.value, f"k-{entry.kind.value}", f"tone-{entry.tone}" if entry.tone else ""]
    return " ".join(part for part in parts if part)
