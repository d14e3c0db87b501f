"""The night of the demo, 22:00 to 07:30 of its customers' time: who breaks when. A table, so that it can be read aloud."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from vorab.clock import HOUR, MINUTE, Micros
from vorab.fleet.faults import Planned

NIGHT: Final[Micros] = 9 * HOUR + 30 * MINUTE

HOMES: Final = ("heat-pump-001", "heat-pump-002", "heat-pump-003")
"""The heat pumps of the three homes asleep."""

# Minutes are counted from 22:00. The first half hour is calm; everything that is to be settled by 07:00 begins early enough.
_ROWS: Final[tuple[tuple[str, str, str], ...]] = (
    ("22:38", "pump-017", "controller_hang"),  # healed while everybody sleeps
    ("23:05", "printer-008", "fuser_overheat"),  # healed
    ("23:20", "pump-042", "network_dead"),  # silent, told by its last will
    ("23:40", "pump-063", "bearing_wear"),  # says done, is not healed; its customer is at work in Singapore
    ("00:20", "printer-021", "toner_feed_blocked"),  # says done, is not healed
    ("00:50", "pump-031", "air_lock"),  # healed
    ("01:15", "heat-pump-022", "valve_stuck"),  # healed
    ("02:00", "heat-pump-001", "valve_stuck"),  # first home: low at 02:10, healed asleep, the phone stays dark
    ("02:35", "heat-pump-002", "coil_iced"),  # second home: not healed, but melts by 05:05; the deferred message is dropped
    ("03:05", "heat-pump-003", "valve_stuck"),  # third home: never asked for its consent; the question waits for the morning
    ("03:25", "heat-pump-030", "refrigerant_leak"),  # says done, is not healed; slow
    ("03:30", "printer-040", "spooler_stuck"),  # healed
    ("03:55", "pump-088", "network_flaky"),  # silent for three quarters of an hour, then back by itself
    ("04:40", "pump-005", "controller_hang"),  # healed
    ("05:00", "printer-033", "paper_jam"),  # says failed
    ("05:25", "pump-051", "air_lock"),  # its owner refused remote repair
)


def story(start: Micros, machines: Container[str] | None = None) -> list[Planned]:
    """The plan of a night that begins at `start` (22:00 where the customers live), µs; only of the machines there are."""
    rows = []
    for clock_time, machine, kind in _ROWS:
        hour, minute = map(int, clock_time.split(":"))
        at = start + ((hour - 22) % 24) * HOUR + minute * MINUTE
        if machines is None or machine in machines:
            rows.append(Planned(machine, kind, at))
    return rows
