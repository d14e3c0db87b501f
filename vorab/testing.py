"""Helpers for tests: vorab's own and its users'."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

CRASH_EXIT: Final = 137
"""What a shell reports for kill -9."""

_passes: Counter[str] = Counter()


def crashpoint(name: str) -> None:
    """Die here, as by kill -9, at the n-th pass, if the environment says `VORAB_CRASH=name:n`; otherwise nothing."""
    wanted = os.environ.get("VORAB_CRASH")
    if not wanted:
        return
    point, _, n = wanted.rpartition(":")
    if point == name:
        _passes[name] += 1
        if _passes[name] == int(n):
            os._exit(CRASH_EXIT)
