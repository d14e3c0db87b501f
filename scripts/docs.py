"""Writes the pages, or parts of pages, and files that repeat what tables of the code say. `make docs` runs it.

A test compares the files with what this would write, so that the docs cannot drift.
"""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

from streams.care import conditions
from streams.care import policy as care
from streams.cases import playbook, policy, table
from vorab import layouts, metrics, partners, payloads, settings, topics

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- made by `make docs` from {source}; edit there -->\n"


def settings_page() -> str:
    """docs/settings.md."""
    rows = "".join(
        f"| `{row.key}` | `{row.env}` | {f'`{row.default}`' if row.default else ''} | {row.about} |\n" for row in settings.table()
    )
    return (
        "# Settings\n\n"
        + MADE.format(source="vorab/settings.py")
        + "\nRead from `vorab.toml` in the working folder (or `VORAB_CONFIG`), then from the environment, then from the command "
        "line; the last one wins. "
        "A wrong key or value ends the start with exit code 2 and names file and line.\n\n"
        "| key | environment | default | meaning |\n|---|---|---|---|\n" + rows + tokens() + entries()
    )


PATHS = (
    "JSON by paths. A path is `data.temp`, `data[0].temp`, `data[*].temp` (each of a list, or of an object), "
    '`data["a.b"]`, `data.*~` (the key of each), or `$` (all of it).'
)
ENTRIES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("[[ingest.topic_map]]", settings.TopicMapEntry, "How messages of one topic filter are read; the first entry that fits decides."),
    ("map", payloads.JsonMap, PATHS),
    ("map.signals.NAME", payloads.Pick, "One signal out of JSON."),
    ("map.time", payloads.At, "The time of a row."),
    ("text", payloads.PlainText, "A payload that is one value."),
    ("packed", layouts.Packed, "Binary by places; `[[ingest.topic_map.packed]]` for several layouts."),
    ("packed.signals.NAME", layouts.PackedSignal, "One signal out of binary."),
    ("packed.time", layouts.PackedTime, "The time of a record; it has the keys of a place as well."),
    ("packed.when", layouts.Tag, "What a payload must hold; `boot`, `seq` and `device` have the same keys without `equals`."),
)  # fmt: skip


PARTNERS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("[[partners]]", partners.Partner, "One outside system that cases are handed over to."),
)  # fmt: skip


def tokens() -> str:
    """The tables of the desk's tokens."""
    head = "\n## Tokens of the API\n\n[The registry](registry.md#tokens) shows them at work.\n\n### `[[desk.tokens]]`\n"
    return head + "\n| key | default | meaning |\n|---|---|---|\n" + _fields(settings.DeskToken)


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, info in model.model_fields.items():
        default = "needed" if info.is_required() else _default(info.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {default} | {info.description or ''}{_choices(info.annotation)} |\n")
    return "".join(rows)


def entries() -> str:
    """The tables of entries of lists: of the topic map, and of partners."""
    parts = ["\n## The topic map\n\n[What devices publish](formats.md#payloads-described-in-the-topic-map) shows it at work.\n"]
    for heading, model, about in (*ENTRIES, *PARTNERS):
        if model is partners.Partner:
            parts.append("\n## Partners\n\n[Hand-over to partners](partners.md) shows them at work.\n")
        parts.append(f"\n### `{heading}`\n\n{about}\n\n| key | default | meaning |\n|---|---|---|\n")
        parts.append(_fields(model))
    return "".join(parts)


def _choices(annotation: object) -> str:
    named = [choice for choice in get_args(annotation) if choice] if get_origin(annotation) is Literal else []
    return f" One of {', '.join(f'`{choice}`' for choice in named)}." if named else ""


def _default(value: object) -> str:
    if value is None or value in ("", [], {}):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`"


def metrics_page() -> str:
    """docs/metrics.md."""
    rows = "".join(
        f"| `{row.name}` | {row.kind} | {', '.join(f'`{label}`' for label in row.labels)} | {row.about} |\n" for row in metrics.TABLE
    )
    return (
        "# Metrics\n\n"
        + MADE.format(source="vorab/metrics.py")
        + "\nEvery process serves them on `/metrics` (loopback unless told otherwise), beside `/livez` and `/readyz`. No label names a "
        "device or a customer, so the number of series does not grow with the fleet.\n\n"
        "| metric | kind | labels | meaning |\n|---|---|---|---|\n" + rows
    )


def topics_page() -> str:
    """docs/topics.md."""
    rows = "".join(
        f"| `{row.name}` | {row.keyed} | {'compacted' if row.compacted else f'{row.kept_days} d'} | {row.about} |\n"
        for row in topics.TOPICS.values()
    )
    return (
        "# Topics\n\n"
        + MADE.format(source="vorab/topics.py")
        + "\nKeys are `tenant/device`, `tenant/customer` and so on. The partition of a key is `murmur2(key) & 0x7fffffff % n` in every "
        "producer; the last `topics.recorded_partitions` partitions belong to the tenant `recorded`.\n\n"
        "| topic | key | kept | what |\n|---|---|---|---|\n" + rows
    )


def example() -> str:
    """vorab.example.toml."""
    lines = ["# Every setting with its default; made by `make docs`. Copy to vorab.toml and keep what you change.\n"]
    section = ""
    for row in settings.table():
        *path, name = row.key.split(".")
        if ".".join(path) != section:
            section = ".".join(path)
            lines.append(f"\n[{section}]\n")
        lines.append(f"# {row.about}\n# {name} = {_toml(row.default)}\n")
    return "".join(lines)


def _toml(value: str) -> str:
    if value in {"True", "False"}:
        return value.lower()
    plain = value.startswith("[") or (value.removeprefix("-").replace(".", "", 1).isdigit() and value != settings.Mqtt().protocol)
    return value if plain else f'"{value}"'


def asyncapi() -> str:
    """firmware/asyncapi.yaml."""
    return str(runpy.run_path(str(ROOT / "scripts" / "asyncapi.py"))["page"]())


def _replaced(name: str, pattern: str, parts: Sequence[str]) -> str:
    """A page with each place that fits the pattern written anew, in their order."""
    found = iter(parts)
    text, n = re.subn(pattern, lambda _: next(found), (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    if n != len(parts):
        raise SystemExit(f"{name} has {n} places for {len(parts)} parts")
    return text


def cases_page() -> str:
    """docs/cases.md: the diagram and the table of the state machine."""
    pattern = r"^```mermaid\n(?:.*\n)*?```$|^\| status \| facts .*\n(?:\|.*(?:\n(?=\|))?)*"
    return _replaced("docs/cases.md", pattern, [f"```mermaid\n{table.diagram()}\n```", table.stays()])


_KEYS = r"^\| key \| default .*\n(?:\|.*(?:\n(?=\|))?)*"
REMEDIES = (policy.Remedy, policy.Limits, playbook.Playbook, playbook.Step, playbook.Branch, policy.Line, policy.History)
CARE = (care.File, care.Rule, conditions.When, care.Queue, care.Goodwill, care.Gesture, care.Advice)


def remedies_page() -> str:
    """docs/remedies.md: a table for each part of a remedy file."""
    return _replaced("docs/remedies.md", _KEYS, [policy.keys(part) for part in REMEDIES])


def remedies_schema() -> str:
    """remedies/schema.json."""
    return json.dumps(policy.json_schema(), indent=1, ensure_ascii=False) + "\n"


def care_page() -> str:
    """docs/care.md: a table for each part of the care file."""
    return _replaced("docs/care.md", _KEYS, [care.keys(part) for part in CARE])


def care_schema() -> str:
    """care/schema.json."""
    return json.dumps(care.json_schema(), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "docs/settings.md": settings_page,
    "docs/metrics.md": metrics_page,
    "docs/topics.md": topics_page,
    "vorab.example.toml": example,
    "firmware/asyncapi.yaml": asyncapi,
    "remedies/schema.json": remedies_schema,
    "docs/remedies.md": remedies_page,
    "docs/cases.md": cases_page,
    "docs/care.md": care_page,
    "care/schema.json": care_schema,
}


def main() -> None:
    """Write them all."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
