"""The library behind expressions: it parses, checks types and evaluates CEL; nothing else of vorab imports it.

CEL is the Common Expression Language (https://cel.dev), the library Google's implementation in C++. What it parsed it gives as a message
of Protocol Buffers (`cel.expr.ParsedExpr`), of which `parse` reads the few fields that make the tree.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cel_expr_python import cel
from cel_expr_python.ext import ext_math

SIGNALS: Final = "signals"
"""The map of all signals, for those whose names are no identifiers: `signals["temp-1"]`."""
MATH: Final = "math"
"""The functions of the extension stand under this name: `math.abs(x)`."""
_EXTENSIONS: Final = (ext_math.ExtMath(),)
_POINT: Final = ".0"
_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.*?)' applied to '(.*)'")


class WrongExpression(ValueError):
    """An expression that does not parse, or whose types do not fit; says where."""


class Node(NamedTuple):
    """A part of what was parsed."""

    kind: str
    """`const`, `ident`, `select`, `has`, `call`, `list`, `map` or `loop`."""
    value: Any
    """Of a constant its value, of a name, a field or a function what it is called."""
    args: tuple[Node, ...]
    at: int
    """Place in the text."""


class Program:
    """An expression as the library evaluates it: the reference, row by row."""

    def __init__(self, text: str, numbers: Sequence[str], points: Collection[int] = ()) -> None:
        """`numbers` are the names that stand for signals; integers that end at these places are meant as 2.0, not 2.

        Raises:
            WrongExpression: with all that is wrong, each with its place.
        """
        known = dict.fromkeys(numbers, cel.Type.DOUBLE)
        env = cel.NewEnv(variables={**known, SIGNALS: cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE)}, extensions=_EXTENSIONS)
        self._expression = _compile(env, text, points, unchecked=False)
        self.gives = str(self._expression.return_type().name())

    def __call__(self, values: Mapping[str, float]) -> bool | float | None:
        """True or false, or a number, for the signals that are known; None where that cannot be said."""
        found = self._expression.eval(data={**values, SIGNALS: dict(values)})
        if found.type() == cel.Type.BOOL:
            return bool(found.value())
        return float(found.value()) if found.type() == cel.Type.DOUBLE else None


def parse(text: str) -> Node:
    """The tree of an expression; names and types are not looked at.

    Raises:
        WrongExpression: with the place.
    """
    parsed = _fields(_compile(cel.NewEnv(extensions=_EXTENSIONS), text, (), unchecked=True).serialize())
    message = _fields(_one(parsed, 2))  # an Any: type and value
    places = dict[int, int]()
    for entry in _all(_fields(_one(message, 3)), 4):  # SourceInfo.positions
        pair = dict(_fields(entry))
        places[int(pair.get(1, 0))] = int(pair.get(2, 0))
    return _node(_one(message, 2), places)


def _compile(env: Any, text: str, points: Collection[int], *, unchecked: bool) -> Any:
    meant = "".join(letter + _POINT * (place in points) for place, letter in enumerate(text, 1))
    try:
        return env.compile(meant, disable_check=unchecked)
    except RuntimeError as error:  # the library raises nothing more particular
        raise WrongExpression("; ".join(_mistakes(str(error), text, meant, points))) from None


def _mistakes(message: str, text: str, meant: str, points: Collection[int]) -> Iterator[str]:
    """What the library says, with places in what was written and not in what was meant."""
    found = _PLACE.findall(message)
    if not found:
        yield message.split("\n", maxsplit=1)[0]
    for line, column, what in found:
        place = sum(len(each) + 1 for each in meant.split("\n")[: int(line) - 1]) + int(column) - 1
        for point in sorted(points):
            place -= min(len(_POINT), place - point) if place > point else 0
        lines = text[:place].split("\n")
        where = f"line {len(lines)}, column {len(lines[-1]) + 1}" if "\n" in text.strip() else f"column {place + 1}"
        types, rest = _OVERLOAD.search(what), text[place : place + 30].strip().split("\n")[0]
        said = re.sub(r"^Syntax error: (.*?) expecting .*", r"\1", what.removesuffix(" (in container '')"))
        if types:
            said = f"{types[1].replace('_', '').replace('@', '')} cannot be applied to {types[2]}"
        yield f"{where}{f' ({rest})' if rest else ''}: {said}"


def _node(data: bytes, places: Mapping[int, int]) -> Node:  # noqa: PLR0911 - a kind of expression each
    fields = _fields(data)
    at = places.get(int(dict(fields).get(2, 0)), 0)

    def part(raw: bytes) -> Node:
        return _node(raw, places)

    for number, raw in fields:
        inner = _fields(raw) if isinstance(raw, bytes) else []
        if number == 3:
            return Node("const", _constant(inner), (), at)
        if number == 4:
            return Node("ident", _text(inner, 1), (), at)
        if number == 5:
            return Node("has" if dict(inner).get(3) else "select", _text(inner, 2), (part(_one(inner, 1)),), at)
        if number == 6:
            target = [Node("target", "", (part(raw),), at) for raw in _all(inner, 1)]
            return Node("call", _text(inner, 2), (*target, *map(part, _all(inner, 3))), at)
        if number == 7:
            return Node("list", None, tuple(map(part, _all(inner, 1))), at)
        if number == 8:
            values = [part(raw) for entry in _all(inner, 2) for key in (3, 4) for raw in _all(_fields(entry), key)]
            return Node("map", None, tuple(values), at)
        if number == 9:
            names = tuple(_text(inner, key) for key in (1, 3, 8))
            return Node("loop", names, tuple(part(_one(inner, key)) for key in (2, 4, 5, 6, 7)), at)
    return Node("const", None, (), at)


def _constant(fields: list[tuple[int, Any]]) -> Any:
    for number, raw in fields:
        if number == 2:
            return bool(raw)
        if number == 3:
            return raw - (1 << 64) if raw >> 63 else raw
        if number == 5:
            return struct.unpack("<d", raw)[0]
        if number == 6:
            return raw.decode()
    return None


# The wire format of Protocol Buffers: tag and value, again and again.


def _fields(data: bytes) -> list[tuple[int, Any]]:
    out: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: Any
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        out.append((tag >> 3, value))
    return out


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _all(fields: list[tuple[int, Any]], number: int) -> list[bytes]:
    return [value for key, value in fields if key == number]


def _one(fields: list[tuple[int, Any]], number: int) -> bytes:
    return next(iter(_all(fields, number)), b"")


def _text(fields: list[tuple[int, Any]], number: int) -> str:
    return _one(fields, number).decode()
