"""`vorab sites`: where devices stand."""

from __future__ import annotations

from vorab.cli.registry_app import made
from vorab.registry.kinds import SITES

app = made(SITES, "Import, export, list, show and remove sites.")
