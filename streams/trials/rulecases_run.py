"""Running test cases of rules: what they expect against what the real detect finds, and every difference in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from streams.hosts.registry import Tables
from streams.rules.ruleset import RuleSet
from streams.rules.yamlfiles import Problem, meant
from streams.trials.backtest import Episode, Play, episodes, play
from streams.trials.csvcolumns import Recording
from streams.trials.csvfiles import Words, read_csv
from streams.trials.csvframes import ordered
from streams.trials.rulecases import NEVER, Case, Expect, Given, When, Written, say_after
from streams.trials.series import parse_series
from vorab.clock import Micros
from vorab.errors import ConfigError
from vorab.records import Device
from vorab.topics import key_of


@dataclass(slots=True)
class Result:
    """How a case went."""

    written: Written
    differences: list[str] = field(default_factory=list)
    found: list[Episode] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences


def unknown_rules(written: Written, rules: RuleSet) -> list[Problem]:
    """Rules that a case names and nobody has written."""
    name, known = str(written.file), list(rules.by_id)
    lines = [(line, expect.rule) for line, expect in zip(written.expected, written.case.expect, strict=True)]
    lines += [(written.line, rule) for rule in written.case.only]
    missing = [(line, rule) for line, rule in lines if rule not in rules.by_id]
    return [Problem(name, line, "rule", f"there is no rule {rule!r}{meant(rule, known)}") for line, rule in missing]


def run(written: Written, rules: RuleSet) -> Result:
    """One case.

    Raises:
        ConfigError: its CSV file is not there, or has rows that cannot be read.
    """
    case = written.case
    if case.only:
        rules = RuleSet([rule for rule in rules if rule.id in case.only])
    recording = _recording(case, written.file.parent)
    ordered(recording)
    start = int(recording.at.min()) if case.csv and "start" not in case.model_fields_set and len(recording) else case.start
    registry = _registry(case, recording)
    player = Play(rules, registry)
    play(recording, [player], until=None if case.until is None else start + case.until)
    found = episodes(player.symptoms)
    return Result(written, _compare(case, found, start, rules, registry), found)


def _recording(case: Case, folder: Path) -> Recording:
    out = Recording()
    if case.csv:
        file = folder / case.csv
        name = next(iter(case.given)) if len(case.given) == 1 else ""
        out = read_csv([file], Words(zone=ZoneInfo(case.zone), device=name))
        if out.bad:
            first = out.bad[0]
            raise ConfigError(first.reason, file=first.file, line=first.line, key=first.column, hint=f"{out.bad_rows} in all")
    at: list[Micros] = []
    columns: list[tuple[int, int, float]] = []
    texts = {text: place for place, text in enumerate(out.texts)}
    for name, given in case.given.items():
        device = _place(out.devices, key_of(given.tenant, name))
        for signal, series in given.readings.items():
            code = _place(out.signals, signal)
            for i, value in enumerate(parse_series(series, f"{case.name}/{name}/{signal}")):
                if value is None:
                    continue
                if isinstance(value, str):
                    out.text_signals.add(code)
                    value = float(texts.setdefault(value, len(texts)))  # noqa: PLW2901 - a word is told by its place
                at.append(case.start + i * (given.every or case.every))
                columns.append((device, code, float(value)))
    out.texts = list(texts)
    if at:
        devices, signals, values = zip(*columns, strict=True)
        out.at = np.concatenate([out.at, np.array(at, np.int64)])
        out.device = np.concatenate([out.device, np.array(devices, np.int32)])
        out.signal = np.concatenate([out.signal, np.array(signals, np.int32)])
        out.value = np.concatenate([out.value, np.array(values, np.float64)])
    return out


def _place(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


def _registry(case: Case, recording: Recording) -> Tables:
    given = {key_of(each.tenant, name): (name, each) for name, each in case.given.items()}
    only: Given | None = next(iter(case.given.values())) if len(case.given) == 1 else None
    for key in recording.devices:
        if key not in given and only is not None:  # a file that names its device: the one device of the case is meant
            given[key] = (key.partition("/")[2], only)
    return Tables([_device(key, name, each) for key, (name, each) in given.items()])


def _device(key: str, name: str, given: Given) -> Device:
    tenant = key.partition("/")[0]
    return Device(
        id=key,
        tenant=tenant,
        device=name,
        model=given.model,
        firmware=given.firmware,
        site=given.site,
        cohort=given.cohort,
        time_zone=given.time_zone,
        limits=given.limits,
    )


# ------------------------------------------------------------------------------------------- differences


def _compare(case: Case, found: Sequence[Episode], start: Micros, rules: RuleSet, registry: Tables) -> list[str]:
    left = list(found)
    missed: list[Expect] = []
    for expect in case.expect:
        hit = next((each for each in left if _meant(expect, each) and not _wrong(expect, each, start)), None)
        if hit is None:
            missed.append(expect)
        else:
            left.remove(hit)
    out: list[str] = []
    for expect in missed:
        near = next((each for each in left if _meant(expect, each)), None)
        if near is None:
            out.append(f"{_name(expect.rule, expect.device)}: not raised{_why(expect, rules, registry)}")
        else:
            left.remove(near)
            out += [f"{_name(expect.rule, expect.device)}: {wrong}" for wrong in _wrong(expect, near, start)]
    several = len(registry.devices) > 1
    for each in left:
        raised = each.raised
        name = _name(raised.rule, raised.device if several else "")
        ends = "" if each.until is None else f", cleared at {say_after(each.until - start)}"
        out.append(f"{name}: raised at {say_after(raised.detected_at - start)}{ends}, and nobody expects it: {raised.explanation}")
    return out


def _name(rule: str, device: str) -> str:
    return f"{rule} on {device}" if device else rule


def _meant(expect: Expect, each: Episode) -> bool:
    raised = each.raised
    return raised.rule == expect.rule and expect.device in {"", raised.device} and expect.signal in {"", raised.signal}


def _wrong(expect: Expect, each: Episode, start: Micros) -> list[str]:
    """What of a symptom is not as expected."""
    out = []
    for about, when, at in (("onset", expect.onset, each.raised.onset), ("raised", expect.raised, each.raised.detected_at)):
        if when is not None and not when.fits(at, start):
            out.append(_off(about, when, at, start))
    if expect.cleared == NEVER:
        if each.until is not None:
            out.append(f"cleared at {say_after(each.until - start)}, expected never: {each.last.explanation}")
    elif isinstance(expect.cleared, When):
        if each.until is None:
            out.append(f"never cleared, expected {expect.cleared.say(start)}")
        elif not expect.cleared.fits(each.until, start):
            out.append(_off("cleared", expect.cleared, each.until, start))
    if expect.severity is not None and each.severity is not expect.severity:
        out.append(f"severity {each.severity}, expected {expect.severity}")
    return out


def _off(about: str, when: When, at: Micros, start: Micros) -> str:
    shift = start if when.relative else 0
    early = when.first + shift - at
    by = f"{say_after(early)} early" if early > 0 else f"{say_after(at - when.last - shift)} late"
    return f"{about} at {say_after(at - start)}, expected {when.say(start)} ({by})"


def _why(expect: Expect, rules: RuleSet, registry: Tables) -> str:
    """Why a rule may not have looked at all."""
    rule = rules.by_id.get(expect.rule)
    if rule is None:
        return "; `only` leaves it out"
    entries = registry.devices.values()
    if not any(rule.applies.match(entry.tenant, entry.device, entry.model) for entry in entries):
        models = ", ".join(sorted({entry.model or "none" for entry in entries}))
        return f"; it looks at none of the devices (models: {models})"
    return ""
