"""What all parts share: free ports, waiting for a condition, one child process, and what to do for want of a part."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
RUN: Final = "TEST_RUN_OF_PROCESS"
"""The environment variable by which the workers of a parallel run know that they are one."""
LOGS: Final = REPOSITORY / "test-logs" / os.environ.setdefault(RUN, str(os.getpid()))
"""Logs of this run's parts; kept when a test failed, else removed at the end."""
PATIENCE_S: Final = 240.0
"""Longest wait for what must come. Nothing but a hang takes so long, also on a machine that is slow and shared."""

_Value = TypeVar("_Value")


def on_ci() -> bool:
    """Whether a missing part is a failure rather than a skip."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing(part: str, how: str) -> NoReturn:
    """End the test for want of a part: a failure under CI=true, else a skip that says how to get it."""
    why = f"{part} is missing: {how}"
    if on_ci():
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def program(name: str) -> str | None:
    """The path of a program, also where Debian keeps daemons and users have no PATH to."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/local/bin")


def _ports() -> Iterator[int]:
    """Ports in turn, from anywhere on; every worker of a parallel run has its own.

    None of those that systems give to outgoing connections: a client that knocks where nobody listens yet could get that very port.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    ports = list(range(_FIRST_PORT + worker, _LAST_PORT, _WORKERS))
    start = random.randrange(len(ports))
    return itertools.cycle(ports[start:] + ports[:start])


_WORKERS: Final = 16
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_PORTS: Final = _ports()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, and that nobody else is given soon."""
    for port in itertools.islice(_PORTS, (_LAST_PORT - _FIRST_PORT) // _WORKERS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=10):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], _Value], what: str, *, timeout_s: float = PATIENCE_S, every_s: float = 0.02) -> _Value:
    """Ask until the answer is true and hand it back; raises TimeoutError that says what never came."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(every_s)
    return answer


class Child:
    """One process of ours with its output in one file; may be started again after it ended."""

    def __init__(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        self.name, self.argv = name, list(argv)
        self.env = dict(os.environ if env is None else env)
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; raises RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs or before it ran."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=self.env)

    def stop(self, timeout_s: float = 60) -> None:
        """Ask it to end and wait; kill it when it does not."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End it as `kill -9` does and wait until it is gone."""
        self._end(signal.SIGKILL, 60)

    def pause(self) -> None:
        """Freeze it: alive, connected, and silent."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def tail(self, lines: int = 30) -> str:
        """The last lines it said."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ready(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Wait until it serves; raises RuntimeError with its last words when it ends instead."""

        def served() -> bool:
            if not self.running:
                raise RuntimeError(f"{self.name} ended with {self.exit_code} while starting:\n{self.tail()}")
            return bool(condition())

        wait_until(served, f"{self.name} being ready", timeout_s=timeout_s)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals, timeout_s: float) -> None:
        if self._process is None:
            return
        self._send(signal.SIGCONT)
        self._send(number)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)
