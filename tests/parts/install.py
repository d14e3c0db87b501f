"""Gets the real parts onto this machine: `python -m tests.parts.install` (which is `make parts`).

As root on Debian it installs what is missing by itself. Elsewhere it says which part is missing, what then cannot be
tested, and how to get it. Ends with 1 under CI=true when a part is missing, else with 0.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.parts.base import REPOSITORY, on_ci, program
from tests.parts.browser import PROGRAMS
from tests.parts.kafka import JARS
from tests.parts.node import FOLDER, HERE, node_clients

POLICY: Final = Path("/usr/sbin/policy-rc.d")


def any_program(*names: str) -> Callable[[], bool]:
    """A check whether one of these programs is there."""
    return lambda: any(program(name) for name in names)


@dataclass(frozen=True, slots=True)
class Part:
    """One real part."""

    name: str
    here: Callable[[], bool]
    packages: tuple[str, ...]
    """Debian packages that bring it."""
    without: str
    """What cannot be tested without it."""
    elsewhere: str
    """How to get it on another system."""


PARTS: Final = (
    Part(
        "Mosquitto",
        any_program("mosquitto"),
        ("mosquitto", "mosquitto-clients"),
        "delivery guarantees",
        "brew install mosquitto, or your system's package",
    ),
    Part(
        "OpenSSL",
        any_program("openssl"),
        ("openssl",),
        "devices that come in by certificate",
        "your system's package of that name",
    ),
    Part(
        "Java 17",
        any_program("java"),
        ("default-jre-headless",),
        "everything on Kafka",
        "any Java runtime of version 17 or newer on PATH",
    ),
    Part(
        "Maven",
        lambda: kafka_jars() or any_program("mvn")(),
        ("maven",),
        "everything on Kafka",
        "brew install maven, or your system's package; needed once, to fetch the jars of Kafka",
    ),
    Part(
        "Chromium",
        any_program(*PROGRAMS),
        ("chromium",),
        "console and customer page in a browser",
        "Chromium or Chrome on PATH",
    ),
    Part(
        "Node.js",
        lambda: any_program("node")() and (node_clients() or any_program("npm")()),
        ("nodejs", "npm"),
        "Sparkplug and mqtt.js devices",
        "Node.js 18 or newer and npm on PATH",
    ),
    Part(
        "promtool",
        any_program("promtool"),
        ("prometheus",),
        "alert rules",
        "brew install prometheus, or the release of prometheus.io",
    ),
)


def kafka_jars() -> bool:
    """Whether Maven has fetched Kafka already."""
    return any(JARS.glob("kafka_*.jar"))


def is_root_on_debian() -> bool:
    """Whether apt-get may be used."""
    return os.name == "posix" and os.geteuid() == 0 and program("apt-get") is not None


def run(argv: Sequence[str], log: list[str]) -> bool:
    """Run a command quietly; on failure keep its last words."""
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
    )
    if done.returncode:
        log += [f"{' '.join(argv)} ended with {done.returncode}:", *done.stdout.splitlines()[-15:]]
    return done.returncode == 0


@contextmanager
def no_daemons() -> Iterator[None]:
    """Keep Debian from starting Mosquitto and Prometheus as services: the tests start their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install_packages(packages: Sequence[str], log: list[str]) -> None:
    """Install Debian packages; a second try one by one, so that one refusal does not cost the others."""
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
    print(f"installing {' '.join(packages)}", flush=True)
    with no_daemons():
        run(["apt-get", "update", "-q"], log)
        if not run([*install, *packages], log):
            for package in packages:
                run([*install, package], log)


def fetch_kafka(log: list[str]) -> None:
    """Fetch the jars of Kafka with Maven."""
    maven = program("mvn")
    if maven is None or kafka_jars():
        return
    print(f"fetching Kafka into {JARS.relative_to(REPOSITORY) if JARS.is_relative_to(REPOSITORY) else JARS}", flush=True)
    pom = REPOSITORY / "deploy" / "kafka" / "pom.xml"
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={JARS}", "-DincludeScope=runtime"]
    command = [maven, "-q", "-B", "-f", str(pom), *goal]
    # A second try: a repository that answers late once is no reason to go without Kafka.
    if not run(command, []):
        run(command, log)


def fetch_node_clients(log: list[str]) -> None:
    """Fetch the MQTT clients written in JavaScript with npm, to the byte what the lock file says."""
    npm = program("npm")
    if npm is None or node_clients():
        return
    print("fetching MQTT clients for Node.js", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, FOLDER / name)
    command = [npm, "ci", "--prefix", str(FOLDER), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if not run(command, []):
        run(command, log)


def main() -> int:
    """Install what is missing, say what still is."""
    log: list[str] = []
    wanted = [part for part in PARTS if not part.here()]
    if wanted and is_root_on_debian():
        install_packages([package for part in wanted for package in part.packages], log)
    fetch_kafka(log)
    fetch_node_clients(log)
    absent = [(part.name, part.without, part.elsewhere) for part in PARTS if not part.here()]
    if not kafka_jars():
        absent.append(("Kafka 4", "everything on Kafka", "with Java 17 and Maven on PATH, say make parts again"))
    if not node_clients():
        absent.append(("MQTT clients for Node.js", "Sparkplug and mqtt.js devices", "with node and npm on PATH, say make parts again"))
    for name, without, elsewhere in absent:
        print(f"{name} is missing, so this is not tested: {without}.\n  How to get it: {elsewhere}")
    if absent and log:
        print("\n".join(log))
    return 1 if absent and on_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
