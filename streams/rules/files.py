"""Rules from YAML files: every mistake is named with file, line and reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError

from streams.detectors.learning import LearnedOptions, LearnedRule
from streams.rules.rule import Rule
from streams.rules.ruleset import CLASSES, RuleSet
from streams.rules.yamlfiles import Problem, compose, doubles, keys_of, line_at, line_of, meant, models_in, value_of
from vorab.errors import ConfigError

_FILES: Final = ("*.yaml", "*.yml")
_NAME_ONE: Final = "name a rule file, or a folder that has some"
_PLAIN: Final = {
    "missing": "is missing",
    "string_pattern_mismatch": "lower-case letters, digits, - and _, the first a letter or digit",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}


class Checked(NamedTuple):
    """What is in the files: good rules, and what is wrong with the others."""

    rules: list[Rule]
    problems: list[Problem]
    files: list[str]


def is_test(file: Path) -> bool:
    """Whether a file holds test cases: `*.test.yaml`, or any that stands in a folder `tests`."""
    return Path(file.stem).suffix == ".test" or "tests" in file.parts[:-1]


def files_of(paths: Iterable[str | Path], key: str = "streams.rules") -> list[Path]:
    """The rule files: files as named, folders searched; `key` is the setting that names them, empty for the command line.

    Raises:
        ConfigError: nothing there.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for glob in _FILES for file in path.rglob(glob) if not is_test(file.relative_to(path)))
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
    node = compose(file.read_bytes(), name)
    if isinstance(node, Problem):
        out.problems.append(node)
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
                out.problems.append(Problem(name, line_at(key), str(key.value), "unknown key; a rule file has the one key `rules`"))
            elif isinstance(value, yaml.SequenceNode) and not value.value:
                out.problems.append(Problem(name, line_at(key), "rules", "there are no rules in it"))
            elif isinstance(value, yaml.SequenceNode):
                return list(value.value)
            else:
                out.problems.append(Problem(name, line_at(value), "rules", "must be a list of rules"))
        return []
    out.problems.append(Problem(name, line_at(node), "", "a rule file has the one key `rules`, a list"))
    return []


def _check_rule(node: Any, name: str, out: Checked, seen: dict[str, str]) -> None:
    before = len(out.problems)
    out.problems.extend(doubles(node, name))
    value: Any = value_of(node)
    if not isinstance(value, dict):
        out.problems.append(Problem(name, line_at(node), "", "a rule is a mapping with id, title, detector, …"))
        return
    kind = value.get("detector")
    if not isinstance(kind, str) or kind not in CLASSES:
        known = ", ".join(CLASSES)
        reason = f"unknown detector {kind!r}{meant(str(kind), [*CLASSES])}" if "detector" in value else f"no detector; there are {known}"
        out.problems.append(Problem(name, line_of(node, ("detector",)), "detector", reason))
        return
    try:
        rule = CLASSES[kind].model_validate(value)
    except ValidationError as error:
        for problem in _problems_of(error, value, node, name):
            if problem not in out.problems:
                out.problems.append(problem)
        return
    if rule.id in seen:
        out.problems.append(Problem(name, line_of(node, ("id",)), "id", f"{rule.id!r} is already the id of the rule at {seen[rule.id]}"))
    elif len(out.problems) == before:
        seen[rule.id] = f"{name}:{line_at(node)}"
        out.rules.append(rule)


def _problems_of(error: ValidationError, value: dict[str, Any], node: Any, name: str) -> list[Problem]:
    rule = CLASSES[value["detector"]]
    ones = error.errors(include_url=False, include_input=False)
    options = value.get("options") if rule is LearnedRule else None
    inside = {one["loc"][:i] for one in ones for i, part in enumerate(one["loc"][:-1]) if part == "FromRegistry"}
    found = []
    for one in ones:
        branch = one["loc"][-1:] in {("float",), ("FromRegistry",)}
        if branch and one["loc"][:-1] in inside:
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
        found.append(Problem(name, line_of(node, loc), ".".join(map(str, loc)), reason))
    return sorted(found, key=lambda problem: problem.line)


def _meant(rule: type[Rule], loc: Sequence[object]) -> str:
    """The key that was probably meant, where one is near."""
    models: list[type[BaseModel]] = [rule]
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        if part == "options" and rule is LearnedRule:
            models = [LearnedOptions]
            continue
        fields = [info for model in models for name, info in model.model_fields.items() if part in {name, info.alias}]
        models = [found for info in fields for found in models_in(info.annotation)]
    return meant(str(loc[-1]), keys_of(models)) if loc else ""
