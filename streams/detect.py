"""detect: readings in, symptoms out. Vectorised over all series of a frame; owns no clock.

Nothing depends on how readings were cut into frames or in which order devices stand in them: each series is judged by its own
readings in their order, silence by when readings arrived. `streams.detectors` decides, `streams.detect_book` knows which rule looks
where and keeps the state, `streams.detect_judge` leads rows there and findings back, `streams.detect_words` tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from streams.detect_book import Book
from streams.detect_judge import Placed, end_orphans, fall_silent, hear, judge, place
from streams.detect_rows import fresh_rows, rows_of
from streams.detect_words import symptom
from streams.detectors import silence
from streams.detectors.silence import SilenceRule
from streams.rules import RuleSet
from vorab.clock import SECOND, Micros
from vorab.frame import Frame
from vorab.processor import Input, Kind, Out, Registry, kind_of
from vorab.records import Record
from vorab.topics import READINGS, SYMPTOMS


class Detect:
    """The processor of one partition."""

    name: ClassVar[str] = "detect"
    inputs: ClassVar[tuple[Input, ...]] = (Input(READINGS),)
    outputs: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    ticks: ClassVar[tuple[str, ...]] = (SYMPTOMS,)
    schema: ClassVar[int] = 2

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.book = Book(rules, registry)
        self.listening = silence.Listening([rule.after for rule in rules if isinstance(rule, SilenceRule)])
        self._deadline: Micros = 0
        self._looked_up: Micros = 0
        self._time = b""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:  # noqa: ARG002 - the protocol
        """Fold a frame."""
        if not isinstance(record, Frame) or not record.n:
            return []
        book, found = self.book, list[Placed]()
        rows = rows_of(record, book.rules.watches, book.read_words)
        rows.device = book.devices.slots(record.devices)[rows.device]
        rows.apart = book.devices.apart(rows.device)
        fresh = fresh_rows(rows, book.devices.columns, rows.device)
        hear(book, self.listening, rows, fresh, found)
        judge(book, rows, fresh, found)
        # A device that is heard for the first time, or again, may have the next deadline; nobody else's comes nearer.
        self._deadline = min(self._deadline, int(rows.received.min()) + min(self.listening.resumed, default=0))
        return [Out(SYMPTOMS, symptom(each.finding)) for each in sorted(found, key=place)] if found else []

    def due(self, now: Micros) -> Iterable[Out]:
        """Devices that have been silent for too long, and symptoms whose rule is gone."""
        changed: list[int] = []
        if now - self._looked_up >= SECOND:
            self._looked_up = now
            changed = self.book.devices.look_up()
            self.book.settle(changed)
        outs = [Out(SYMPTOMS, symptom(each)) for each in end_orphans(self.book, now)] if self.book.orphans else []
        if self.listening.reach(now) or changed:
            self._deadline = 0
        if now > self._deadline and self.book.silences.columns.n:
            outs += [Out(SYMPTOMS, symptom(each)) for each in fall_silent(self.book, self.listening, now)]
            self._deadline = silence.next_deadline(self.book.silences.columns, self.listening)
        return outs

    def dirty(self) -> Mapping[str, bytes]:
        """The blocks that changed."""
        out = self.book.dirty()
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
        self.book.restore(blocks)


def detect_kind(rules: RuleSet) -> Kind:
    """What hosts need to run detect with these rules."""

    def build(partition: int, registry: Registry) -> Any:  # noqa: ARG001 - all partitions are alike
        return Detect(rules, registry)

    return kind_of(Detect, build)
