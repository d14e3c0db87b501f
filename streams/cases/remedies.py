"""Reading remedy files: YAML in, `Policy` out, every mistake named with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from streams.cases.playbook import Playbook
from streams.cases.policy import HAND_OVER, OBSERVE, File, History, Policy, Remedy
from vorab import example
from vorab.errors import ConfigError

_Read = tuple[Path, yaml.Node | None, File]
"""A file, its nodes with their lines, and what it says."""


def load_policy(paths: Sequence[str | Path] = (), knowledge: Path | None = None) -> Policy:
    """The policy in these files and folders, with what causes are called (`knowledge`); none: the worked example that comes with vorab.

    Raises:
        ConfigError: a file is missing, is not YAML, or says something it may not; names file and line.
    """
    read = [(file, *_read(file)) for file in _files([Path(path) for path in paths] or [example.folder("remedies")])]
    remedies, playbooks = _named(read)
    histories = [(file, node, found.history) for file, node, found in read if found.history is not None]
    if len(histories) > 1:
        (first, _, _), (file, node, _), *_ = histories
        raise _mistake(file, node, ("history",), "history is written twice", f"the other one is in {first}")
    _check(read, remedies, playbooks)
    history = histories[0][2] if histories else History()
    return Policy(remedies, tuple(line for _, _, found in read for line in found.policy), history, playbooks, load_says(knowledge))


def _named(read: Sequence[_Read]) -> tuple[dict[str, Remedy], dict[str, Playbook]]:
    remedies: dict[str, Remedy] = {}
    playbooks: dict[str, Playbook] = {}
    where: dict[str, Path] = {}
    for file, node, found in read:
        for kind, named in (("remedies", found.remedies), ("playbooks", found.playbooks)):
            for name in named:
                if name in where or name in {HAND_OVER, OBSERVE}:
                    hint = f"the other one is in {where[name]}" if name in where else "the word has a meaning already"
                    raise _mistake(file, node, (kind, name), f"{name} is written twice", hint)
                where[name] = file
        remedies.update(found.remedies)
        playbooks.update(found.playbooks)
    return remedies, playbooks


def _check(read: Sequence[_Read], remedies: Mapping[str, Remedy], playbooks: Mapping[str, Playbook]) -> None:
    known = {HAND_OVER, OBSERVE, *remedies, *playbooks}
    for file, node, found in read:
        for name, playbook in found.playbooks.items():
            for number, step in enumerate(playbook.steps):
                if step.do and step.do not in remedies:
                    path, hint = ("playbooks", name, "steps", number, "do"), f"it may be {', '.join(sorted(remedies))}"
                    raise _mistake(file, node, path, f"there is no remedy {step.do}", hint)
        for number, line in enumerate(found.policy):
            if line.do not in known:
                what, hint = f"there is no remedy or playbook {line.do}", f"it may be {', '.join(sorted(known))}"
                raise _mistake(file, node, ("policy", number, "do"), what, hint)


def _mistake(file: Path, node: yaml.Node | None, path: Sequence[str | int], what: str, hint: str) -> ConfigError:
    return ConfigError(what, file=str(file), line=_line_of(node, path), key=".".join(map(str, path)), hint=hint)


def load_says(folder: Path | None = None) -> dict[str, str]:
    """What a machine with a cause says, in English, from `causes.yaml` of the knowledge that messages are written with."""
    file = (folder or example.folder("knowledge")) / "causes.yaml"
    if not file.is_file():
        return {}
    found: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return {cause: words["en"]["is"] for cause, words in found.items() if "is" in words.get("en", {}) and cause != "other"}


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.yaml"), key=lambda file: file.name)
        elif path.is_file():
            found.append(path)
        else:
            raise ConfigError("there is no such remedy file or folder", file=str(path), key="streams.remedies")
    return found


def _read(file: Path) -> tuple[yaml.Node | None, File]:
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(f"not valid YAML: {error.problem}", file=str(file), line=line) from None
    try:
        return node, File.model_validate(values or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = list(first["loc"])
        raise ConfigError(
            first["msg"].removeprefix("Value error, "), file=str(file), line=_line_of(node, path), key=".".join(map(str, path))
        ) from None


def _line_of(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    # The deepest place of the path that stands in the file; a missing key is reported where its mapping begins.
    line = node.start_mark.line + 1 if node is not None else 0
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
