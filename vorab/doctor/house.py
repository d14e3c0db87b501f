"""This machine and this installation: Python, libraries, SQLite, folders, clock."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from vorab import __version__
from vorab.doctor import Finding, note, ok, problem
from vorab.settings import Mode, Settings

CRC_CHECK: Final = (b"123456789", 0xE3069283)
"""The check value of CRC-32C."""

# Two connections that write and checkpoint at the same instant can corrupt a database in WAL mode; mended in 3.51.3.
SQLITE_MENDED: Final = (3, 51, 3)
SQLITE_OLDEST: Final = (3, 35, 0)
FREE_BYTES: Final = 1_000_000_000
TIME_ERROR: Final = 5
"""What Linux answers when nothing keeps its clock."""


def examine(settings: Settings) -> Sequence[Finding]:
    """Everything that needs no broker."""
    findings = [
        ok("vorab", f"{__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"),
        *libraries(importlib.metadata.requires("vorab") or [], _installed),
        checksums(),
        sqlite(sqlite3.sqlite_version_info, embedded=settings.log_address.startswith("sqlite:///")),
        folder(settings.state_path),
        clock(synchronised()),
    ]
    if settings.clock:
        findings.append(
            note("story", f"runs on a story clock: {settings.clock}", "empty the setting clock for anything but a demonstration")
        )
    if settings.mode is Mode.SHADOW:
        findings.append(note("mode", "shadow: everything decides, nothing leaves the house", 'set mode = "live" when you trust it'))
    return findings


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def libraries(wanted: Sequence[str], installed: Callable[[str], str | None]) -> list[Finding]:
    """Whether each library is there in a version this vorab was written for; `installed` says which is."""
    wrong = []
    rows = [row for row in map(Requirement, wanted) if row.marker is None or row.marker.evaluate({"extra": ""})]
    for row in rows:
        found = installed(row.name)
        if found is None or not row.specifier.contains(found, prereleases=True):
            wrong.append(f"{row.name} {found or 'is missing'}, wanted {row.specifier}")
    if wrong:
        return [problem("libraries", "; ".join(wrong), "install vorab again with requirements/runtime.txt, or `make venv`")]
    return [ok("libraries", f"all {len(rows)} in the versions this vorab was written for")]


def checksums() -> Finding:
    """Whether kafka-python computes CRC-32C natively; without, it spends more on checksums than on everything else."""
    from kafka.record import util  # noqa: PLC0415 - loads the Kafka client

    data, expected = CRC_CHECK
    native = getattr(util, "crc32c_c", None)
    if native is None:
        return problem(
            "crc32c",
            "kafka-python computes checksums in pure Python: 27 µs per 100 bytes instead of 0.01 µs",
            "pip install crc32c",
        )
    if util.calc_crc32c(data) != expected:
        return problem("crc32c", "the crc32c package computes wrong checksums", "pip install --force-reinstall crc32c")
    return ok("crc32c", f"kafka-python uses the package, {_installed('crc32c')}")


def sqlite(version: tuple[int, int, int], *, embedded: bool) -> Finding:
    """Whether SQLite is new enough; an old one is safe as long as one process writes each file, which vorab keeps to."""
    name = ".".join(map(str, version))
    if version < SQLITE_OLDEST:
        return problem("sqlite", f"{name} is too old", f"use a Python with SQLite {'.'.join(map(str, SQLITE_OLDEST))} or newer")
    if version < SQLITE_MENDED and embedded:
        return note(
            "sqlite",
            f"{name} can corrupt a database that two processes write at the same instant; vorab writes each file from one",
            "let nothing else write vorab's files, or use a Python with SQLite 3.51.3 or newer",
        )
    return ok("sqlite", name)


def folder(path: Path) -> Finding:
    """Whether the state folder can be written, is closed to others and has room."""
    nearest = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return problem("state", f"{nearest} is not writable for user id {os.geteuid()}", "set state_dir, or change its owner")
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        return problem("state", f"{path} is open to other users of this machine, and it holds names and messages", f"chmod 700 {path}")
    free = shutil.disk_usage(nearest).free
    if free < FREE_BYTES:
        return problem("state", f"only {free / 1e6:.0f} MB free below {nearest}", "make room: a full disk stops the log")
    return ok("state", f"{path} is writable, {free / 1e9:.1f} GB free")


def synchronised() -> bool | None:
    """Whether the kernel's clock is kept by a time server; None where that cannot be told."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    # All zeros: ask, change nothing. The kernel fills in its struct timex, which is smaller than this.
    state = adjtimex(ctypes.create_string_buffer(512))
    return None if state < 0 else state != TIME_ERROR


def clock(synchronised: bool | None) -> Finding:  # noqa: FBT001 - the one fact that is judged
    """Whether quiet hours and silence are judged by the right time."""
    if synchronised is None:
        return note("clock", "this system does not say whether its clock is kept by a time server", "see that one is running")
    if not synchronised:
        return note(
            "clock",
            "no time server keeps the clock of this machine; in a container the host may",
            "run chrony or systemd-timesyncd: quiet hours, silence and deadlines go by it",
        )
    return ok("clock", "kept by a time server")
