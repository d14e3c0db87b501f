"""Which processors an installation runs, with its rules and remedies."""

from __future__ import annotations

from vorab.processor import Kind
from vorab.settings import Settings
