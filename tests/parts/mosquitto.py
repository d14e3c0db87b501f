"""A real Mosquitto with one of the profiles of deploy/mosquitto."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

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
        """Start and wait until it accepts connections, at every door."""
        self.child.start()
        self.child.ready(lambda: all(map(listening, self.doors)))

    @property
    def doors(self) -> tuple[int, ...]:
        """The ports it listens on; it opens one after the other."""
        return (self.port,)

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


class Identity(NamedTuple):
    """What a client shows at the door."""

    cert: Path
    key: Path


class Authorities:
    """Both authorities and what they issue, made by deploy/mosquitto/certificates.sh."""

    def __init__(self, folder: Path) -> None:
        if program("openssl") is None:
            missing("openssl", "your system's package of that name")
        self.folder = folder
        self.do("new")

    def do(self, task: str, *arguments: str) -> None:
        """Run the script; raises RuntimeError with its words when it refuses."""
        done = subprocess.run(
            ["sh", str(PROFILES / "certificates.sh"), task, str(self.folder), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)

    @property
    def trust(self) -> Path:
        """What vouches for the broker."""
        return self.folder / "services-ca" / "ca.crt"

    def device(self, name: str) -> Identity:
        """The identity of a device, made at the first call."""
        return self._issued("device", name)

    def service(self, name: str) -> Identity:
        """The identity of a service, made at the first call."""
        return self._issued("service", name)

    def _issued(self, kind: str, name: str) -> Identity:
        stem = self.folder / f"{kind}s" / name
        if not stem.with_suffix(".crt").exists():
            self.do(kind, name)
        return Identity(stem.with_suffix(".crt"), stem.with_suffix(".key"))


class TlsMosquitto(Mosquitto):
    """A broker with a door for devices (`port`) and one for services (`services_port`), both on loopback here."""

    def __init__(self, folder: Path, authorities: Authorities, *, profile: str = "standard-tls") -> None:
        self.services_port = free_port()
        self._authorities = authorities
        super().__init__(folder, profile=profile)

    @property
    def doors(self) -> tuple[int, ...]:
        """Both."""
        return self.port, self.services_port

    def _adapted(self, profile: str) -> str:
        """The profile with these ports and files."""
        text = profile.replace("listener 8884 127.0.0.1", f"listener {self.services_port} 127.0.0.1")
        text = text.replace("listener 8883", f"listener {self.port} {self.host}")
        text = text.replace("persistence_location /var/lib/mosquitto/", f"persistence_location {self.folder}/")
        for name in ("devices.acl", "services.acl"):
            text = text.replace(f"/etc/mosquitto/vorab/{name}", str(PROFILES / name))
        text = text.replace("/etc/mosquitto/vorab", str(self._authorities.folder))
        return "user root\n" + text if os.geteuid() == 0 else text


class ForeignMqtt:
    """A broker somebody else runs (VORAB_TEST_MQTT=host:port); tests that stop or kill it are skipped."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.host, self.port = host, int(port)
