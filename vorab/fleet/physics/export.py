"""A simulated fleet as files: readings per model in a column per signal, and the labels, for other programs and for back-tests."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO

from vorab.clock import iso
from vorab.fleet.physics.link import Batch
from vorab.fleet.physics.simulation import MODELS, Simulation

LABELS = ("device", "model", "signal", "kind", "onset", "end", "size")


def write(simulation: Simulation, folder: Path) -> list[Path]:
    """Write `<model>.csv` (`timestamp` in ms, `device`, a column per signal, in the order of arrival) and `labels.csv`; the files.

    `signal` of a label is empty where all are meant; `size` is what its kind makes of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = sorted(simulation.devices)
    files = {model: folder / f"{model}.csv" for model in models}
    open_files: dict[str, IO[str]] = {model: file.open("w", encoding="utf-8", newline="") for model, file in files.items()}
    try:
        for model, file in open_files.items():
            csv.writer(file).writerow(["timestamp", "device", *(sensor.name for sensor in MODELS[model].sensors)])
        for day in simulation.batches():
            for batch in day:
                csv.writer(open_files[batch.model]).writerows(_rows(batch, simulation.names(batch.model)))
    finally:
        for file in open_files.values():
            file.close()
    labels = folder / "labels.csv"
    with labels.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(LABELS)
        for harm in simulation.harms:
            out.writerow(
                [harm.device, harm.model, harm.signal, harm.kind, iso(harm.onset), iso(harm.end), f"{harm.size:.6g}"],
            )
    return [*files.values(), labels]


def _rows(batch: Batch, names: list[str]) -> zip[tuple[object, ...]]:
    times = (batch.measured_at // 1000).tolist()
    devices = [names[index] for index in batch.device.tolist()]
    return zip(times, devices, *(column.tolist() for column in batch.signals.values()), strict=True)
