"""A real Mosquitto with one of the profiles of deploy/mosquitto."""

from __future__ import annotations

import os
from pathlib import Path

from tests.parts.base import REPOSITORY, Child, free_port, listening, missing, program

PROFILES = REPOSITORY / "deploy" / "mosquitto"


class Mosquitto:
    """A broker on loopback; keeps port and stored sessions over stop, kill and start."""

    def __init__(self, folder: Path, *, profile: str = "standard", settings: str = "") -> None:
        """`settings` are further lines of configuration, for instance of a known-bad broker."""
        where = program("mosquitto")
        if where is None:
            missing("Mosquitto", "`make parts` as root on Debian, or install the package mosquitto")
        self.host, self.port = "127.0.0.1", free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        conf = folder / "mosquitto.conf"
        conf.write_text(self._adapted((PROFILES / f"{profile}.conf").read_text()) + settings)
        self.child = Child(f"mosquitto-{profile}-{self.port}", [where, "-c", str(conf)])

    def _adapted(self, profile: str) -> str:
        """The profile with this port and folder; a broker started as root must stay root to write there."""
        lines = []
        for line in profile.splitlines():
            match line.partition(" ")[0]:
                case "listener":
                    lines.append(f"listener {self.port} {self.host}")
                case "persistence_location":
                    lines.append(f"persistence_location {self.folder}/")
                case _:
                    lines.append(line)
        if os.geteuid() == 0:
            lines.append("user root")
        return "\n".join(lines) + "\n"

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        self.child.start()
        self.child.ready(lambda: listening(self.port), timeout_s=15)

    def stop(self) -> None:
        """An orderly stop: Mosquitto writes its database."""
        self.child.stop()

    def kill(self) -> None:
        """`kill -9`: nothing more is written."""
        self.child.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port."""
        self.stop()
        self.start()


class ForeignMqtt:
    """A broker somebody else runs (VORAB_TEST_MQTT=host:port); tests that stop or kill it are skipped."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.host, self.port = host, int(port)
