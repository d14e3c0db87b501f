"""YAML that people write: read strictly, every mistake with its file and line, and what was probably meant. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import yaml
from pydantic import BaseModel


class Problem(NamedTuple):
    """One mistake."""

    file: str
    line: int
    key: str
    reason: str

    def __str__(self) -> str:
        """`file:line [key] reason`, as compilers say it."""
        return f"{self.file}:{self.line}{f' [{self.key}]' if self.key else ''} {self.reason}"


class Reader(yaml.SafeLoader):
    """YAML that takes no times and `no` for anything but text."""


# YAML 1.1 reads `off`, `no` and `12:30` as something else than what people wrote.
Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def compose(text: str | bytes, name: str) -> Any:
    """The document as nodes, which know their lines; None for an empty one, a `Problem` for what is no YAML."""
    try:
        return yaml.compose(text.decode() if isinstance(text, bytes) else text, Loader=Reader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        return Problem(name, mark.line + 1 if mark else 1, "", f"not valid YAML: {reason}")


def value_of(node: Any) -> Any:
    """What a node says."""
    loader = Reader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def doubles(node: Any, name: str) -> Iterator[Problem]:
    """Keys that are given twice in one mapping."""
    if isinstance(node, yaml.MappingNode):
        keys: set[object] = set()
        for key, value in node.value:
            if key.value in keys:
                yield Problem(name, line_at(key), str(key.value), "given twice")
            keys.add(key.value)
            yield from doubles(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from doubles(item, name)


def line_at(node: Any) -> int:
    """The line a node begins on, from 1."""
    return int(node.start_mark.line) + 1


def line_of(node: Any, loc: Sequence[object]) -> int:
    """The line of the deepest part of `loc` that stands in the file."""
    line = line_at(node)
    for part in loc:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is not None:
                line, node = line_at(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = found = node.value[part]
            line = line_at(node)
        if found is None:
            break
    return line


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models an annotation names, also inside a union or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def keys_of(models: Iterable[type[BaseModel]]) -> list[str]:
    """The keys of these models as files write them."""
    return list(dict.fromkeys(info.alias or name for model in models for name, info in model.model_fields.items()))


def meant(word: str, known: Sequence[str]) -> str:
    """What was probably meant by a word nobody knows, else what there is; empty where nothing is known."""
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else f"; there are {', '.join(known)}" if known else ""
