"""Memory of long-lived workers: columns that grow by doubling shall leave no holes behind."""

from __future__ import annotations

import ctypes
from typing import Final

MMAP_THRESHOLD: Final = -3
"""glibc's name for it (`M_MMAP_THRESHOLD` in malloc.h)."""
LARGE_BYTES: Final = 128 << 10


def give_back_large() -> bool:
    """Take every large block from the system and give it back as a whole; whether the C library can (glibc does).

    By default glibc learns from the first large block that is freed to keep blocks of up to 32 MiB in its own heap, where columns that
    were outgrown leave holes: a tenth of the memory of a worker with a million devices.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE_BYTES))
    except (AttributeError, OSError):  # another C library
        return False
