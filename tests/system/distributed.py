"""The distributed system under test: two workers of each stage as processes of their own, on a real Kafka."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Final

from tests.parts.base import REPOSITORY, Child, free_port, wait_until
from tests.system.house import House, Plan, is_ready
from vorab.errors import EXIT_CRASH
from vorab.log import open_log

WORKERS: Final = 2


class Distributed(House):
    """Ingest, streams and notifier, each `WORKERS` times; a Kafka of its own for each house, since topics have fixed names."""

    def __init__(self, plan: Plan, address: str) -> None:
        """`address` is `kafka://host:port`."""
        super().__init__(plan, address)
        self._ports: dict[str, int] = {}
        self._children: dict[str, Child] = {}
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
        subprocess.run(made.argv, env=made.env, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
        with open_log(self.address) as log:
            self.register(log)
        for name in self._children:
            self.launch(name)
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

    def wait_until_ready(self, name: str, timeout_s: float = 60) -> None:
        """Wait until a process says it is ready."""
        self.wait_for(lambda: is_ready(self._port(name)), f"{name} being ready", timeout_s)

    def revive(self) -> None:
        """As a supervisor would."""
        for name, child in self._children.items():
            if child.exit_code == EXIT_CRASH:
                self.crashes.append(name)
                self.launch(name)

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
        """`kill -9`."""
        self._children[name].kill()

    def wait_for_end(self, name: str, code: int, timeout_s: float = 60) -> None:
        """Wait until a process has ended in this way."""
        wait_until(lambda: self._children[name].exit_code == code, f"{name} ending with {code}", timeout_s=timeout_s)
