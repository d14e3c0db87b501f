"""Node.js and the MQTT clients written in it: devices of another make for the tests (`make parts` fetches them)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.parts.base import REPOSITORY, Child, missing, program

HERE: Final = Path(__file__).parent
FOLDER: Final = REPOSITORY / ".parts" / "node"
MODULES: Final = FOLDER / "node_modules"


def node_clients() -> bool:
    """Whether npm has fetched the clients that `package-lock.json` names."""
    return all((MODULES / name).is_dir() for name in ("mqtt", "sparkplug-client"))


def run_script(name: str, script: Path, *arguments: str) -> Child:
    """A program in JavaScript, not started yet; finds `mqtt` and `sparkplug-client`."""
    where = program("node")
    if where is None or not node_clients():
        missing("Node.js with its MQTT clients", "`make parts` as root on Debian, or put node and npm on PATH and say make parts")
    return Child(name, [where, str(script), *arguments], env=os.environ | {"NODE_PATH": str(MODULES)})
