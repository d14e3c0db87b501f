"""Reading the care file: YAML in, `Care` out, every mistake named with file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streams.care.conditions import When
from streams.care.policy import Care, File
from streams.rules.yamlfiles import Problem, compose, doubles, line_of, meant, value_of
from vorab import example
from vorab.errors import ConfigError

NAME = "care.yaml"


def load_care(path: str | Path = "") -> Care:
    """The policy in this file, or in `care.yaml` of this folder; empty: the worked example that comes with vorab.

    Raises:
        ConfigError: the file is missing, is not YAML, or says something it may not; names file and line.
    """
    place = Path(path) if path else example.folder("care")
    file = place / NAME if place.is_dir() else place
    if not file.is_file():
        raise ConfigError("there is no such care file", file=str(file), key="streams.care")
    return read_care(file.read_bytes(), str(file))


def read_care(text: str | bytes, name: str) -> Care:
    """The policy in a text; `name` is what mistakes call it.

    Raises:
        ConfigError: a mistake, with its line.
    """
    node = compose(text, name)
    if isinstance(node, Problem):
        raise _error(node)
    if node is None:
        raise _error(Problem(name, 1, "", "the file is empty; it needs at least `version`"))
    for problem in doubles(node, name):
        raise _error(problem)
    try:
        found = File.model_validate(value_of(node))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise _error(_problem(node, name, list(first["loc"]), reason)) from None
    for loc, reason in _unknown(found):
        raise _error(_problem(node, name, loc, reason))
    return Care(
        version=f"{found.version}@{_mark(found)}", window=found.window, approve_within=found.approve_within, rules=found.rules,
        queues=found.queues, goodwill=found.goodwill, advice=found.advice, words=found.words, negations=found.negations,
    )  # fmt: skip


def _unknown(found: File) -> Iterator[tuple[list[str | int], str]]:
    topics, skills, names = list(found.words), [skill for queue in found.queues for skill in queue.skills], set[str]()
    whens: list[tuple[list[str | int], When]] = [(["rules", n], rule.when) for n, rule in enumerate(found.rules)]
    whens += [(["advice", n], advice.when) for n, advice in enumerate(found.advice)]
    whens += [(["goodwill", "gestures", n], gesture.when) for n, gesture in enumerate(found.goodwill.gestures)]
    for loc, when in whens:
        for topic in when.said:
            if topic not in topics:
                yield [*loc, "when", "said"], f"there is no topic {topic!r} in `words`{meant(topic, topics)}"
    for n, rule in enumerate(found.rules):
        if rule.skill and rule.skill not in skills:
            yield ["rules", n, "skill"], f"no queue has the skill {rule.skill!r}{meant(rule.skill, skills)}"
    for n, queue in enumerate(found.queues):
        if queue.name in names:
            yield ["queues", n, "name"], f"{queue.name} is written twice"
        names.add(queue.name)


def _mark(found: File) -> str:
    # Two files of one version that say different things are told apart by it.
    text = json.dumps(found.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _problem(node: Any, name: str, loc: list[str | int], reason: str) -> Problem:
    return Problem(name, line_of(node, loc), ".".join(map(str, loc)), reason)


def _error(problem: Problem) -> ConfigError:
    what = f"{problem.key}: {problem.reason}" if problem.key else problem.reason
    return ConfigError(what, file=problem.file, line=problem.line, key=problem.key)
