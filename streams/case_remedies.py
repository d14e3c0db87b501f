"""Reading remedy files: YAML in, `Policy` out, every mistake named with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from streams.case_policy import File, Line, Policy, Remedy, Whole
from vorab import example
from vorab.errors import ConfigError


def load_policy(paths: Sequence[str | Path] = ()) -> Policy:
    """The policy in these files and folders; none: the worked example that comes with vorab.

    Raises:
        ConfigError: a file is missing, is not YAML, or says something it may not; names file and line.
    """
    remedies: dict[str, Remedy] = {}
    lines: list[Line] = []
    where: dict[str, Path] = {}
    for file in _files([Path(path) for path in paths] or [example.folder("remedies")]):
        found = _read(file)
        for name, remedy in found.remedies.items():
            if name in remedies:
                raise ConfigError(f"remedy {name} is written twice", file=str(file), key=name, hint=f"the other one is in {where[name]}")
            remedies[name], where[name] = remedy, file
        lines += found.policy
    try:
        Whole(remedies=remedies, policy=tuple(lines))
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(message, file=", ".join(sorted({str(path) for path in where.values()})), key="policy") from None
    return Policy(remedies, tuple(lines))


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


def _read(file: Path) -> File:
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(f"not valid YAML: {error.problem}", file=str(file), line=line) from None
    try:
        return File.model_validate(values or {})
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
