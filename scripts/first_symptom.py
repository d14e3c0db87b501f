"""From a fresh clone to the first symptom, as a newcomer sees it: an empty home, nothing installed, the demo's own figures at the end.

`make first-symptom` runs it. Prints one JSON line and ends with 1 where the demo fails or the first symptom takes longer than 90 seconds.
`PIP_CACHE_DIR` is used where it is set, because a mirror's speed says nothing about vorab.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 90.0


def main() -> int:
    """Clone, install, run, add up."""
    with tempfile.TemporaryDirectory(prefix="vorab-clone-") as name:
        folder, home = Path(name) / "vorab", Path(name) / "home"
        home.mkdir()
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("VORAB_", "MAKE", "MFLAGS"))}
        env = {**keep, "HOME": str(home)}
        begin = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], env=env, check=True)
        cloned = time.monotonic()
        subprocess.run(["make", "-s", "venv"], cwd=folder, env=env, check=True, stdout=sys.stderr)
        installed = time.monotonic()
        arguments = "ARGS=--seconds 60 --json --no-browser"
        demo = subprocess.run(["make", "-s", "demo", arguments], cwd=folder, env=env, check=False, stdout=subprocess.PIPE, text=True)
    figures = json.loads(demo.stdout.strip().splitlines()[-1])
    first = figures["first_symptom_s"] if figures["first_symptom_s"] is not None else float("inf")
    total = installed - begin + first
    ok = demo.returncode == 0 and total <= LIMIT_S
    print(
        json.dumps(
            {
                "clone_s": round(cloned - begin, 1),
                "install_s": round(installed - cloned, 1),
                "start_s": figures["start_s"],
                "first_symptom_s": figures["first_symptom_s"],
                "clone_to_first_symptom_s": round(total, 1),
                "demo_exit": demo.returncode,
                "beats": {beat["name"]: beat["ok"] for beat in figures["beats"]},
                "machine_temperature": figures["machine_temperature"],
                "log_errors": figures["log_errors"],
                "unexpected_exits": figures["unexpected_exits"],
                "rejections": figures["rejections"],
                "ok": ok,
            }
        )
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
