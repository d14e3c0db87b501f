"""The demo's MQTT broker: mosquitto where it is on the PATH, otherwise amqtt from the virtual environment.

amqtt speaks MQTT 3.1.1 only, does about 2,000 messages a second and never delivers a message again (seen on 0.12.1), so the demo
promises nothing about delivery on it and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vorab.clock import SystemClock
from vorab.errors import Unavailable

# Every limit is said: mosquitto's defaults drop what a slow reader has not fetched, after acknowledging it.
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 2000
max_queued_messages 0
max_queued_bytes 0
message_size_limit 65536
set_tcp_nodelay true
log_type error
"""


@dataclass(slots=True)
class Broker:
    """A running broker."""

    kind: Literal["mosquitto", "amqtt"]
    port: int
    process: subprocess.Popen[bytes]

    @property
    def protocol(self) -> str:
        """The MQTT version to speak with it."""
        return "5" if self.kind == "mosquitto" else "3.1.1"

    @property
    def promise(self) -> str:
        """What it promises about delivery, in words."""
        if self.kind == "mosquitto":
            return "mosquitto keeps what vorab has not acknowledged"
        return (
            "amqtt promises no delivery: what is under way at a kill may be lost, so the recording pauses meanwhile; "
            "install mosquitto to see the difference"
        )

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, kind: str = "") -> Broker:
    """Start a broker on a free loopback port and wait until it answers.

    Raises:
        Unavailable: it did not come up, or mosquitto is asked for and not there.
    """
    port = free_port()
    mosquitto = None if kind == "amqtt" else shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if kind == "mosquitto" and mosquitto is None:
        raise Unavailable(
            "mosquitto is not here\n  at --broker mosquitto\n"
            "  install it (Debian: apt-get install mosquitto), or leave --broker away: amqtt comes with vorab"
        )
    if mosquitto:
        conf = folder / "mosquitto.conf"
        conf.write_text(MOSQUITTO.format(port=port) + ("user root\n" if os.geteuid() == 0 else ""), encoding="utf-8")
        command = [mosquitto, "-c", str(conf)]
    else:
        command = [sys.executable, "-m", "vorab.demo.broker", str(port)]
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    clock = SystemClock()
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2):
                return Broker("mosquitto" if mosquitto else "amqtt", port, process)
        except OSError:
            if process.poll() is not None:
                break
            clock.sleep(0.05)
    process.kill()
    raise Unavailable(f"the demo's broker did not come up; see {folder / 'broker.log'}")


async def _amqtt(port: int) -> None:
    from amqtt.broker import Broker as Amqtt  # noqa: PLC0415 - only where mosquitto is missing

    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.Event().wait()


def main() -> None:
    """`python -m vorab.demo.broker PORT`: amqtt in a process of its own, so that it outlives the pipeline."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port", type=int)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_amqtt(port))


if __name__ == "__main__":
    main()

__all__ = ["Broker", "free_port", "start"]
