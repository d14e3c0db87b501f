"""`vorab contracts`: what was agreed with customers."""

from __future__ import annotations

from vorab.cli.registry_app import made
from vorab.registry.kinds import CONTRACTS

app = made(CONTRACTS, "Import, export, list, show and remove contracts.")
