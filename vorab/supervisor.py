"""Keep one child process alive: started again after a crash, ended with us, never in a tight loop."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from vorab.clock import SECOND, Clock, Micros
from vorab.errors import EXIT_OK, EXIT_USAGE

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 10.0
# A child that lived so long was well; the next crash is a new one.
HEALTHY_AFTER: Final[Micros] = 30 * SECOND


def backoff_s(failures: int) -> float:
    """Seconds to wait before the n-th start in a row (n from 1): the first comes almost at once, then doubling."""
    return float(min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S))


@dataclass(slots=True)
class Supervisor:
    """Runs a command until it ends well, is misused, or we are told to stop."""

    command: Sequence[str]
    clock: Clock
    env: Mapping[str, str] | None = None
    output: IO[bytes] | int | None = None
    exits: list[int] = field(default_factory=list)
    """Exit codes so far; negative is a signal."""
    child: subprocess.Popen[bytes] | None = None
    expected: int = 0
    """Exits the caller caused on purpose (a demonstration, a test)."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def run(self) -> int:
        """Supervise in this thread; returns the exit code that ended it."""
        failures = 0
        while True:
            born = self.clock.now()
            self.child = subprocess.Popen(
                self.command,
                env=dict(self.env) if self.env is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.output,
            )
            code = self.child.wait()
            self.exits.append(code)
            if self._stop.is_set() or code in {EXIT_OK, EXIT_USAGE}:
                return code
            failures = 1 if self.clock.wall(self.clock.now()) - self.clock.wall(born) > HEALTHY_AFTER else failures + 1
            if self._stop.wait(backoff_s(failures)):
                return code

    def start(self) -> None:
        """Supervise in a thread."""
        self._thread = threading.Thread(target=self.run, name="supervisor", daemon=True)
        self._thread.start()

    def kill(self) -> int:
        """`kill -9` the child, on purpose; returns its pid."""
        child = self.child
        if child is None or child.poll() is not None:
            return 0
        self.expected += 1
        child.send_signal(signal.SIGKILL)
        return child.pid

    @property
    def running(self) -> bool:
        """Whether there is still something to supervise."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask the child to end, and make it end."""
        self._stop.set()
        child = self.child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._thread is not None:
            self._thread.join(timeout_s)
