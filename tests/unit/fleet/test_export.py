"""A simulated fleet as files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vorab.fleet.physics.export import write
from vorab.fleet.physics.harm import KINDS
from vorab.fleet.physics.simulation import Simulation
from vorab.fleet.series import Series


@pytest.mark.slow
def test_files_hold_every_reading_and_every_label(tmp_path: Path) -> None:
    """What `vorab replay` reads back is as much as was simulated; labels name devices that are there."""
    simulation = Simulation(2, 12, 17)
    files = write(simulation, tmp_path / "fleet")
    count = sum(len(batch) for day in Simulation(2, 12, 17).batches() for batch in day)
    data = [file for file in files if file.name != "labels.csv"]
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) - 1 for file in data) == count
    readings = list(Series(tmp_path / "fleet" / "printer.csv").readings())
    assert {each.device for each in readings} == set(simulation.names("printer"))
    assert {"fuser_temperature", "queue", "pages"} <= readings[0].values.keys()
    with (tmp_path / "fleet" / "labels.csv").open(encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    assert len(labels) == len(simulation.harms) > 2
    assert all(row["kind"] in KINDS and row["onset"] < row["end"] for row in labels)
    assert {row["device"] for row in labels} <= {name for model in simulation.devices for name in simulation.names(model)}
