"""The worked policy, line by line: each has a case that only it decides so."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from streams.cases.policy import Policy
from streams.cases.remedies import load_policy
from tests.unit.streams.cases.ward import REMEDIES
from vorab.records import Severity


class About(NamedTuple):
    """A case as policy sees it."""

    model: str
    cause: str
    detector: str = "threshold"
    tenant: str = "main"


DECIDES = {
    About("machine", "wear", tenant="recorded"): "recorded machines cannot be restarted: a person looks",
    About("pump", "silence", "silence"): "a silent machine hears no command: wait, then a person",
    About("printer", "silent", "silence"): "a silent printer may have lost its link: ask its gateway",
    About("pump", "anomaly", "learned"): "unusual but within its limits: watch, then a person",
    About("pump", "smoke", "reported"): "what others report, their rules decided: a person looks, until somebody writes a remedy for it",
    About("printer", "paper_jam"): "paper has to be taken out by hand",
    About("pump", "overheat"): "a pump that hangs or runs dry is freed by a restart",
    About("printer", "offline"): "a printer is given one restart",
    About("heat-pump", "low_pressure"): "a heat pump is given one restart, and time to come back to pressure",
}


def line(policy: Policy, about: About) -> str:
    """The line that decides."""
    asked = {"tenant": about.tenant, "model": about.model, "cause": about.cause, "detector": about.detector}
    return policy.decide(severity=Severity.MAJOR, **asked).line


@pytest.mark.parametrize("about", DECIDES, ids=lambda about: f"{about.tenant}-{about.model}-{about.cause}")
def test_each_line_decides_what_it_is_about(about: About) -> None:
    """The sentence an operator reads is the one that decided."""
    assert line(load_policy([REMEDIES]), about) == DECIDES[about]


def test_no_line_is_without_a_case() -> None:
    """A line that is added to the example gets one here."""
    assert {each.line for each in load_policy([REMEDIES]).lines} == set(DECIDES.values())


@pytest.mark.parametrize("about", DECIDES, ids=lambda about: f"{about.tenant}-{about.model}-{about.cause}")
def test_without_its_line_another_decides(about: About) -> None:
    """Known bad: the line is gone, and what it was about is decided by another one or by nobody."""
    policy = load_policy([REMEDIES])
    less = replace(policy, lines=[each for each in policy.lines if each.line != DECIDES[about]], _decided={})
    assert line(less, about) != DECIDES[about]
