"""The embedded system under test: `vorab up`, one process on a SQLite log."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.parts.base import Child
from tests.system.house import House, Plan, is_ready
from vorab import provision
from vorab.log import open_log
from vorab.runtime import READY_FILE
from vorab.settings import load


class Embedded(House):
    """One process, without a supervisor: the test starts it again."""

    def __init__(self, plan: Plan, *, program: str = "") -> None:
        """`program` is run before vorab in the same process: a known-bad variant."""
        super().__init__(plan, "")
        self.address = f"sqlite:///{self.folder / 'state' / 'log.db'}"
        self._write()
        self._ready = self.folder / "state" / READY_FILE
        self.up = self.child("up", "up", "--config", str(self.config), "--child")
        if program:
            python, *arguments = self.up.argv
            self.up.argv = [python, "-c", f"{program}\nimport sys\nfrom vorab.cli import main\nmain()", *arguments[2:]]

    def start(self) -> None:
        """Registry first, then the process."""
        (self.folder / "state").mkdir(exist_ok=True)
        with open_log(self.address) as log:
            provision.create_topics(log, load(self.config, env={}))
            self.register(log)
        self.launch()
        self.wait_until_ready()

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Start the process, anew if it was there before; `env` for this life only."""
        self._ready.unlink(missing_ok=True)
        kept = self.up.env
        self.up.env = {**kept, **(env or {})}
        self.up.start()
        self.up.env = kept

    def wait_until_ready(self) -> None:
        """Wait until it hears and decides."""
        self.up.ready(lambda: self._ready.exists() and is_ready(json.loads(self._ready.read_text())["metrics_port"]))

    def processes(self) -> Mapping[str, Child]:
        """Just one."""
        return {"up": self.up}

    def revive(self) -> None:
        """It is meant to be started by the test alone."""
