"""How `vorab rules backtest` tells its outcome: a line per symptom, and the figures of one or two sets of rules side by side."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streams.trials.sums import Outcome, only_in
from vorab.clock import iso

if TYPE_CHECKING:
    from streams.hosts.registry import Tables
    from streams.rules.ruleset import RuleSet
    from streams.trials.backtest import Episode
    from vorab.cli.rules_ran import Ran

PROPOSED: Final = "proposed"
IN_FORCE: Final = "in force"
_BAD_SHOWN: Final = 10
_ABOUT: Final = {
    "symptoms": "symptoms",
    "devices": "on devices",
    "cases": "cases",
    "messages": "told to a customer",
    "at_night": "of these at night",
    "customers": "customers told",
    "customers_at_night": "of these at night",
}
"""Figure → what it is called."""


def lines(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """A symptom each, in the order of their detection; where two sets of rules ran, `by` says which of them found it."""
    names = [PROPOSED, IN_FORCE][: len(outcomes)]
    found: dict[tuple[str, str], tuple[Episode, list[str]]] = {}
    for outcome, name in zip(outcomes, names, strict=True):
        for each in outcome.symptoms:
            found.setdefault((each.raised.id, _body(each)), (each, []))[1].append(name)
    for each, by in sorted(found.values(), key=lambda pair: (pair[0].raised.detected_at, pair[0].raised.key, pair[0].raised.rule)):
        yield line(each) | ({"by": by} if len(outcomes) > 1 else {})


def _body(each: Episode) -> str:
    ends = each.last.model_dump_json(exclude={"rule_version"})
    return each.raised.model_dump_json(exclude={"rule_version"}) + ends


def line(each: Episode) -> dict[str, Any]:
    """A symptom from its beginning to its end, as a JSON line says it."""
    raised, last = each.raised, each.last
    out: dict[str, Any] = {
        "rule": raised.rule,
        "rule_version": raised.rule_version,
        "tenant": raised.tenant,
        "device": raised.device,
        "signal": raised.signal,
        "onset": iso(raised.onset),
        "detected": iso(raised.detected_at),
        "cleared": None if last.cleared_at is None else iso(last.cleared_at),
        "proven": None if last.cleared_at is None else last.proven,
        "severity": each.severity.value,
        "cause": raised.cause,
        "detector": raised.detector,
        "value": raised.value,
        "unit": raised.unit,
        "limit": raised.limit,
        "low": raised.low,
        "high": raised.high,
        "historical": raised.historical or None,
        "explanation": raised.explanation,
        "evidence": [{"at": iso(point.at), "value": point.value} for point in raised.evidence],
        "id": raised.id,
    }
    return {name: value for name, value in out.items() if value not in (None, "") or name in {"cleared", "signal"}}


def figures(outcomes: Sequence[Outcome], ran: Ran, *, each_device_a_customer: bool) -> dict[str, Any]:
    """Everything that is counted, as plain values."""
    proposed = outcomes[0]
    out: dict[str, Any] = {
        "from": iso(ran.first) if ran.readings else None,
        "to": iso(ran.end) if ran.readings else None,
        "readings": ran.readings,
        "devices": len(ran.devices),
        "bad_rows": ran.bad_rows,
        "repeated": ran.repeats,
        "each_device_a_customer": each_device_a_customer,
        PROPOSED: asdict(proposed.sum),
    }
    if len(outcomes) > 1:
        force = outcomes[1]
        out[IN_FORCE] = asdict(force.sum)
        out["only proposed"] = asdict(only_in(proposed, force).sum)
        out["only in force"] = asdict(only_in(force, proposed).sum)
    out["rules"] = _by_rule(outcomes)
    return out


def _by_rule(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    names = [PROPOSED, IN_FORCE][: len(outcomes)]
    rows: dict[str, dict[str, Any]] = {}
    onlys: list[Outcome | None] = [None]
    if len(outcomes) > 1:
        onlys = [only_in(outcomes[0], outcomes[1]), only_in(outcomes[1], outcomes[0])]
    for name, outcome, only in zip(names, outcomes, onlys, strict=True):
        count = Counter(each.raised.rule for each in outcome.symptoms)
        alone = Counter(each.raised.rule for each in only.symptoms) if only is not None else None
        for rule in outcome.rules:
            row = rows.setdefault(rule.id, {"rule": rule.id})
            row[name] = {"version": rule.version, "symptoms": count[rule.id]} | ({"only": alone[rule.id]} if alone is not None else {})
    return [rows[rule] for rule in sorted(rows)]


def table(said: Mapping[str, Any]) -> list[str]:
    """The figures for people."""
    both = IN_FORCE in said
    columns = [IN_FORCE, PROPOSED, "only in force", "only proposed"] if both else [PROPOSED]
    rows = [["", *(columns if both else [""])]]
    for figure, about in _ABOUT.items():
        rows.append([about, *("" if figure.startswith("customers") and "only" in name else str(said[name][figure]) for name in columns)])
    for each in said["rules"]:
        cells = [_cell(each.get(name), "symptoms") for name in columns[: 2 if both else 1]]
        if both:
            cells += [_cell(each.get(name), "only") for name in (IN_FORCE, PROPOSED)]
        rows.append([f"  {each['rule']}{_changed(each) if both else ''}", *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = [_head(said)]
    for number, row in enumerate(rows):
        text = f"{row[0]:<{widths[0]}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        if number or both:
            out.append(text.rstrip())
    return out


def _cell(found: Mapping[str, Any] | None, name: str) -> str:
    return "-" if found is None else str(found[name])


def _changed(row: Mapping[str, Any]) -> str:
    if IN_FORCE not in row:
        return " (new)"
    if PROPOSED not in row:
        return " (gone)"
    return "" if row[IN_FORCE]["version"] == row[PROPOSED]["version"] else " (changed)"


def _head(said: Mapping[str, Any]) -> str:
    if not said["readings"]:
        return "there are no readings in it"
    count = f"{said['readings']:,} readings of {said['devices']:,} device{'' if said['devices'] == 1 else 's'}"
    return f"{count}, {said['from'][:19]}Z to {said['to'][:19]}Z"


def notes(rules: RuleSet, ran: Ran, registry: Tables) -> list[str]:
    """What may be otherwise than meant: rows that were left out, rules that look at nothing."""
    out = [f"{each}" for each in ran.bad[:_BAD_SHOWN]]
    if ran.bad_rows > len(out):
        out.append(f"… and {ran.bad_rows - len(out)} more")
    if ran.bad_rows:
        out.append(f"{ran.bad_rows} {'row or cell was' if ran.bad_rows == 1 else 'rows or cells were'} left out; all others count")
    if ran.repeats:
        out.append(f"{ran.repeats} readings stood there twice (same device, signal and time); the first of each counts")
    return out + _blind(rules, ran, registry) if ran.devices else out


def _blind(rules: RuleSet, ran: Ran, registry: Tables) -> list[str]:
    """Rules that look at nothing here."""
    names = [key.partition("/") for key in ran.devices]
    models = [entry.model if (entry := registry.device(key)) is not None else "" for key in ran.devices]
    looking = {rule.id for (tenant, _, name), model in zip(names, models, strict=True) for rule in rules.of_device(tenant, name, model)}
    idle = [rule.id for rule in rules if rule.id not in looking]
    out = []
    if idle:
        unknown = models.count("")
        hint = f"; the model of {unknown} is not known, --model or --devices names it" if unknown else ""
        out.append(f"{', '.join(idle)}: about none of these devices{hint}")
    for rule in rules:
        missing = [name for name in rule.signal_names if ran.signals and not name.startswith(("@", "=")) and name not in ran.signals]
        for name in missing if rule.id in looking else ():
            close = difflib.get_close_matches(name, ran.signals, n=1)
            out.append(f"{rule.id} looks at {name}, which nobody sends" + (f"; did you mean {close[0]}?" if close else ""))
    return out
