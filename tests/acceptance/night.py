"""The night that is told to every way of running vorab: what each machine does, what it answers, and what has to come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tests.system.outcome import Outcome
from tests.system.story import Story
from vorab import topics
from vorab.records import CaseKind, Channel, Customer, Device, Stage

FOLDER: Final = Path(__file__).parent
RULES: Final = FOLDER / "rules.yaml"
REMEDIES: Final = FOLDER / "remedies.yaml"
START: Final = "2026-03-02T00:00:00Z"
RECORDED_PARTITIONS: Final = 8


def night() -> Story:  # noqa: PLR0915 - a story is as long as it is
    """An hour and a half."""
    story = Story(START)
    # One metronome in each partition: time goes on there whatever else falls silent.
    for name in metronomes():
        story.machine(name, beat=1.0)

    # A restart heals it. One low reading alone is nothing, and 1.2 bar is neither low nor well.
    story.machine("press-1", pressure=2.0)
    story.at("00:03", "press-1", pressure=0.9)
    story.at("00:04", "press-1", pressure=2.0)
    story.at("00:06", "press-1", pressure=0.8)
    story.at("00:07", "press-1", pressure=0.7)
    story.answers("00:11", "press-1", "succeeded", "back in a minute")
    story.at("00:11", "press-1", pressure=1.2)
    story.at("00:13", "press-1", pressure=2.1)

    # It says done, twice, and is not healed.
    story.machine("press-2", pressure=2.0)
    story.at("00:05", "press-2", pressure=0.5)
    story.answers("00:10", "press-2", "succeeded")
    story.answers("00:22", "press-2", "succeeded")

    # It cannot restart at first; the second attempt heals it.
    story.machine("press-3", pressure=2.2)
    story.at("00:08", "press-3", pressure=0.6)
    story.answers("00:12", "press-3", "failed", "the lid is open")
    story.answers("00:18", "press-3", "succeeded")
    story.at("00:19", "press-3", pressure=2.2)

    # Nobody has asked its customer; the question is asked and not answered.
    story.machine("press-4", pressure=2.0)
    story.at("00:09", "press-4", pressure=0.4)

    # The same, but it recovers while the question is open.
    story.machine("press-5", pressure=2.0)
    story.at("00:10", "press-5", pressure=0.9)
    story.at("00:16", "press-5", pressure=1.8)

    # It says done, its pressure comes back, and relapses within the proof.
    story.machine("press-6", pressure=2.0)
    story.at("00:20", "press-6", pressure=0.8)
    story.answers("00:24", "press-6", "succeeded")
    story.at("00:25", "press-6", pressure=2.0)
    story.at("00:29", "press-6", pressure=0.6)
    story.answers("00:38", "press-6", "rejected", "not twice in an hour")

    # It says done, clears, and is never heard of again: silence is no proof.
    story.machine("press-7", pressure=2.0)
    story.at("00:12", "press-7", pressure=0.3)
    story.answers("00:16", "press-7", "succeeded")
    story.at("00:17", "press-7", pressure=1.9)
    story.silent("00:19", "23:59", "press-7")

    # It hears the first command and never answers; to the second it says no.
    story.machine("press-8", pressure=2.0)
    story.at("00:10", "press-8", pressure=0.5)
    story.hears("00:14", "press-8")
    story.answers("00:52", "press-8", "failed")

    # No remedy for an oven: a person at once. It cools down later.
    story.machine("oven-1", heat=180.0)
    story.at("00:07", "oven-1", heat=260.0)
    story.at("00:20", "oven-1", heat=230.0)
    story.at("00:30", "oven-1", heat=200.0)

    # A second time, a second case.
    story.machine("oven-2", heat=180.0)
    story.at("00:10", "oven-2", heat=251.0)
    story.at("00:12", "oven-2", heat=180.0)
    story.at("00:50", "oven-2", heat=300.0)

    # Recovers by itself, before anybody is told.
    story.machine("mixer-1", vibration=2.0, heat=40.0)
    story.at("00:10", "mixer-1", vibration=5.0)
    story.at("00:15", "mixer-1", vibration=3.0)

    # Shakes, gets hot too, and does not pass.
    story.machine("mixer-2", vibration=2.0, heat=40.0)
    story.at("00:10", "mixer-2", vibration=6.0)
    story.at("00:18", "mixer-2", heat=75.0)

    # Falls silent for a while.
    story.machine("radio-1", signal=1.0)
    story.silent("00:10", "00:24", "radio-1")

    # Falls silent for good.
    story.machine("radio-2", signal=1.0)
    story.silent("00:30", "23:59", "radio-2")

    story.until("01:20")
    return story


EXPECTED: Final = {
    # The last thing that happened to each machine's case or cases.
    "press-1": [CaseKind.CLOSED],
    "press-2": [CaseKind.HANDED_OVER],
    "press-3": [CaseKind.CLOSED],
    "press-4": [CaseKind.HANDED_OVER],
    "press-5": [CaseKind.CLOSED],
    "press-6": [CaseKind.HANDED_OVER],
    # Both go to a person: nothing shows that it is well, and nothing is heard of it.
    "press-7": [CaseKind.HANDED_OVER, CaseKind.HANDED_OVER],
    "press-8": [CaseKind.HANDED_OVER],
    "oven-1": [CaseKind.CLOSED],
    "oven-2": [CaseKind.CLOSED, CaseKind.HANDED_OVER],
    "mixer-1": [CaseKind.CLOSED],
    "mixer-2": [CaseKind.HANDED_OVER],
    "radio-1": [CaseKind.CLOSED],
    "radio-2": [CaseKind.HANDED_OVER],
}
NOT_AGREED: Final = ("press-4", "press-5")
MODELS: Final = {"metronome": "metronome", "press": "press", "oven": "oven", "mixer": "mixer", "radio": "radio"}
SHARED: Final = {"oven-1": "house-press-1"}
"""A customer with two machines."""


def metronomes() -> list[str]:
    """The first name for each recorded partition."""
    found: dict[int, str] = {}
    for n in range(200):
        key = topics.key_of(topics.RECORDED_TENANT, f"metronome-{n}")
        found.setdefault(topics.partition_of(key, RECORDED_PARTITIONS + 1, RECORDED_PARTITIONS), f"metronome-{n}")
    return [found[partition] for partition in sorted(found)]


def registry(story: Story) -> list[Device | Customer]:
    """Its machines and their customers: mail, and no quiet hours."""
    rows: list[Device | Customer] = []
    tenant, at = topics.RECORDED_TENANT, story.began
    for number, name in enumerate(story.machines):
        model = MODELS[name.partition("-")[0]]
        customer = "" if model == "metronome" else SHARED.get(name, f"house-{name}")
        rows.append(
            Device(
                id=topics.key_of(tenant, name), tenant=tenant, device=name, model=model, name=name.replace("-", " ").title(),
                site=f"site-{number % 3}", customer=customer, remote_repair=None if name in NOT_AGREED else True,
                limits={"pressure_low": 1.1} if name == "press-3" else {}, at=at,
            )
        )  # fmt: skip
        if customer and name not in SHARED:
            rows.append(
                Customer(
                    id=topics.key_of(tenant, customer), tenant=tenant, customer=customer, language="de" if number % 2 else "en",
                    channels=(Channel.MAIL,), quiet_from="00:00", quiet_until="00:00", tell_healed=name == "press-1", at=at,
                )
            )  # fmt: skip
    return rows


def check(outcome: Outcome, others: Collection[str] = ()) -> None:
    """That the story ended as it was meant to, `others` left aside: so that two equal outcomes are not two equal failures."""
    last: dict[str, dict[str, CaseKind]] = {}
    for body in sorted(outcome.cases.values(), key=lambda body: int(body.get("seq", 0))):
        if body["device"] in others:
            continue
        last.setdefault(body["device"], {})[body["case"]] = CaseKind(body["kind"])
    opened = {body["case"]: body["at"] for body in outcome.cases.values() if body["kind"] == CaseKind.OPENED}
    found = {device: [kind for _, kind in sorted(cases.items(), key=lambda row: opened[row[0]])] for device, cases in last.items()}
    wrong = [f"{name}: {found.get(name)}, expected {kinds}" for name, kinds in EXPECTED.items() if found.get(name) != kinds]
    assert not wrong, "\n".join([*wrong, *told(outcome, [line.partition(":")[0] for line in wrong])])
    assert set(found) == set(EXPECTED)
    kinds = Counter(body["kind"] for body in outcome.cases.values())
    assert kinds[CaseKind.CONSENT_ASKED] == len(NOT_AGREED)
    assert kinds[CaseKind.DISPROVED] >= 3
    assert kinds[CaseKind.ACTION_TIMED_OUT] == 1
    stages = Counter(body["stage"] for body in outcome.notifications.values())
    assert stages[Stage.CONSENT] == len(NOT_AGREED)
    assert set(stages) == set(Stage) - {Stage.INCIDENT}  # recorded time knows no storms


def told(outcome: Outcome, devices: list[str]) -> list[str]:
    """What happened to these machines, to be read."""
    events = sorted(outcome.cases.values(), key=lambda body: (body["device"], body["opened_at"], int(body.get("seq", 0))))
    return [f"{e['device']} {e['at'][11:19]} {e['kind']} {e['status']} {e.get('detail', '')}" for e in events if e["device"] in devices]
