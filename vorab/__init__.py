"""vorab: help that arrives before anyone asks.

Importing this package loads the standard library only; import the module you mean (`vorab.records`, `vorab.frame`, …).
"""

from __future__ import annotations

__version__ = "0.1.0"
