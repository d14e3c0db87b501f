"""Rules from YAML files: every mistake is named with file, line and reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError

from streams.rules import CLASSES, AnyRule, RuleSet
from vorab.errors import ConfigError

_FILES: Final = ("*.yaml", "*.yml")


class Problem(NamedTuple):
    """One mistake."""

    file: str
    line: int
    key: str
    reason: str

    def __str__(self) -> str:
        """`file:line [key] reason`, as compilers say it."""
        return f"{self.file}:{self.line}{f' [{self.key}]' if self.key else ''} {self.reason}"


class Checked(NamedTuple):
    """What is in the files: good rules, and what is wrong with the others."""

    rules: list[AnyRule]
    problems: list[Problem]
    files: list[str]


class _Reader(yaml.SafeLoader):
    """YAML that refuses a key given twice and takes no times and `no` for anything but text."""


# YAML 1.1 reads `off`, `no` and `12:30` as something else than what people wrote.
_Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """The rule files: files as named, folders searched.

    Raises:
        ConfigError: nothing there.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for glob in _FILES for file in path.rglob(glob))
            if not inside:
                raise ConfigError("there are no rule files (*.yaml) in this folder", file=str(path), key="streams.rules")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ConfigError("there is no such rule file", file=str(path), key="streams.rules")
    return found


def check(paths: Sequence[str | Path]) -> Checked:
    """Read all files and say everything that is wrong with them."""
    out = Checked([], [], [])
    seen: dict[str, str] = {}
    for file in files_of(paths):
        out.files.append(str(file))
        _check_file(file, out, seen)
    return out


def load_rules(paths: Sequence[str | Path] = ()) -> RuleSet:
    """The rules of these files and folders; none: the rules that come with vorab.

    Raises:
        ConfigError: the first mistake, with file and line.
    """
    checked = check(list(paths) or [default_folder()])
    if checked.problems:
        first, more = checked.problems[0], len(checked.problems) - 1
        hint = f"and {more} more: `vorab rules check` lists all" if more else "`vorab rules check` checks files before they are used"
        raise ConfigError(first.reason, file=first.file, line=first.line, key=first.key, hint=hint)
    return RuleSet(checked.rules)


def default_folder() -> Path:
    """The rules that come with vorab."""
    from vorab.example import folder  # noqa: PLC0415 - only where no rules are named

    return folder("rules")


def _check_file(file: Path, out: Checked, seen: dict[str, str]) -> None:
    name = str(file)
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Reader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        out.problems.append(Problem(name, mark.line + 1 if mark else 1, "", f"not valid YAML: {reason}"))
        return
    if node is None:
        return
    rules = _rules_node(node, name, out)
    for item in rules:
        _check_rule(item, name, out, seen)


def _rules_node(node: Any, name: str, out: Checked) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value != "rules":
                out.problems.append(Problem(name, _line(key), str(key.value), "unknown key; a rule file has the one key `rules`"))
            elif isinstance(value, yaml.SequenceNode):
                return list(value.value)
            else:
                out.problems.append(Problem(name, _line(value), "rules", "must be a list of rules"))
        return []
    out.problems.append(Problem(name, _line(node), "", "a rule file has the one key `rules`, a list"))
    return []


def _check_rule(node: Any, name: str, out: Checked, seen: dict[str, str]) -> None:
    before = len(out.problems)
    _find_doubles(node, name, out)
    value: Any = _value(node)
    if not isinstance(value, dict):
        out.problems.append(Problem(name, _line(node), "", "a rule is a mapping with id, title, detector, …"))
        return
    kind = value.get("detector")
    if not isinstance(kind, str) or kind not in CLASSES:
        known = ", ".join(CLASSES)
        reason = f"unknown detector {kind!r}; there are {known}" if "detector" in value else f"no detector; there are {known}"
        out.problems.append(Problem(name, _line_of(node, ("detector",)), "detector", reason))
        return
    try:
        rule = CLASSES[kind].model_validate(value)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            loc = tuple(part for part in one["loc"] if part not in {"float", "FromRegistry"})
            reason = "unknown key" if one["type"] == "extra_forbidden" else str(one["msg"]).removeprefix("Value error, ")
            problem = Problem(name, _line_of(node, loc), ".".join(map(str, loc)), reason)
            if problem not in out.problems:
                out.problems.append(problem)
        return
    if rule.id in seen:
        out.problems.append(Problem(name, _line_of(node, ("id",)), "id", f"{rule.id!r} is already the id of the rule at {seen[rule.id]}"))
    elif len(out.problems) == before:
        seen[rule.id] = f"{name}:{_line(node)}"
        out.rules.append(rule)


def _value(node: Any) -> Any:
    loader = _Reader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _find_doubles(node: Any, name: str, out: Checked) -> None:
    if isinstance(node, yaml.MappingNode):
        keys: set[object] = set()
        for key, value in node.value:
            if key.value in keys:
                out.problems.append(Problem(name, _line(key), str(key.value), "given twice"))
            keys.add(key.value)
            _find_doubles(value, name, out)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _find_doubles(item, name, out)


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _line_of(node: Any, loc: Sequence[object]) -> int:
    """The line of the deepest part of `loc` that stands in the file."""
    line = _line(node)
    for part in loc:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is not None:
                line, node = _line(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = found = node.value[part]
            line = _line(node)
        if found is None:
            break
    return line
