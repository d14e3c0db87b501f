"""The rules that come with vorab: healthy machines stay unmentioned, every fault they are written for is found, and soon."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

import vorab.demo
from streams.rules.files import default_folder, load_rules
from tests.unit.streams.detecting import Host, Registered
from vorab.clock import HOUR, MINUTE, Micros, parse_iso
from vorab.fleet.faults import FAULTS, Fault
from vorab.fleet.machines import Machine
from vorab.fleet.models import HEAT_PUMP, MODELS, PRINTER, PUMP
from vorab.frame import Reading
from vorab.records import Device, Symptom

START: Final[Micros] = parse_iso("2026-11-23T22:00:00+01:00")
RULES: Final = load_rules()

# Which rules see which fault first, and within which time of its beginning.
FOUND_BY: Final[Mapping[tuple[str, str], tuple[set[str], Micros]]] = {
    (PUMP, "controller_hang"): ({"pump-pressure-low"}, 20 * MINUTE),
    (PUMP, "air_lock"): ({"pump-vibration-high"}, 20 * MINUTE),
    (PUMP, "bearing_wear"): ({"pump-vibration-high"}, 2 * HOUR),
    (PRINTER, "fuser_overheat"): ({"printer-fuser-hot"}, 30 * MINUTE),
    (PRINTER, "toner_feed_blocked"): ({"printer-toner-feed-low"}, 25 * MINUTE),
    (PRINTER, "spooler_stuck"): ({"printer-queue-long"}, 60 * MINUTE),
    (PRINTER, "paper_jam"): ({"printer-queue-long"}, 60 * MINUTE),
    (HEAT_PUMP, "valve_stuck"): ({"heat-pump-pressure-low"}, 25 * MINUTE),
    (HEAT_PUMP, "refrigerant_leak"): ({"heat-pump-pressure-low"}, 3 * HOUR),
    (HEAT_PUMP, "coil_iced"): ({"heat-pump-pressure-low"}, 40 * MINUTE),
    (PUMP, "network_dead"): ({"machine-silent"}, 30 * MINUTE),
    (PRINTER, "network_flaky"): ({"machine-silent"}, 30 * MINUTE),
}


def run(models: Mapping[str, str], faults: Mapping[str, tuple[Micros, Fault]], hours: float) -> list[Symptom]:
    """A night of these machines, one frame per five minutes and a tick a minute."""
    host = Host(RULES, Registered(**models))
    machines = [
        Machine(name, MODELS[model], seed=7, start=START, phase=n * 1000 * 1000, faults=[faults[name]] if name in faults else [])
        for n, (name, model) in enumerate(models.items())
    ]
    now = START
    while now < START + hours * HOUR:
        now += MINUTE
        rows = []
        for machine in machines:
            while machine.due <= now:
                at = machine.due
                said = machine.step(at)
                if said is not None:
                    values = {name: value for name, value in said.items() if name not in {"ts", "boot", "seq"}}
                    rows.append(Reading(f"main/{machine.id}", at, at, 0, values, {}, said["boot"], said["seq"]))
        if rows:
            host.frame(sorted(rows, key=lambda row: row.received_at))
        host.now = max(host.now, now)
        host.out += [out.record for out in host.detect.due(host.now) if isinstance(out.record, Symptom)]
    return host.out


def test_healthy_machines_stay_unmentioned() -> None:
    """A night of sixty healthy machines of three models: nothing is wrong and nothing is said."""
    models = {f"{model}-{n}": model for n in range(20) for model in (PUMP, PRINTER, HEAT_PUMP)}

    assert not run(models, {}, 9.5)


def test_every_fault_is_found_by_its_rule_and_in_time() -> None:
    """Each fault of the fleet that a rule is written for, on a machine of its own."""
    names = {f"{model}-{kind}".replace("_", "-"): (model, kind) for model, kind in FOUND_BY}
    began = START + HOUR

    found = run({name: model for name, (model, _) in names.items()}, {name: (began, FAULTS[kind]) for name, (_, kind) in names.items()}, 5)

    first: dict[str, Symptom] = {}
    for symptom in found:
        first.setdefault(symptom.device, symptom)
    for name, key in names.items():
        rules, within = FOUND_BY[key]
        assert first[name].rule in rules
        assert began <= first[name].onset + 5 * MINUTE, name
        assert first[name].detected_at <= began + within, (name, (first[name].detected_at - began) / MINUTE)


def test_symptoms_of_a_worn_bearing_belong_to_one_case() -> None:
    """It shakes, then it heats: two symptoms, one cause."""
    found = run({"p": PUMP}, {"p": (START, FAULTS["bearing_wear"])}, 5)

    assert {symptom.rule for symptom in found} == {"pump-vibration-high", "pump-bearing-hot"}
    assert len({symptom.cause for symptom in found}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "model", "windows"),
    [
        ("machine_temperature_system_failure", "industrial-machine", [("2014-02-07T14:55", "2014-02-09T14:05")]),
        ("ambient_temperature_system_failure", "office", [("2013-12-15T07:00", "2013-12-30T09:00")]),
    ],
)
def test_recorded_failures_are_found_in_time(file: str, model: str, windows: Sequence[tuple[str, str]]) -> None:
    """The failures that people have labelled are spoken of inside their windows, and little is said besides."""
    folder = Path(vorab.demo.__file__).parent / "recorded"
    with gzip.open(folder / f"{file}.csv.gz", "rt") as lines:
        rows = [(parse_iso(line["timestamp"].replace(" ", "T") + "Z"), float(line["value"])) for line in csv.DictReader(lines)]
    registry = Registered()
    registry.devices["recorded/m"] = Device(id="recorded/m", tenant="recorded", device="m", model=model)
    host = Host(RULES, registry)
    for first in range(0, len(rows), 500):
        some = rows[first : first + 500]
        host.frame(Reading("recorded/m", at, at, 8, {"temperature": value}, {"temperature": "degF"}) for at, value in some)

    raised = [symptom for symptom in host.out if symptom.state == "raised"]
    for begin, end in windows:
        assert any(parse_iso(begin + "Z") <= symptom.detected_at <= parse_iso(end + "Z") for symptom in raised)
    assert len(raised) <= 12
    assert all(symptom.recorded for symptom in raised)
    assert raised[0].unit == "degF"


def test_rules_name_no_file_label_or_date() -> None:
    """What they know they have learned, or it stands in the machine's data sheet."""
    text = "".join(file.read_text(encoding="utf-8") for file in sorted(default_folder().glob("*.yaml")))

    known = ("nab", "numenta", "csv", "label", "201", "machine-1", "office-1", "system_failure")

    assert not [word for word in known if word in text.lower()]


def test_every_cause_has_words_for_customers() -> None:
    """What rules call a cause is what the words are found by."""
    import yaml

    words = yaml.safe_load((default_folder().parent / "knowledge" / "causes.yaml").read_text(encoding="utf-8"))

    assert {rule.cause for rule in RULES} <= set(words)
    assert all(rule.title.de and rule.title.en for rule in RULES)
