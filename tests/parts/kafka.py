"""A real Kafka 4: one broker that is its own controller, from the jars that Maven fetched for deploy/kafka/pom.xml."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.parts.base import REPOSITORY, Child, free_port, listening, missing, program

JARS: Final = Path(os.environ.get("VORAB_KAFKA_JARS", REPOSITORY / ".parts" / "kafka"))
DEPLOY: Final = REPOSITORY / "deploy" / "kafka"
# Small and quick to start beats fast here: one garbage collector thread, only the first compiler.
JVM: Final = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
START_TIMEOUT_S: Final = 180


class Kafka:
    """A broker on loopback; keeps port and data over stop, kill and start."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, advertised: int = 0) -> None:
        """`settings` override those of deploy/kafka/server.properties; clients are told the port `advertised`, if there is one."""
        java = program("java")
        if java is None:
            missing("Java 17", "`make parts` as root on Debian, or install a Java runtime of version 17 or newer")
        if not any(JARS.glob("kafka_*.jar")):
            missing("Kafka 4", f"`make parts` fetches its jars into {JARS} with Maven")
        self.host, self.port, controller = "127.0.0.1", free_port(), free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.properties = folder / "server.properties"
        own = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised or self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(folder / "data"),
        }
        self.properties.write_text(_merged((DEPLOY / "server.properties").read_text(), own | dict(settings or {})))
        self._java = [java, *JVM, f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}", "-cp", f"{JARS}/*"]
        self.child = Child(f"kafka-{self.port}", [*self._java, "kafka.Kafka", str(self.properties)])

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"{self.host}:{self.port}"

    @property
    def log_address(self) -> str:
        """The same as a log address of vorab."""
        return f"kafka://{self.bootstrap}"

    def start(self) -> None:
        """Start, format the folder before the first time, and wait until metadata is served."""
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        self.child.start()
        self.child.ready(self._serves, timeout_s=START_TIMEOUT_S)

    def stop(self) -> None:
        """An orderly stop."""
        self.child.stop(120)

    def kill(self) -> None:
        """`kill -9`."""
        self.child.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port."""
        self.stop()
        self.start()

    def _format(self) -> None:
        # A first byte of 0 makes the name start with A; one that starts with "-" would be read as an option.
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        done = subprocess.run(
            [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties)],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
        if done.returncode:
            raise RuntimeError(f"Kafka could not format its folder:\n{done.stdout}{done.stderr}")

    def _serves(self) -> bool:
        return listening(self.port) and serves(self.bootstrap)


class ForeignKafka:
    """A Kafka somebody else runs (VORAB_TEST_KAFKA=host:port); tests that stop or kill it are skipped."""

    def __init__(self, address: str) -> None:
        self.bootstrap = address
        self.log_address = f"kafka://{address}"


def serves(bootstrap: str) -> bool:
    """Whether a broker there answers with at least one broker in its metadata."""
    from kafka import KafkaAdminClient  # here, because unit tests load this module too and need no Kafka client
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000, bootstrap_timeout_ms=5_000)
    except (KafkaError, OSError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        admin.close()


def _merged(template: str, own: Mapping[str, str]) -> str:
    kept = [line for line in template.splitlines() if line.partition("=")[0] not in own]
    return "\n".join([*kept, *(f"{key}={value}" for key, value in own.items())]) + "\n"
