"""What Faust does that the host is built around: pinned here, so that another version that does otherwise is noticed."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from faust.transport.consumer import Consumer
from faust.types import TP

from streams.hosts.faust import FaustHost

PLACE = TP("vorab.readings", 0)


def committed(before: int | None, *acked: int) -> int | None:
    """Where Faust would say that a group stands that has acknowledged these."""
    consumer: Any = SimpleNamespace(
        _acked=defaultdict(list, {PLACE: list(acked)}),
        _acked_index=defaultdict(set, {PLACE: set(acked)}),
        _gap=defaultdict(list),
        _committed_offset=defaultdict(lambda: None, {PLACE: before}),
    )
    offset: int | None = Consumer._new_offset(consumer, PLACE)
    return offset


def test_faust_commits_past_a_record_that_is_still_worked_on() -> None:
    """2585 is in flight, what follows it is acknowledged: Faust steps over it (its issue 606).

    So agents take one record at a time, and where to go on is read from the state, never from what the group has committed.
    """
    assert committed(2585, 2586, 2587, 2588, 2589) == 2590
    assert committed(None, 5, 6) == 7


def test_agents_take_one_record_at_a_time() -> None:
    """More at once would be acknowledged out of order."""
    asked: list[dict[str, Any]] = []

    def agent(*_: Any, **options: Any) -> Any:
        asked.append(options)
        return lambda each: each

    app = SimpleNamespace(
        topic=lambda *_, **__: None,
        agent=agent,
        on_partitions_revoked=SimpleNamespace(connect=lambda *_, **__: None),
        on_rebalance_complete=SimpleNamespace(connect=lambda *_, **__: None),
    )
    host: Any = SimpleNamespace(_crash_only=None)
    FaustHost._wire(host, SimpleNamespace(app=app, kind=SimpleNamespace(name="detect")), ["vorab.readings"])  # type: ignore[arg-type]
    assert [options["concurrency"] for options in asked] == [1]
