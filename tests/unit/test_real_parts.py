"""What happens where a real part is missing: said plainly, skipped at home, a failure in continuous integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts import base, install, kafka
from tests.parts.mosquitto import Mosquitto

ABSENT = install.Part("Gizmo", lambda: False, ("gizmo",), "gizmos", "buy one")


@pytest.fixture
def no_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with one part missing, where nothing can be installed."""
    monkeypatch.setattr(install, "PARTS", (ABSENT,))
    monkeypatch.setattr(install, "JARS", tmp_path)
    monkeypatch.setattr(install, "is_root_on_debian", lambda: False)
    monkeypatch.setattr(install, "program", lambda _name: None)


@pytest.mark.parametrize(("ci", "exit_code"), [("", 0), ("true", 1)])
@pytest.mark.usefixtures("no_parts")
def test_a_missing_part_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, exit_code: int
) -> None:
    """`make parts` says what is missing, what is not tested for want of it, and how to get it; only CI=true makes it fail."""
    monkeypatch.setenv("CI", ci)
    assert install.main() == exit_code
    said = capsys.readouterr().out
    assert "Gizmo is missing, so this is not tested: gizmos." in said
    assert "buy one" in said
    assert "Kafka 4 is missing" in said


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_test_without_its_part_is_skipped_at_home_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    """A green run in continuous integration means that everything was really run."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.parts.mosquitto.program", lambda _name: None)
    monkeypatch.setattr(kafka, "JARS", tmp_path)
    with pytest.raises(outcome, match="Mosquitto is missing"):
        Mosquitto(tmp_path)
    monkeypatch.setattr(kafka, "program", lambda _name: "/usr/bin/java")
    with pytest.raises(outcome, match="Kafka 4 is missing"):
        kafka.Kafka(tmp_path / "kafka")


def test_a_child_that_ends_while_starting_says_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that refuses its configuration shows why, instead of a time-out half a minute later."""
    monkeypatch.setattr(base, "LOGS", tmp_path)
    child = base.Child("short", ["sh", "-c", "echo no such port; exit 3"])
    child.start()
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3.*no such port"):
        child.ready(lambda: False)


def test_a_killed_child_is_gone_and_can_be_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 also ends a frozen process, and the same child runs again after it."""
    monkeypatch.setattr(base, "LOGS", tmp_path)
    child = base.Child("long", ["sleep", "60"])
    child.start()
    child.pause()
    child.kill()
    assert child.exit_code == -9
    child.start()
    assert child.running
    child.stop()
    assert child.exit_code == -15
