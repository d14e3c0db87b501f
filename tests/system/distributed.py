"""The distributed system under test: two workers of each stage as processes of their own, on a real Kafka."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Final

from tests.parts.base import PATIENCE_S, REPOSITORY, Child, free_port
from tests.system.house import House, Plan, is_ready, sends_under_way
from vorab.errors import EXIT_CRASH
from vorab.log import open_log
from vorab.testing import CRASH_EXIT

WORKERS: Final = 2


class Distributed(House):
    """Ingest, streams and notifier, each `WORKERS` times; a Kafka of its own for each house, since topics have fixed names."""

    def __init__(self, plan: Plan, address: str, first_lives: Mapping[str, str] | None = None) -> None:
        """`address` is `kafka://host:port`; `first_lives` are crash points at which processes die in their first life."""
        super().__init__(plan, address)
        self._ports: dict[str, int] = {}
        self._children: dict[str, Child] = {}
        self._first_lives = dict(first_lives or {})
        self.hits: list[str] = []
        """Processes that died at their crash point and were started again."""
        self.cut_off: set[str] = set()
        """Notifications in whose send a notifier died."""
        self.crashes: list[str] = []
        """Processes that ended themselves after something unexpected (exit 70) and were started again."""
        for i in range(WORKERS):
            share, config = f"{i}/{WORKERS}", ("--config", str(self.config))
            port = self._ports[f"ingest-{i}"] = free_port()
            self._add(f"ingest-{i}", "ingest", *config, "--share", share, "--metrics-port", str(port))
            self._add(f"streams-{i}", "streams", *config)
            self._add(f"notifier-{i}", "notifier", *config, "--share", share)

    def _add(self, name: str, *arguments: str) -> None:
        self._children[name] = self.child(name, *arguments, "--state-dir", str(self.folder / name))

    def start(self) -> None:
        """Topics and registry first, then all processes."""
        made = self.child("topics", "topics", "--config", str(self.config))
        subprocess.run(made.argv, env=made.env, cwd=REPOSITORY, check=True, capture_output=True, timeout=PATIENCE_S)
        with open_log(self.address) as log:
            self.register(log)
        for name in self._children:
            self.launch(name, {"VORAB_CRASH": self._first_lives[name]} if name in self._first_lives else {})
        for name in self._children:
            self.wait_until_ready(name)

    def launch(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start one process, anew if it was there before; `env` for this life only."""
        child = self._children[name]
        for file in (self.folder / name).glob("*.json"):
            file.unlink()
        kept = child.env
        child.env = {**kept, **(env or {})}
        child.start()
        child.env = kept

    def wait_until_ready(self, name: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a process says it is ready."""
        self.wait_for(lambda: is_ready(self._port(name)), f"{name} being ready", timeout_s)

    def revive(self) -> None:
        """As a supervisor would."""
        for name, child in self._children.items():
            if child.exit_code in {EXIT_CRASH, CRASH_EXIT}:
                (self.crashes if child.exit_code == EXIT_CRASH else self.hits).append(name)
                self.again(name)

    def _port(self, name: str) -> int:
        if name in self._ports:
            return self._ports[name]
        pattern = "streams.json" if name.startswith("streams") else "*.ready.json"
        file = next((self.folder / name).glob(pattern), None)
        return int(json.loads(file.read_text())["metrics_port"]) if file else 0

    def processes(self) -> Mapping[str, Child]:
        """All of them."""
        return self._children

    def kill(self, name: str) -> None:
        """`kill -9`, and start it again."""
        self._children[name].kill()
        self.again(name)

    def again(self, name: str) -> None:
        """Start again what is dead; look before whether it died inside a send."""
        self.cut_off |= sends_under_way(self.folder / name)
        self.launch(name)
