"""The care file: read strictly, every mistake with its line; the schema and the page are those of the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from streams.care.conditions import When
from streams.care.files import load_care, read_care
from streams.care.policy import Advice, File, Gesture, Goodwill, Queue, Rule, json_schema, keys
from tests.unit.streams.care.test_decision import FOLDER
from vorab.errors import ConfigError

PAGE = FOLDER.parent / "docs" / "care.md"

GOOD = """\
version: 7
rules:
  - line: money
    when:
      said: money
    bot: must_ask
    skill: talk
queues:
  - name: all
    skills: [talk]
words:
  money: {en: [refund]}
"""


@pytest.mark.parametrize(
    ("wrong", "right", "line", "key", "what"),
    [
        ("bot: must_ask", "bot: sometimes", 6, "rules.0.bot", "Input should be"),
        ("said: money", "said: mony", 5, "rules.0.when.said", "did you mean money?"),
        ("skill: talk", "skill: walk", 7, "rules.0.skill", "did you mean talk?"),
        ("skills: [talk]", "skills: [talk]\n    hours: 25:00-26:00", 11, "queues.0.hours", "no span of hours"),
        ("skills: [talk]", "skills: [talk]\n    zone: Mars", 11, "queues.0.zone", "no time zone"),
        ("skills: [talk]", "skills: [talk]\n  - name: all", 11, "queues.1.name", "written twice"),
        ("version: 7", "versoin: 7", 1, "version", "Field required"),
        ("    bot: must_ask", "    bot: must_ask\n    bott: may", 7, "rules.0.bott", "unknown key"),
        ("    bot: must_ask", "    bot: must_ask\n    bot: may", 7, "bot", "given twice"),
        ("    bot: must_ask", "    bot: must_ask\n    approvals: 3", 7, "rules.0.approvals", "Input should be 1 or 2"),
        ("words:", "words: [", 0, "", "not valid YAML"),
        (
            "words:",
            "goodwill:\n  gestures:\n    - {line: a, when: {}, gesture: b, amount: 1, apology: {en: a, de: b}}\nwords:",
            13,
            "goodwill.gestures.0",
            "given to everybody",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(wrong: str, right: str, line: int, key: str, what: str) -> None:
    """What, where, and what was probably meant."""
    assert GOOD.count(wrong) == 1
    with pytest.raises(ConfigError) as caught:
        read_care(GOOD.replace(wrong, right), "care.yaml")
    assert what in caught.value.what
    assert (caught.value.file, caught.value.key) == ("care.yaml", key)
    assert caught.value.line == line or not line


def test_the_good_file_is_good() -> None:
    """Else the test above proves nothing; whatever is not said is as the page tells."""
    care = read_care(GOOD, "care.yaml")
    assert [queue.name for queue in care.queues] == ["all"]
    assert care.rules[0].approvals == 1


def test_a_version_tells_files_apart_that_say_different_things() -> None:
    """Whoever forgets to raise it is found out by the mark behind it."""
    first, same, other = (
        read_care(text, "x").version for text in (GOOD, GOOD + "# a remark\n", GOOD.replace("line: money", "line: Money"))
    )
    assert first.startswith("7@")
    assert first == same
    assert first != other


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    """No policy by accident."""
    with pytest.raises(ConfigError, match="no such care file"):
        load_care(tmp_path)
    with pytest.raises(ConfigError, match="the file is empty"):
        read_care("", "care.yaml")


def test_the_schema_beside_the_file_is_the_one_of_the_code() -> None:
    """Editors check care files by it, and the worked example holds before it; `make docs` writes it."""
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    assert schema == json_schema()
    jsonschema.validate(yaml.safe_load((FOLDER / "care.yaml").read_text(encoding="utf-8")), schema)


def test_the_page_names_every_key() -> None:
    """The tables in docs/care.md are made from the code, and its example is read."""
    page = PAGE.read_text(encoding="utf-8")
    for part in (File, Rule, When, Queue, Goodwill, Gesture, Advice):
        assert keys(part) in page
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert read_care(example, "docs/care.md").rules
