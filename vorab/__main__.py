"""`python -m vorab` is `vorab`."""

from __future__ import annotations

from vorab.cli import main

main()
