"""A large file of devices into the registry: checked, written, and once more without a change."""

from __future__ import annotations

import json
import resource
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

from vorab.cli.registry import latest
from vorab.cli.registry_import import Wish, run_import
from vorab.registry.kinds import DEVICES
from vorab.settings import Settings

CPU_S: Final = 60.0
"""CPU a file of 100,000 lines may take, first and again each: a coffee, not a lunch. CPU, because machines have other work."""


def run(lines: int = 100_000) -> dict[str, Any]:
    """Import a file of so many devices twice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings.model_validate({"state_dir": str(folder / "var")})
        file = folder / "devices.csv"
        rows = [f"pump-{n},pump,Pump {n},c-{n % 1000},site-{n % 500},v-{n % 1000},Europe/Berlin,low=1.{n % 10}" for n in range(lines)]
        text = "\n".join(["device,model,name,customer,site,contract,time_zone,limits", *rows, ""])
        file.write_text(text, encoding="utf-8")
        first, new = _import(settings, file)
        again, same = _import(settings, file)
        found = len(latest(settings, DEVICES.topic))
    most = CPU_S * max(1.0, lines / 100_000)
    ok = new["new"] == found == same["unchanged"] == lines and max(first, again) <= most
    return {"bench": "registry", "lines": lines, "first_cpu_s": first, "again_cpu_s": again, "entries": found, "most_cpu_s": most, "ok": ok}


def _import(settings: Settings, file: Path) -> tuple[float, dict[str, int]]:
    before, said = _cpu_s(), StringIO()
    with redirect_stdout(said):
        run_import(settings, Wish(DEVICES, file, as_json=True))
    found = json.loads(said.getvalue())
    return round(_cpu_s() - before, 1), {"new": len(found["new"]), "unchanged": found["unchanged"]}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
