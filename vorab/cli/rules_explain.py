"""`vorab rules explain`: what a rule looks at, on which devices, and since when it is worded as it is."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vorab.cli.options import Config, Json, Log, StateDir
from vorab.errors import ConfigError

if TYPE_CHECKING:
    from streams.rules.rule import Rule
    from vorab.clock import Micros
    from vorab.settings import Settings

COMMON: Final = {"id", "title", "applies", "cause", "severity", "evidence", "flap", "detector", "unit", "when"}
"""Keys that any rule has: what is left is what the detector is told."""
NAMED: Final = 5
"""Devices that are named; of more only the number is told."""


def explain(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    *,
    rules: Annotated[list[Path] | None, typer.Option(help="Rule file or folder instead of those of the settings; may be repeated.")] = None,
    config: Config = None,
    log: Log = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Tell what a rule looks at, on which devices of the registry, and since when it has its present wording.

    A version is known by the first symptom that it raised, for the 28 days for which symptoms are kept.

    Examples:
        vorab rules explain pump-pressure-low
        vorab rules explain pump-pressure-low --rules proposed/ --json
    """
    from streams.rules.files import load_rules
    from vorab import settings

    found = settings.load(config, overrides={"log": log, "state_dir": state_dir})
    known = load_rules([str(path) for path in rules] if rules else found.streams.rules).by_id
    if rule not in known:
        near = difflib.get_close_matches(rule, known, 3)
        hint = f"{' or '.join(near)}?" if near else "`vorab rules check --json` lists them"
        raise ConfigError(f"there is no rule {rule!r}", key="RULE", hint=hint)
    told = about(known[rule], found)
    typer.echo(json.dumps(told) if as_json else "\n".join(lines(told)))


def about(rule: Rule, settings: Settings) -> dict[str, Any]:
    """All that is known of it."""
    from vorab.clock import iso

    written = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    try:
        devices, versions = _devices(rule, settings), _versions(rule, settings)
    except ConfigError:  # there is no log yet: rules may be read before anything ran
        devices, versions = {}, {}
    models = Counter(devices.values())
    return {
        "id": rule.id,
        "version": rule.version,
        "detector": rule.detector,
        "title": written["title"],
        "cause": rule.cause,
        "severity": rule.severity.value,
        "signals": list(dict.fromkeys((*rule.signal_names, *rule.inputs))),
        "settings": {name: value for name, value in written.items() if name not in COMMON},
        "when": written.get("when"),
        "applies": rule.applies.model_dump(mode="json"),
        "needs": [bound.limit for bound in rule.needs if not isinstance(bound, float) and bound.default is None],
        "devices": len(devices),
        "models": dict(sorted(models.items())),
        "some": sorted(devices)[:NAMED],
        "versions": [{"version": version, "since": iso(at), "symptoms": count} for version, (at, count) in versions.items()],
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The same in words."""
    every = {"models": ["*"], "devices": ["*"], "tenants": ["*"]}
    narrowed = "; ".join(f"{name} {', '.join(globs)}" for name, globs in told["applies"].items() if globs != every[name])
    models = ", ".join(f"{count} of the model {model or '(unknown)'}" for model, count in told["models"].items())
    named = ", ".join(told["some"]) + (", …" if told["devices"] > len(told["some"]) else "")
    now = next((each for each in told["versions"] if each["version"] == told["version"]), None)
    earlier = [f"{each['version']} since {each['since']} ({each['symptoms']} symptoms)" for each in told["versions"] if each is not now]
    which = f"{told['devices']} in the registry: {models} ({named})" if told["devices"] else "none in the registry"
    since = f"since {now['since']}, {now['symptoms']} symptoms" if now else "which has found nothing so far"
    out = [
        f"{told['id']}: {told['title']['en']}",
        f"  looks by      {told['detector']}, {', '.join(f'{name} {_say(value)}' for name, value in told['settings'].items())}",
        f"  at            {', '.join(told['signals']) or 'whether the device speaks at all, or signals by pattern'}",
        f"  when          {_say(told['when']) if told['when'] else 'always'}",
        f"  on            {narrowed or 'all devices'}{''.join(f'; those with a limit {name}' for name in told['needs'])}",
        f"  which are     {which}",
        f"  tells         {told['severity']}, cause {told['cause']}",
        f"  version       {told['version']}, {since}",
    ]
    return out + ([f"  before        {'; '.join(earlier)}"] if earlier else [])


def _say(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _devices(rule: Rule, settings: Settings) -> dict[str, str]:
    """Key and model of the devices it looks at."""
    from vorab.cli.registry import latest
    from vorab.records import Device
    from vorab.topics import DEVICES

    entries = [each for each in latest(settings, DEVICES).values() if isinstance(each, Device)]
    needed = [bound for bound in rule.needs if not isinstance(bound, float)]
    return {
        each.key: each.model
        for each in entries
        if rule.applies.match(each.tenant, each.device, each.model)
        and all(bound.default is not None or bound.limit in each.limits for bound in needed)
    }


def _versions(rule: Rule, settings: Settings) -> dict[str, tuple[Micros, int]]:
    """Version → when its first symptom was detected, and how many there are; the newest first."""
    from vorab.cli.registry import records
    from vorab.log import open_log
    from vorab.provision import renamed
    from vorab.records import Symptom, SymptomState
    from vorab.topics import SYMPTOMS

    seen: dict[str, tuple[str, Micros]] = {}
    with open_log(settings.log_address, read_only=True) as log:
        for record in records(log, renamed(settings, SYMPTOMS)):
            if isinstance(record, Symptom) and record.rule == rule.id and record.state is SymptomState.RAISED:
                seen.setdefault(record.id, (record.rule_version, record.detected_at))
    found: dict[str, tuple[Micros, int]] = {}
    for version, at in seen.values():
        first, count = found.get(version, (at, 0))
        found[version] = min(first, at), count + 1
    return dict(sorted(found.items(), key=lambda each: -each[1][0]))
