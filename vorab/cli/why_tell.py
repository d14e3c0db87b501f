"""How `vorab why` speaks on a terminal."""

from __future__ import annotations

from typing import Any


def chain(told: dict[str, Any]) -> None:
    """A chain, and what came of deciding it anew."""
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.text import Text

    from vorab.clock import parse_iso, to_datetime

    console = Console(highlight=False)
    console.print(Text(told["sentence"], style="bold"), soft_wrap=True)
    incident = f"incident {told['incident']}" if told.get("incident") else ""
    case = "" if told["kind"] == "incident" else f"case {told['case'] or 'none'}"
    console.print(Text("  ".join(part for part in (told["device"], case, incident) if part), style="dim"), soft_wrap=True)
    day = ""
    places = told.get("again", {}).get("places", {})
    width = max((len(link["title"]) for link in told["chain"]), default=0)
    for link in told["chain"]:
        local = to_datetime(parse_iso(link["at"])).astimezone(ZoneInfo("Europe/Berlin"))
        if (today := local.strftime("%A, %d %B %Y")) != day:
            day = today
            console.print(Text(f"\n{day}", style="dim"))
        mark = "▸" if link["asked"] else " "
        style = "" if link["on_path"] else "dim"
        line = Text(f"{mark} {local:%H:%M:%S}  {link['title']:<{width}}  ", style="bold" if link["asked"] else style)
        line.append(link["text"], style=style)
        if place := places.get(f"{link['type']} {link['id']}"):
            line.append(f"  {place}", style="dim")
        console.print(line, soft_wrap=True)
        for name in ("rule", "policy"):
            if link["facts"].get(name) and (link["type"] in {"symptom.raised", "case.opened", "case.handed_over"}):
                console.print(Text(f"{'':12}{'':<{width}}{name}: {link['facts'][name]}", style="dim"), soft_wrap=True)
    if "again" in told:
        console.print()
        for text, style in again(told["again"]):
            console.print(Text(text, style=style), soft_wrap=True)


def again(said: dict[str, Any]) -> list[tuple[str, str]]:
    """What came of deciding it anew, a line each with its style."""
    lines = [(f"decided on {each}", "dim") for each in said.get("readings", [])]
    lines += [(f"proven by {each}", "dim") for each in said.get("proof", [])]
    if said.get("consent"):
        lines.insert(len(said.get("readings", [])), (f"allowed by {said['consent']}", "dim"))
    for rule in {each["rule"]: each for each in said.get("rules", [])}.values():
        if rule["in_force"] != rule["version"]:
            now = f"has changed since: {rule['in_force']} is in force" if rule["in_force"] else "is not in force any more"
            lines.append((f"the rule {rule['rule']} decided as {rule['version']}, and {now}", "yellow"))
    if measure := said.get("measure"):
        lines.append((_measure(measure), "dim"))
    for each in said.get("symptoms", []):
        lines += _came(f"symptom {each['id'][:8]} ({each['rule']}) found anew in {each['readings']}", each)
    return [*lines, *_came("decided anew from the log", said)]


def differs(said: dict[str, Any]) -> bool:
    """Whether something does not agree that could be compared."""
    return "differs" in {said.get("state"), *(each["state"] for each in said.get("symptoms", []))}


def _came(about: str, said: dict[str, Any]) -> list[tuple[str, str]]:
    state, first, note = said["state"], said.get("difference"), said.get("note", "")
    style = {"agrees": "green", "differs": "red"}.get(state, "yellow")
    because = f", because {note}" if note else ""
    words = {"agrees": "agrees", "differs": "differs", "unknown": "was not tried"}.get(state, "cannot be compared")
    return [(f"{about}: {words}{because}", style), *([(f"  {first['text']}", style)] if first else [])]


def _measure(of: dict[str, Any]) -> str:
    group = f"of {of['of']:,} in the group" if of["of"] else "of a group nobody has counted"
    if of["root"]:
        return f"explained by case {of['root'][:8]}, whose device the others are behind: {of['devices']:,} {group} had a case"
    with_a_case = f"{of['devices']:,} devices with a case, {group}, and {of['elsewhere']:,} elsewhere"
    return f"explained by its group: {with_a_case}; it fits by {of['fit']:.0%}"
