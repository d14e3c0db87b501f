"""Rules from YAML files: every mistake is named with file, line and reason."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError

from streams.detectors.learning import LearnedOptions, LearnedRule
from streams.rule import FromRegistry, Rule
from streams.rules import CLASSES, RuleSet
from vorab.errors import ConfigError

_FILES: Final = ("*.yaml", "*.yml")
_NAME_ONE: Final = "name a rule file, or a folder that has some"
_BOUNDS: Final = ("above", "below", "clear")
_BRANCH: Final = 2
"""Parts of the place of a bound that is neither a number nor a mapping: its key, and what it was tried as."""
_PLAIN: Final = {
    "missing": "is missing",
    "string_pattern_mismatch": "lower-case letters, digits, - and _, the first a letter or digit",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}


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

    rules: list[Rule]
    problems: list[Problem]
    files: list[str]


class _Reader(yaml.SafeLoader):
    """YAML that refuses a key given twice and takes no times and `no` for anything but text."""


# YAML 1.1 reads `off`, `no` and `12:30` as something else than what people wrote.
_Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def files_of(paths: Iterable[str | Path], key: str = "streams.rules") -> list[Path]:
    """The rule files: files as named, folders searched; `key` is the setting that names them, empty for the command line.

    Raises:
        ConfigError: nothing there.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for glob in _FILES for file in path.rglob(glob))
            if not inside:
                raise ConfigError("there are no rule files (*.yaml) in this folder", file=str(path), key=key, hint=_NAME_ONE)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ConfigError("there is no such rule file", file=str(path), key=key, hint=_NAME_ONE)
    return found


def check(paths: Sequence[str | Path], key: str = "streams.rules") -> Checked:
    """Read all files and say everything that is wrong with them; `key` as in `files_of`."""
    out = Checked([], [], [])
    seen: dict[str, str] = {}
    for file in files_of(paths, key):
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
        what = f"{first.key}: {first.reason}" if first.key else first.reason
        raise ConfigError(what, file=first.file, line=first.line, key=first.key, hint=hint)
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
        out.problems.append(Problem(name, 1, "", "the file is empty; a rule file has the one key `rules`, a list"))
        return
    rules = _rules_node(node, name, out)
    for item in rules:
        _check_rule(item, name, out, seen)


def _rules_node(node: Any, name: str, out: Checked) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value != "rules":
                out.problems.append(Problem(name, _line(key), str(key.value), "unknown key; a rule file has the one key `rules`"))
            elif isinstance(value, yaml.SequenceNode) and not value.value:
                out.problems.append(Problem(name, _line(key), "rules", "there are no rules in it"))
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
        for problem in _problems_of(error, value, node, name):
            if problem not in out.problems:
                out.problems.append(problem)
        return
    if rule.id in seen:
        out.problems.append(Problem(name, _line_of(node, ("id",)), "id", f"{rule.id!r} is already the id of the rule at {seen[rule.id]}"))
    elif len(out.problems) == before:
        seen[rule.id] = f"{name}:{_line(node)}"
        out.rules.append(rule)


def _problems_of(error: ValidationError, value: dict[str, Any], node: Any, name: str) -> list[Problem]:
    rule = CLASSES[value["detector"]]
    ones = error.errors(include_url=False, include_input=False)
    options = value.get("options") if rule is LearnedRule else None
    inside = {one["loc"][0] for one in ones if len(one["loc"]) > _BRANCH}
    found = []
    for one in ones:
        branch = len(one["loc"]) == _BRANCH and one["loc"][0] in _BOUNDS
        if branch and one["loc"][0] in inside:
            continue
        # The detector's options are checked by a model of their own, which does not know that it stands in a rule.
        within = isinstance(options, dict) and one["loc"] and one["loc"][0] in options and one["loc"][0] not in value
        loc = (*(("options",) if within else ()), *(part for part in one["loc"] if part not in {"float", "FromRegistry"}))
        reason = str(one["msg"]).removeprefix("Value error, ")
        if branch and one["type"] in {"float_parsing", "float_type", "model_type"}:
            # A bound may be either of two things; what each of them misses is no help.
            reason = "a number, or {limit: name} for one from the device's registry entry"
        elif one["type"] == "extra_forbidden":
            reason = "unknown key" + _meant(rule, loc)
        elif not loc and reason.startswith("clear "):
            loc = ("clear",)
        else:
            reason = _PLAIN.get(one["type"], reason)
        found.append(Problem(name, _line_of(node, loc), ".".join(map(str, loc)), reason))
    return sorted(found, key=lambda problem: problem.line)


def _meant(rule: type[Rule], loc: Sequence[object]) -> str:
    """The key that was probably meant, where one is near."""
    model: Any = rule
    for part in loc[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = FromRegistry if part in _BOUNDS else LearnedOptions if part == "options" else field.annotation if field else None
    known = [info.alias or name for name, info in getattr(model, "model_fields", {}).items()]
    close = difflib.get_close_matches(str(loc[-1]), known, n=1) if loc else []
    return f", did you mean {close[0]}?" if close else f"; there are {', '.join(known)}" if known else ""


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
