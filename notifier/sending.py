"""The hands: a bounded pool that calls channels, so that a provider that hangs holds up only itself."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from notifier.channels import ChannelPort, Message, Result
from notifier.store import Notice
from vorab.records import Channel
from vorab.testing import crashpoint


@dataclass(frozen=True, slots=True)
class Job:
    """A message that was claimed for a channel."""

    notice: Notice
    channel: Channel
    message: Message


class Hands:
    """At most `senders` calls at a time; a job is only taken when a hand is free, so that no claimed message stands in a queue."""

    def __init__(self, channels: Mapping[Channel, ChannelPort], senders: int) -> None:
        self._channels, self._senders = channels, senders
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="send")
        self._done: queue.SimpleQueue[tuple[Job, Result | BaseException]] = queue.SimpleQueue()
        self.busy: dict[str, Job] = {}
        """Jobs that are out, by notification id."""

    @property
    def free(self) -> int:
        """How many jobs can be taken."""
        return self._senders - len(self.busy)

    def take(self, job: Job) -> None:
        """Start on a job that was claimed."""
        self.busy[job.notice.note.id] = job
        self._pool.submit(self._call, job)

    def finished(self, wait_s: float = 0.0) -> list[tuple[Job, Result]]:
        """Jobs that are done; waits at most so long for the first. What a channel should never raise is raised here."""
        found: list[tuple[Job, Result]] = []
        while True:
            try:
                job, result = self._done.get(timeout=wait_s) if wait_s and not found else self._done.get_nowait()
            except queue.Empty:
                return found
            if isinstance(result, BaseException):
                raise result
            del self.busy[job.notice.note.id]
            found.append((job, result))

    def close(self) -> None:
        """Wait for the calls that are out."""
        self._pool.shutdown(wait=True)

    def _call(self, job: Job) -> None:
        try:
            crashpoint("notifier.before_send")
            result = self._channels[job.channel].send(job.message)
            crashpoint("notifier.after_send")
        except BaseException as error:  # noqa: BLE001 - carried to the thread that owns the notifier, which crashes on it
            self._done.put((job, error))
        else:
            self._done.put((job, result))
