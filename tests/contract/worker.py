"""Runs the sample processor under one of the hosts as a process of its own, for tests that kill it: `python -m tests.contract.worker`.

Arguments: embedded PATH | faust HOST:PORT GROUP FOLDER TOPIC=NAME …; `VORAB_BAD` names a known-bad variant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from streams.hosts.registry import Tables
from tests.contract.sample import TALLY, Tally
from vorab.clock import SECOND, Micros, SystemClock
from vorab.frame import Frame
from vorab.processor import Kind, Out
from vorab.records import Record
from vorab.service import configure_logging, stop_on_signals
from vorab.settings import Service

CHECKPOINT_S = 0.2


class Broken(Tally):
    """Has a defect that shows at the twentieth record."""

    def step(self, topic: str, offset: int, record: Record | Frame, now: Micros) -> Iterable[Out]:
        """Step, or fail."""
        if self.count > 20:
            raise ZeroDivisionError
        return super().step(topic, offset, record, now)


def kind() -> Kind:
    """The sample, or a variant that must be caught."""
    if os.environ.get("VORAB_BAD") == "broken":
        return replace(TALLY, build=lambda *_: Broken())
    if os.environ.get("VORAB_BAD") == "no-merge":
        return replace(TALLY, inputs=tuple(replace(each, gating=False) for each in TALLY.inputs))
    return TALLY


def embedded(path: str) -> None:
    """Under the embedded host."""
    from streams.hosts import embedded as host
    from vorab.log.sqlite import SqliteLog

    variant: Any = host
    variant.LIMIT = 40  # many small rounds
    checkpoint_s = CHECKPOINT_S
    if os.environ.get("VORAB_BAD") == "forget-sent":
        variant._Seat.fresh = lambda _, outputs: list(outputs)
        checkpoint_s = 3_600.0  # none before the crash: what left since the last one is what is forgotten
        _commit_at_once(variant._Crew)
    with SqliteLog(path, fsync=False) as log:
        host.EmbeddedHost(log, [kind()], Tables(), SystemClock(), checkpoint_s=checkpoint_s).run(stop_on_signals())


def _commit_at_once(crew: Any) -> None:
    """Each commit is in the file before the next one is begun, so that a crash between them has something to forget."""
    transact = crew._transact

    def at_once(self: Any, records: Any, state: Any) -> None:
        transact(self, records, state)
        self._log.flush()

    crew._transact = at_once


def faust(address: str, group: str, folder: str, renames: Mapping[str, str]) -> None:
    """Under Faust."""
    from streams.hosts import faust as host
    from streams.hosts import faust_app
    from streams.hosts.faust import FaustHost, Options
    from streams.hosts.faust_crew import Crew

    # The shortest session a broker allows: a killed worker's partitions are given to the next one sooner.
    quick: Any = (faust_app, host)
    quick[0].SESSION_S, quick[0].HEARTBEAT_S, quick[1].STALL = 6.0, 1.0, int(3.6 * SECOND)
    if os.environ.get("VORAB_BAD") == "ack-first":
        _acknowledge_first(Crew)
    options = Options(Path(folder), group=group, renames=renames, checkpoint_s=CHECKPOINT_S)
    FaustHost(address, [kind()], Tables(), options).run(stop_on_signals())


def _acknowledge_first(crew: Any) -> None:
    """Known bad: state and acknowledgements go out first, outputs are only handed over afterwards."""
    checkpoint, held = crew.checkpoint, []

    async def hold(_: Any, output: Any) -> None:
        held.append(output)

    send = crew._send
    crew._send = hold

    async def save_first(self: Any, *args: Any, **more: Any) -> None:
        outputs = held.copy()
        held.clear()
        await checkpoint(self, *args, **more)
        for output in outputs:
            await send(self, output)

    crew.checkpoint = save_first


if __name__ == "__main__":
    configure_logging(Service(log_format="json"), process="worker")
    if sys.argv[1] == "embedded":
        embedded(sys.argv[2])
    else:
        names = dict(each.split("=") for each in sys.argv[5:])
        faust(sys.argv[2], sys.argv[3], sys.argv[4], names)
