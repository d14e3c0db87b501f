"""What every decoder promises, tried out on one that somebody wrote: hand it a sample, and it tries to break it.

    def test_acme() -> None:
        check(rows, [Path("acme_sample.json").read_bytes()])

A decoder is a function of payload and sender. It gives rows that columns can hold, or raises Rejected; it gives the same for the same,
whatever came before; it touches nothing else; and it is done quickly, whatever it is handed.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ingest.decoders import Limits, Row, Sender
from ingest.decoders.custom import checked
from ingest.swollen import bodies, swollen
from vorab.errors import Rejected

Rows = Callable[[bytes, Sender], list[Row]]

SENDER: Final = Sender("device-1", "main/device-1", 1_795_000_000_000_000)
MUTATIONS: Final = 2_000
SLOWEST_MS: Final = 5.0
"""CPU time a message may cost, however large it is: with more, one device with odd payloads slows down all the others."""
YARDSTICK_MS: Final = 1.2
"""What the yardstick costs on a machine on which that limit is meant; where it costs more, a message may, too."""
SPARE: Final = 2.0
"""How many times the limit may be taken by the pace of a slow machine: what makes a machine slow does not slow all work alike."""
TRIES: Final = 20
"""How often what seemed slow is tried again; what is so many times too slow, only twice."""
HOPELESS: Final = 10
LARGE: Final = 300
"""How many payloads as large as may be are tried."""

# What touches the world, by the names CPython gives to its audit events; imports of a module's own parts are fine.
_TOUCHES: Final = (
    "open",
    "socket.",
    "subprocess.",
    "os.",
    "shutil.",
    "sqlite3.",
    "urllib.",
    "ftplib.",
    "smtplib.",
    "tempfile.",
    "time.sleep",
)
_HOSTILE: Final[tuple[Any, ...]] = (
    None, True, "", "x" * 300, "nan", "\u200b", "../x", 0, -1, 2**63, 2**64, 10**30, 1e308, -1e308, 0.1, [], {}, [[]], [{}],
    {"": 1}, {"a": {"b": 1}},
)  # fmt: skip
_RAW: Final = (
    b"", b" ", b"\0", b"\xff" * 16, b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b"[{}]", b"NaN", b'{"a":1e999}', b'{"a":NaN}',
    b"[" * 1_000, b'{"a":' * 1_000, b"{" + b'"a":1,' * 200 + b'"a":1}', b'{"' + b"a" * 5_000 + b'":1}', b"9" * 5_000, b'"' + b"\\" * 5_001,
    b'"\\ud800"', b"\xef\xbb\xbf{}", b"\x81" * 60, b"\xbf" * 60, b"\x9f" * 60, b"\x1f\x8b" + b"\0" * 60,
)  # fmt: skip


class Broken(AssertionError):
    """A promise that a decoder does not keep, with the payload that shows it."""


def check(
    rows: Rows,
    samples: Sequence[bytes],
    *,
    sender: Sender = SENDER,
    mutations: int = MUTATIONS,
    seed: int = 1,
    slowest_ms: float = SLOWEST_MS,
) -> None:
    """Try to break a decoder with recorded samples, and with what becomes of them by accident and by malice.

    Raises:
        Broken: it does not keep a promise; the text says which, and shows the payload.
    """
    if not samples:
        raise Broken("there is no sample: record a payload of the device, and hand it over")
    for sample in samples:
        outcome = _run(rows, sample, sender)
        if outcome.refused is not None:
            raise Broken(f"the sample itself is refused: {outcome.refused}\n{_shown(sample)}")
        if not any(row.values for row in outcome.rows):
            raise Broken(f"the sample gives no value\n{_shown(sample)}")
    cases = [*samples, *_RAW, *mutated(samples, mutations, seed)]
    first = [_run(rows, payload, sender) for payload in cases]
    _again(rows, cases, first, sender, seed)
    _received(rows, samples, sender)
    for payload in (*cases, *_large(samples, seed)):
        _quick(rows, payload, sender, slowest_ms)


class _Outcome(NamedTuple):
    rows: list[Row]
    refused: str | None


def _run(rows: Rows, payload: bytes, sender: Sender) -> _Outcome:
    """What a decoder makes of a payload; raises Broken for anything a decoder may not do."""
    limits = Limits()
    try:
        with _WATCH.untouched(payload):
            found = rows(payload, sender)
    except Rejected as why:
        return _Outcome([], str(why))
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"it raised {type(error).__name__} ({error}) where only Rejected is allowed\n{_shown(payload)}") from error
    try:
        made = checked(found)
    except Rejected as why:
        raise Broken(f"it gave rows that no column can hold: {why}\n{_shown(payload)}") from None
    if len(made) > limits.rows and len(payload) <= limits.payload_bytes:
        raise Broken(f"it gave {len(made)} rows, at most {limits.rows} are allowed: raise Rejected(Reason.TOO_LARGE)\n{_shown(payload)}")
    return _Outcome([_kept(row) for row in made], None)


def _kept(row: Row) -> Row:
    """A copy, so that a decoder which hands out the same dictionary twice is caught when it changes it."""
    return row._replace(values=dict(row.values), units=dict(row.units))


def _again(rows: Rows, cases: Sequence[bytes], first: Sequence[_Outcome], sender: Sender, seed: int) -> None:
    """The same for the same, in any order: nothing is remembered from one payload to the next."""
    order = list(range(len(cases)))
    random.Random(seed).shuffle(order)
    for i in order:
        if not _same(_run(rows, cases[i], sender), first[i]):
            raise Broken(
                f"it gives something else for the same payload when others came before: it remembers something\n{_shown(cases[i])}"
            )


def _same(one: _Outcome, other: _Outcome) -> bool:
    # By their text: 1, 1.0 and True are equal, and are three kinds of column.
    return repr(one) == repr(other)


def _received(rows: Rows, samples: Sequence[bytes], sender: Sender) -> None:
    """Whose message it is, and when it arrived, changes who and when; never what was measured."""
    later = sender._replace(received_at=sender.received_at + 1_000_000)
    for sample in samples:
        before, after = _run(rows, sample, sender).rows, _run(rows, sample, later).rows
        if [(row.values, row.units, row.boot, row.seq) for row in before] != [(row.values, row.units, row.boot, row.seq) for row in after]:
            raise Broken(f"it gives other values when the same payload arrives a second later\n{_shown(sample)}")
        for was, now in zip(before, after, strict=True):
            moved = None if was.at is None or now.at is None else now.at - was.at
            if moved not in ((1_000_000,) if was.relative else (None, 0)):
                raise Broken(f"a time moves with the arrival, and is not marked as relative (or the other way round)\n{_shown(sample)}")


def _quick(rows: Rows, payload: bytes, sender: Sender, slowest_ms: float) -> None:
    """Done in time, by the CPU and not by the wall; what was slow is tried again beside a yardstick: a slow machine is nobody's fault."""
    best = _cost(rows, payload, sender)
    for _ in range(TRIES if best < HOPELESS * slowest_ms else 2):
        if best <= slowest_ms:
            return
        before, cost, after = _pace(), _cost(rows, payload, sender), _pace()
        slow = min(before, after) / YARDSTICK_MS
        best = min(best, cost if slow <= 1.0 else cost / (slow * SPARE))
    pace = "by the pace of this machine"
    raise Broken(f"it takes {best:.1f} ms of CPU {pace} for {len(payload)} bytes, at most {slowest_ms:.1f} are allowed\n{_shown(payload)}")


_YARD: Final = json.dumps([{"n": f"s{i}", "u": "Cel", "v": i + 0.5, "t": -i} for i in range(1_200)]).encode()


def _pace() -> float:
    """CPU, ms, for what any decoder does with a large message: parse, take apart, put together, look at names. This is the yardstick."""
    began = time.thread_time_ns()
    made = [(row["t"], {row["n"]: float(row["v"])}, {row["n"]: row["u"]}) for row in json.loads(_YARD)]
    sum(name.isidentifier() for _, values, _ in made for name in values)
    return (time.thread_time_ns() - began) / 1e6


def _cost(rows: Rows, payload: bytes, sender: Sender) -> float:
    began = time.thread_time_ns()
    try:
        rows(payload, sender)
    except Rejected:
        pass
    except Exception as error:
        raise Broken(f"it raised {type(error).__name__} ({error}) where only Rejected is allowed\n{_shown(payload)}") from error
    return (time.thread_time_ns() - began) / 1e6


# ------------------------------------------------------------------------------------------------ payloads


def mutated(samples: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """What becomes of samples: cut, repeated, spliced, bits flipped, and, for JSON, values in other places' stead; the same for a seed."""
    chance = random.Random(seed)
    objects = [parsed for sample in samples if (parsed := _json(sample)) is not None]
    for i in range(count):
        if objects and i % 2:
            yield json.dumps(_disturbed(chance.choice(objects), chance)).encode()
        else:
            yield _damaged(chance.choice(samples), samples, chance)


def _json(sample: bytes) -> Any:
    try:
        return json.loads(sample)
    except ValueError:
        return None


def _damaged(sample: bytes, samples: Sequence[bytes], chance: random.Random) -> bytes:
    data = bytearray(sample)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 40)]
            case 4:
                del data[at:]
            case _:
                data[at:] = chance.choice(samples)[at:]
    return bytes(data)


def _disturbed(parsed: Any, chance: random.Random) -> Any:
    """A copy of a JSON value with one thing in it that should not be."""
    if isinstance(parsed, dict) and parsed and chance.random() < 0.8:
        key = chance.choice(list(parsed))
        made = dict(parsed)
        match chance.randrange(6):
            case 0:
                del made[key]
            case 1:
                made[chance.choice(["", "a b", "x" * 200, "\u200b", "device", "ts", "__class__"])] = made.pop(key)
            case _:
                made[key] = _disturbed(parsed[key], chance)
        return made
    if isinstance(parsed, list) and parsed and chance.random() < 0.8:
        i = chance.randrange(len(parsed))
        if chance.random() < 0.2:
            return parsed * chance.choice([0, 2, 50])
        return [*parsed[:i], _disturbed(parsed[i], chance), *parsed[i + 1 :]]
    return chance.choice(_HOSTILE)


def _large(samples: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """As large as a message may be."""
    chance = random.Random(seed)
    yield from bodies()
    for _ in range(LARGE):
        yield swollen(samples, chance)


# ------------------------------------------------------------------------------------------------ the world outside


class _Watch:
    """Hears what this thread touches. A hook of the interpreter cannot be taken off again, so it sleeps outside of `untouched`."""

    def __init__(self) -> None:
        self._thread = 0
        self._touched: list[str] = []
        self._hooked = False

    @contextmanager
    def untouched(self, payload: bytes) -> Iterator[None]:
        """Within, to open a file, a socket or a process is a broken promise; raises Broken at the end, whatever was caught before."""
        if not self._hooked:
            sys.addaudithook(self._hear)
            self._hooked = True
        self._touched.clear()
        self._thread = threading.get_ident()
        try:
            yield
        finally:
            self._thread = 0
            if self._touched:
                what = self._touched[0]
                raise Broken(f"it touches the world ({what}): a decoder works on its payload alone\n{_shown(payload)}")

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._thread or not event.startswith(_TOUCHES) or threading.get_ident() != self._thread:
            return
        what = str(arguments[0])[:80] if arguments else ""
        # A module that is imported where it is first needed is no harm.
        if not (event.startswith(("open", "os.")) and (what.endswith((".py", ".pyc", ".so")) or event in {"os.listdir", "os.scandir"})):
            self._touched.append(f"{event} {what}".strip())


_WATCH: Final = _Watch()


def _shown(payload: bytes) -> str:
    text = payload if len(payload) <= 200 else payload[:200] + b"..."
    return f"  payload ({len(payload)} bytes): {text!r}"
