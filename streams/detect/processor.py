"""detect: readings in, symptoms out. Vectorised over all series of a frame; owns no clock.

Nothing depends on how readings were cut into frames or in which order devices stand in them: each series is judged by its own
readings in their order, silence by when readings arrived. `streams.detectors` decides, `book` knows which rule looks
where and keeps the state, `judge` leads rows there and findings back, `words` tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.detect.book import Book
from streams.detect.confirm import Confirm
from streams.detect.findings import Placed, end_orphans, mark_stored, place
from streams.detect.judge import judge
from streams.detect.past import Past
from streams.detect.peers import Peers
from streams.detect.rows import Rows, rows_of
from streams.detect.silences import fall_silent, hear
from streams.detect.words import symptom
from streams.detectors import silence
from streams.detectors.peer import PeerRule
from streams.detectors.silence import SilenceRule
from streams.event_time.timeline import Timeline, Turn, is_own
from streams.rules.ruleset import RuleSet
from vorab.clock import SECOND, Micros
from vorab.frame import Frame
from vorab.metrics import metric
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import Cohort, Record
from vorab.topics import COHORTS, READINGS, SYMPTOMS

Count = Callable[[str, int], None]
AWHILE: Final[Micros] = 3 * SECOND
"""Frames are joined within a second and may have been received in the one before: who speaks in them is not silent before this time."""


class Detect:
    """The processor of one partition."""

    name: ClassVar[str] = "detect"
    inputs: ClassVar[tuple[Input, ...]] = (Input(READINGS),)
    outputs: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    ticks: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    schema: ClassVar[int] = 2

    def __init__(self, rules: RuleSet, registry: Registry, grace: Micros = 0, count: Count | None = None, partition: int = 0) -> None:
        """`grace` (µs) is how long readings wait for earlier ones; `count` hears how many readings came out of order, and as what."""
        self.book = Book(rules, registry)
        self.timeline = Timeline(self.book.devices, grace)
        self.past = Past(rules, registry)
        self.peers = Peers(self.book, partition)
        self.confirm = Confirm(self.book)
        self._count = count
        self.listening = silence.Listening([rule.after for rule in rules if isinstance(rule, SilenceRule)])
        self._deadline: Micros = 0
        self._looked_up: Micros = 0
        self._time = b""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the protocol
        """Fold a frame, or hold devices against the baseline of a cohort."""
        if isinstance(record, Cohort):
            return self.peers.judge(record)
        if not isinstance(record, Frame) or not record.n:
            return []
        book, found = self.book, list[Placed]()
        rows = rows_of(record, book.rules.watches, book.read_words)
        rows.device = book.devices.slots(record.devices)[rows.device]
        rows.apart = book.devices.apart(rows.device)
        turn = self.timeline.take(record, rows)
        hear(book, self.listening, rows, turn.fresh, found)
        outs = [*self._judge(rows, turn.now, found), *self._turn(turn)]
        # A device that is heard for the first time, or again, may have the next deadline; nobody else's comes nearer.
        self._deadline = min(self._deadline, int(rows.received.min()) + min(self.listening.resumed, default=0))
        return outs

    def _judge(self, rows: Rows, which: NDArray[np.bool_], found: list[Placed]) -> list[Out]:
        """Judge rows; `found` is what was found in them before."""
        judge(self.book, rows, which, found)
        mark_stored(found, rows)
        self.confirm.follow(rows, which, found)
        return [Out(SYMPTOMS, symptom(each.finding)) for each in sorted(found, key=place)]

    def _turn(self, turn: Turn) -> list[Out]:
        """Judge what waited, and what fills holes."""
        outs: list[Out] = []
        if turn.released.blocks:
            rows = rows_of(turn.released, self.book.rules.watches, self.book.read_words)
            rows.apart = self.book.devices.apart(rows.device)
            outs += self._judge(rows, np.ones(len(rows), bool), [])
        for part in turn.past:
            outs += [Out(SYMPTOMS, symptom(each)) for each in self.past.judge(part, self.book.devices.keys)]
        if self._count is not None:
            for result, readings in self.timeline.counted.items():
                self._count(result, readings)
        self.timeline.counted.clear()
        return outs

    def due(self, now: Micros) -> Iterable[Out]:
        """Devices that have been silent for too long, and symptoms whose rule is gone."""
        changed: list[int] = []
        if now - self._looked_up >= SECOND:
            self._looked_up = now
            changed = self.book.devices.look_up()
            self.book.settle(changed)
            self.timeline.look(changed)
            self.peers.look(changed)
        outs = [Out(SYMPTOMS, symptom(each)) for each in end_orphans(self.book, now)] if self.book.orphans else []
        turn = self.timeline.due(now)
        if turn is not None:
            outs += self._turn(turn)
        outs += [Out(SYMPTOMS, symptom(each)) for each in self.past.end_orphans(now)]
        outs += self.peers.close(now)
        if self.listening.reach(now) or changed:
            self._deadline = 0
        if now > self._deadline and self.book.silences.columns.n:
            outs += [Out(SYMPTOMS, symptom(each)) for each in fall_silent(self.book, self.listening, now)]
            self._deadline = silence.next_deadline(self.book.silences.columns, self.listening)
        return outs + [Out(SYMPTOMS, symptom(each)) for each in self.confirm.due(now)]

    def quiet(self, now: Micros) -> bool:
        """Whether nobody falls silent and no row has waited for long enough until `now`, also of those that are about to be read.

        What confirms a clearing is no reason not to be: it is told at the end, less than a second later.
        """
        silence = self.book.silences.columns.n and (now > self._deadline or min(self.listening.resumed, default=AWHILE) < AWHILE)
        return not (silence or self.book.orphans or self.timeline.waits) and self.peers.quiet(now)

    def dirty(self) -> Mapping[str, bytes]:
        """The blocks that changed."""
        out = {**self.book.dirty(), **self.timeline.dirty(), **self.past.dirty(), **self.confirm.dirty()}
        time = msgspec.msgpack.encode({"schema": self.schema, "now": self.listening.now, "resumed": list(self.listening.resumed.items())})
        if time != self._time:
            self._time = out["time"] = time
        return out

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take over state; rules and registry may have changed since."""
        if "names" not in blocks or "time" not in blocks:
            return
        time: dict[str, Any] = msgspec.msgpack.decode(blocks["time"])
        self.listening.restore(time["now"], dict(time["resumed"]))
        self.book.restore({name: block for name, block in blocks.items() if not is_own(name)})
        self.timeline.restore(blocks)
        self.past.restore(blocks)
        self.confirm.restore(blocks)


def detect_kind(rules: RuleSet, grace: Micros = 0) -> Kind:
    """What hosts need to run detect with these rules; `grace` (µs) is how long readings wait for earlier ones."""

    def count(result: str, readings: int) -> None:
        metric("vorab_detect_late_readings_total").labels(result).inc(readings)

    def build(partition: int, registry: Registry) -> Any:
        return Detect(rules, registry, grace, count, partition)

    kind = kind_of(Detect, build)
    if any(isinstance(rule, PeerRule) for rule in rules):  # nobody else has to do with cohorts
        kind = replace(kind, inputs=(*kind.inputs, Input(COHORTS, gating=False)), outputs=(*kind.outputs, COHORTS))
    return kind
