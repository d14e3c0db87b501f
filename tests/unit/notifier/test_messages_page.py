"""docs/messages.md, read back: what it names exists, and what exists it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from notifier.buttons import Buttons
from notifier.pipeline import STAGES
from notifier.service import Options
from notifier.words import load_words
from vorab.clock import HOUR
from vorab.records import Channel, DeliveryReason, Stage

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    """The words in the first column of the table that has this heading there."""
    _, _, rest = PAGE.partition(f"| {heading} |")
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return [word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_the_stages_are_told_in_their_order() -> None:
    """The table is the pipeline."""
    told = first_column("stage | asks")
    assert told == [stage.__name__ for stage in STAGES]


@pytest.mark.parametrize(("heading", "known"), [("reason", DeliveryReason), ("channel", Channel), ("stage | when", Stage)])
def test_every_word_of_a_delivery_is_explained(heading: str, known: type[DeliveryReason | Channel | Stage]) -> None:
    """No reason a customer's case shows is left unexplained."""
    assert set(first_column(heading)) == {word.value for word in known}


def test_numbers_on_the_page_are_those_of_the_code() -> None:
    """Eight attempts, four senders, three days."""
    assert "eight attempts" in PAGE
    assert Options().attempts == 8
    assert "`senders` (default 4)" in PAGE
    assert Options().senders == 4
    assert "for three days" in PAGE
    assert Buttons().valid_us == 72 * HOUR


def test_every_cause_and_model_of_the_example_has_words() -> None:
    """No rule that comes with vorab makes a message about *a fault* of *a device*."""
    words = load_words()
    rules = [rule for file in sorted((ROOT / "rules").glob("*.yaml")) for rule in yaml.safe_load(file.read_text(encoding="utf-8"))["rules"]]
    assert {rule["cause"] for rule in rules} <= set(words.causes)
    assert {model for rule in rules for model in rule.get("applies", {}).get("models", [])} <= set(words.machines)
