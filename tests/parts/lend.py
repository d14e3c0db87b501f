"""Runs a command beside a Kafka of its own: `python -m tests.parts.lend vorab bench bridge --rate 1000`, with VORAB_LOG naming it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.parts.kafka import Kafka


def main() -> int:
    """The exit code of the command."""
    with tempfile.TemporaryDirectory(prefix="vorab-kafka-") as folder:
        kafka = Kafka(Path(folder))
        kafka.start()
        try:
            return subprocess.run(sys.argv[1:], env=os.environ | {"VORAB_LOG": kafka.log_address}, check=False).returncode
        finally:
            kafka.kill()


if __name__ == "__main__":
    sys.exit(main())
