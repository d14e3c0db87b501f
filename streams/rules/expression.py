"""An expression over several signals, for any number of rows at once.

The library in `streams.rules.cel` parses it, checks its types and is the reference. What it parsed is translated into operations on NumPy
columns where it consists of comparisons, arithmetic, `&&`, `||`, `!`, `?:`, `has()`, `in` and the usual functions of `math`; anything
else is evaluated by the library row by row, which costs about a hundred times as much.

A signal that is not known makes what is computed from it unknown, as an error does in CEL: `&&` is false where either side is,
`||` true where either side is, whatever the other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.rules.cel import MATH, SIGNALS, Node, Program, WrongExpression, parse

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_LETTERS: Final = 2000
"""Longer is no expression but a program, and its parts would be nested too deep."""
_INTEGER: Final = re.compile(r"-?\s*\d+(?![\w.])")

_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "_>_": np.greater,
    "_>=_": np.greater_equal,
    "_<_": np.less,
    "_<=_": np.less_equal,
    "_==_": np.equal,
    "_!=_": np.not_equal,
}
_COMPUTE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "_+_": np.add,
    "_-_": np.subtract,
    "_*_": np.multiply,
    "_/_": np.divide,
}
_EITHER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "math.@max": lambda a, b: np.where(b > a, b, a),
    "math.@min": lambda a, b: np.where(b < a, b, a),
}


class Expression:
    """A condition, or a number."""

    def __init__(self, text: str, gives: str = "bool") -> None:
        """`gives` is `bool` or `double`. Raises WrongExpression, with the place."""
        if len(text) > MOST_LETTERS:
            raise WrongExpression(f"longer than {MOST_LETTERS} letters")
        tree = parse(text)
        self.text = text
        self.signals: tuple[str, ...] = tuple(dict.fromkeys(_signals(tree, frozenset())))
        """In the order in which they are named."""
        if not self.signals:
            raise WrongExpression("names no signal")
        literals: list[Node] = []
        _reconcile(tree, literals)
        points = {found.end() for node in literals if (found := _INTEGER.match(text, node.at))}
        self._program = Program(text, self.signals, points)
        if self._program.gives.lower() != gives:
            wanted = "true or false" if gives == "bool" else "a number"
            raise WrongExpression(f"gives {self._program.gives.lower()}, not {wanted}")
        self._is_number = gives == "double"
        self._columns: Part | None
        try:
            self._columns = _translate(tree, {node.at for node in literals})
        except _UnknownOperation:
            self._columns = None

    @property
    def by_rows(self) -> bool:
        """Whether it is evaluated row by row."""
        return self._columns is None

    def evaluate(self, values: Mapping[str, Floats], known: Mapping[str, Bools]) -> tuple[NDArray[Any], Bools]:
        """Per row whether it holds (or the number it gives), and whether that can be said; `known` tells where `values` count."""
        if self._columns is None:
            return self.row_by_row(values, known)
        rows = len(values[self.signals[0]])
        with np.errstate(all="ignore"):  # like CEL: 1.0 / 0.0 is infinite, and no mistake
            holds, said = self._columns.of(_Rows(values, known))
        whole = np.ones(rows, bool) if said is None else np.broadcast_to(said, rows)
        if self._is_number:
            return np.broadcast_to(holds, rows), whole & np.isfinite(holds)
        return np.broadcast_to(holds, rows) & whole, whole

    def row_by_row(self, values: Mapping[str, Floats], known: Mapping[str, Bools]) -> tuple[NDArray[Any], Bools]:
        """The same by the library."""
        rows = len(values[self.signals[0]])
        plain = [(name, values[name].tolist(), known[name].tolist()) for name in self.signals]
        found = [self._program({name: value[row] for name, value, is_known in plain if is_known[row]}) for row in range(rows)]
        if self._is_number:
            numbers = np.array([np.nan if one is None else one for one in found], float)
            return numbers, np.isfinite(numbers)
        return np.array([one is True for one in found], bool), np.array([one is not None for one in found], bool)


# ------------------------------------------------------------------------------------------------------- names


def _signal(node: Node) -> str | None:
    """The signal a part stands for: `pump`, `motor.temperature`, `signals.pump`, `signals["temp-1"]`."""
    if node.kind == "ident" and node.value != SIGNALS:
        return str(node.value)
    if node.kind in {"select", "has"} and node.args[0] == Node("ident", SIGNALS, (), node.args[0].at):
        return str(node.value)
    if node.kind == "select":
        within = _signal(node.args[0]) if node.args[0].kind in {"ident", "select"} else None
        return None if within is None else f"{within}.{node.value}"
    if node.kind == "call" and node.value == "_[_]" and (node.args[0].kind, node.args[0].value) == ("ident", SIGNALS):
        name = node.args[1]
        if name.kind == "const" and isinstance(name.value, str):
            return name.value
    return None


def _signals(node: Node, bound: frozenset[str]) -> Iterator[str]:
    name = _signal(node)
    if name is not None:
        if name.split(".")[0] not in bound:
            yield name
        return
    if (node.kind, node.value) == ("ident", SIGNALS):
        raise WrongExpression(f'column {node.at + 1}: {SIGNALS} are asked for by name: {SIGNALS}["temp-1"]')
    for arg in node.args:
        if arg.kind == "target" and (arg.args[0].kind, arg.args[0].value) == ("ident", MATH):
            continue
        yield from _signals(arg, bound.union(node.value) if node.kind == "loop" else bound)


# ------------------------------------------------------------------------------------------ integers as numbers


def _reconcile(node: Node, literals: list[Node]) -> str:
    """The type of a part, as far as it is of matter; collects integers that stand beside numbers, as in `temperature > 60`.

    CEL compares and computes only like with like. Every signal is a number (double), and nobody wants to write 60.0.
    """
    if _signal(node) is not None:
        return "bool" if node.kind == "has" else "double"
    if node.kind == "const":
        return type(node.value).__name__.replace("float", "double")
    parts = [arg for each in node.args for arg in (each.args if each.kind in {"target", "list"} else (each,))]
    types = [_reconcile(arg, literals) for arg in parts]
    if node.value == "_?_:_":
        parts, types = parts[1:], types[1:]
    like = {*_COMPARE, *_COMPUTE, *_EITHER, "_?_:_", "@in"}
    if node.kind == "call" and node.value in like and "double" in types:
        for arg, kind in zip(parts, types, strict=True):
            if kind == "int":
                literals += _integers(arg)
    if node.kind == "call" and node.value in {"double", "abs"}:
        return "double" if node.value == "double" else types[-1]
    if node.kind == "call" and node.value in {*_COMPUTE, *_EITHER, "_?_:_", "-_"}:
        return "double" if "double" in types else types[-1]
    return ""


def _integers(node: Node) -> list[Node]:
    """The integers of a part that has nothing else; none where it has."""
    if node.kind == "const":
        return [node]
    if node.kind == "call" and node.value in {*_COMPUTE, *_EITHER, "_?_:_", "-_"}:
        return [each for arg in node.args for each in _integers(arg) if type(each.value) is int]
    return []


# ------------------------------------------------------------------------------------------------------ columns


class _UnknownOperation(Exception):
    """There is no such operation on columns here."""


class _Rows(NamedTuple):
    """What is evaluated."""

    values: Mapping[str, Floats]
    known: Mapping[str, Bools]


Answer = tuple[Any, Bools | None]
"""Values, and where they can be said (None: everywhere)."""


class Part(NamedTuple):
    """A part that was translated."""

    kind: str
    """`double` or `bool`."""
    of: Callable[[_Rows], Answer]


def _all(*said: Bools | None) -> Bools | None:
    known = [each for each in said if each is not None]
    return None if not known else known[0] if len(known) == 1 else np.logical_and.reduce(np.broadcast_arrays(*known))


def _translate(node: Node, numbers: set[int]) -> Part:
    """Columns for a part; `numbers` are the places of integers that are meant as numbers."""
    name = _signal(node)
    if name is not None:
        if node.kind == "has":
            return Part("bool", lambda rows: (rows.known[name], None))
        return Part("double", lambda rows: (rows.values[name], rows.known[name]))
    if node.kind == "const" and (isinstance(node.value, bool | float) or node.at in numbers):
        value = np.bool_(node.value) if isinstance(node.value, bool) else np.float64(node.value)
        return Part("bool" if isinstance(node.value, bool) else "double", lambda _: (value, None))
    if node.kind != "call":
        raise _UnknownOperation(node.kind)
    if node.value == "@in" and node.args[1].args and all(each.kind == "const" for each in node.args[1].args):
        equal = [Node("call", "_==_", (node.args[0], each), node.at) for each in node.args[1].args]
        return _any_of([_translate(each, numbers) for each in equal])
    if node.value == "abs" and (node.args[0].kind, node.args[0].args[0].value) == ("target", MATH):
        return _unary(np.abs, "double", _translate(node.args[1], numbers))
    # The greatest of more than two is asked of a list.
    args = node.args[0].args if node.value in _EITHER and node.args[0].kind == "list" else node.args
    return _operation(str(node.value), [_translate(arg, numbers) for arg in args])


def _operation(name: str, args: list[Part]) -> Part:
    kinds = [arg.kind for arg in args]
    found: Part | None = None
    if name in _COMPARE and (kinds == ["double", "double"] or (kinds == ["bool", "bool"] and name in {"_==_", "_!=_"})):
        found = _binary(_COMPARE[name], "bool", *args)
    elif name in _COMPUTE and kinds == ["double", "double"]:
        found = _binary(_COMPUTE[name], "double", *args)
    elif name in _EITHER and len(args) > 1 and set(kinds) == {"double"}:
        found = functools.reduce(functools.partial(_binary, _EITHER[name], "double"), args)
    elif (name, kinds) == ("-_", ["double"]):
        found = _unary(np.negative, "double", args[0])
    elif (name, kinds) == ("!_", ["bool"]):
        found = _unary(np.logical_not, "bool", args[0])
    elif name in {"_&&_", "_||_"} and kinds == ["bool", "bool"]:
        found = _junction(*args, wins=name == "_||_")
    elif name == "_?_:_" and kinds[0] == "bool" and kinds[1] == kinds[2]:
        found = _choice(*args)
    elif (name, kinds) == ("double", ["double"]):
        found = args[0]
    if found is None:
        raise _UnknownOperation(name)
    return found


def _unary(function: Callable[[Any], Any], kind: str, part: Part) -> Part:
    def of(rows: _Rows) -> Answer:
        value, said = part.of(rows)
        return function(value), said

    return Part(kind, of)


def _binary(function: Callable[[Any, Any], Any], kind: str, left: Part, right: Part) -> Part:
    def of(rows: _Rows) -> Answer:
        (a, said), (b, said_too) = left.of(rows), right.of(rows)
        return function(a, b), _all(said, said_too)

    return Part(kind, of)


def _junction(left: Part, right: Part, *, wins: bool) -> Part:
    """`&&` or `||`: the value that wins does so over what cannot be said."""

    def of(rows: _Rows) -> Answer:
        (a, said), (b, said_too) = left.of(rows), right.of(rows)
        value = (a | b) if wins else (a & b)
        whole = _all(said, said_too)
        if whole is None:
            return value, None
        won = (a == wins) & (True if said is None else said) | (b == wins) & (True if said_too is None else said_too)
        return np.where(won, wins, value), whole | won

    return Part("bool", of)


def _any_of(parts: list[Part]) -> Part:
    part = parts[0]
    for other in parts[1:]:
        part = _junction(part, other, wins=True)
    return part


def _choice(which: Part, yes: Part, no: Part) -> Part:
    def of(rows: _Rows) -> Answer:
        (choice, said), (a, said_a), (b, said_b) = which.of(rows), yes.of(rows), no.of(rows)
        of_chosen = None
        if said_a is not None or said_b is not None:
            of_chosen = np.where(choice, True if said_a is None else said_a, True if said_b is None else said_b)
        return np.where(choice, a, b), _all(said, of_chosen)

    return Part(yes.kind, of)
