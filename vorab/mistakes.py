"""Where a wrong setting stands in its file, and what stands beside it in the tables: so that an error says what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Loc = Sequence[str | int]
"""Keys and indexes that lead to a setting."""

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_LINE: Final = re.compile(rf"\s*({_DOTTED})\s*=")


def line_of(text: str, loc: Loc) -> int:
    """The line (from 1) of a TOML text on which a key, or the nearest table around it, stands; 0 when it cannot be told."""
    counts: dict[tuple[str | int, ...], int] = {}
    section: tuple[str | int, ...] = ()
    best, where = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _LINE.match(line)
        if header:
            section = _table(header[2], counts, another=header[1] == "[[")
            here = section
        elif key:
            here = (*section, *_parts(key[1]))
        else:
            continue
        reach = _leads(here, loc)
        if reach > best:
            best, where = reach, number
    return where


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_KEY, dotted)]


def _table(dotted: str, counts: dict[tuple[str | int, ...], int], *, another: bool) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    parts = _parts(dotted)
    for i, part in enumerate(parts):
        path = (*path, part)
        if another and i == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _leads(here: tuple[str | int, ...], loc: Loc) -> int:
    """How far along `loc` a place in the file is; 0 where it is beside it. A table may stand for a list of one."""
    at = 0
    for part in here:
        if at < len(loc) and isinstance(loc[at], int) and not isinstance(part, int):
            at += 1
        if at >= len(loc):
            break  # further in than need be
        if loc[at] != part:
            return 0
        at += 1
    return at


def field_at(model: type[BaseModel], loc: Loc) -> tuple[type[BaseModel], FieldInfo | None]:
    """The table a setting belongs to, and the setting itself where the table has it."""
    found = model.model_fields.get(str(loc[0])) if loc else None
    if found is None:
        return model, None
    inner, rest = _table_in(found.annotation), list(loc[1:])
    while rest and isinstance(rest[0], int):
        rest.pop(0)
    if rest and _is_named(found.annotation):
        rest.pop(0)
    return field_at(inner, rest) if rest and inner is not None else (model, found)


def _is_named(annotation: Any) -> bool:
    return dict in {get_origin(each) for each in (annotation, *get_args(annotation))}


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _table_in(each)) is not None), None)
