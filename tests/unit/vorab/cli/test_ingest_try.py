"""`vorab ingest try`: what is shown is what would be written, and a refusal says what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.advice import ADVICE
from vorab import cli
from vorab.errors import Reason

TOML = """
[ingest]
dialects = ["sparkplug"]

[[ingest.topic_map]]
filter = "plant/{device}/up"
map.time = { path = "at", unit = "iso" }
map.signals.temperature = { path = "data.temp", scale = 0.1, unit = "Cel" }

[[ingest.topic_map]]
filter = "meters/{device}/up"
packed.signals.flow = { at = 0, type = "u16", unit = "l/s" }

[[ingest.topic_map]]
filter = "noise/#"
kind = "ignore"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command in a folder with a topic map, with a payload on standard input; answers exit code and what was printed."""
    (tmp_path / "vorab.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, payload: bytes = b"") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(payload)))
        with pytest.raises(SystemExit) as ended:
            cli.main(["ingest", "try", *arguments])
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out + said.err

    return call


def test_rows_are_shown_with_signal_value_unit_time_and_quality(run: Any) -> None:
    """The whole way of a payload on one screen: entry, decoder, device, rows."""
    code, said = run("--topic", "plant/pump-7/up", payload=b'{"at": "2020-01-01T00:00:00", "data": {"temp": 215}}')
    assert code == 0
    for words in ("plant/{device}/up  (telemetry)", "mapped", "main/pump-7", "temperature  21.5   Cel", "clamped assumed zone"):
        assert words in said, said
    assert "name the zone in the topic map" in said


def test_a_refusal_says_why_and_what_to_do_and_ends_with_1(run: Any) -> None:
    """For a script that checks samples, and for a person."""
    code, said = run("--topic", "plant/pump-7/up", payload=b'{"data": {"temp": "warm"}}')
    assert code == 1
    assert "refused: bad_value: temperature: 'warm' is not a number" in said
    assert ADVICE[Reason.BAD_VALUE] in said


def test_a_file_hex_and_json(run: Any, tmp_path: Path) -> None:
    """Binary payloads can be typed; programs read JSON."""
    (tmp_path / "sample.bin").write_bytes(b"\x01\x02")
    code, said = run("--topic", "meters/m1/up", "--file", "sample.bin", "--json")
    found = json.loads(said)
    assert (code, found["decoder"], found["rows"][0]["values"]) == (0, "packed", {"flow": 258})
    code, said = run("--topic", "meters/m1/up", "--hex", "--json", payload=b"01 02\n")
    assert json.loads(said)["rows"][0]["units"] == {"flow": "l/s"}
    code, said = run("--topic", "meters/m1/up", "--json", payload=b"")
    assert (code, json.loads(said)["refused"]["reason"]) == (1, "empty")


@pytest.mark.parametrize(
    ("arguments", "payload", "code", "words"),
    [
        (["--topic", "a/b"], b"1", 1, "refused: unknown_topic"),
        (["--topic", "v1/gateway/connect"], b'{"device": "A"}', 1, "thingsboard could read it: add it to ingest.dialects"),
        (["--topic", "telemetry/x", "--retained"], b'{"a": 1}', 0, "is no news"),
        (["--topic", "telemetry/x", "--content-type", "image/png"], b'{"a": 1}', 1, "refused: unsupported"),
        (["--topic", "telemetry/x", "--content-type", "application/senml+json"], b'[{"n": "a", "v": 1}]', 0, "arrival"),
        (["--topic", "vorab/v1/main/x/status"], b"offline", 0, '"will"'),
        (["--topic", "vorab/v1/main/x/cmd/restart/res"], b'{"id": "7", "status": "succeeded"}', 0, '"succeeded"'),
        (["--topic", "noise/1/2"], b"1", 0, "ignore"),
        (["--topic", "telemetry/x", "--file", "nowhere.bin"], b"", 2, "--file"),
        (["--topic", "telemetry/x", "--hex"], b"xyz", 2, "not hexadecimal"),
        ([], b"", 2, "Missing option '--topic'"),
    ],
)
def test_every_kind_of_message_can_be_tried(run: Any, arguments: list[str], payload: bytes, code: int, words: str) -> None:
    """Status, answers, what is ignored, what is kept by the broker; a wrong call ends with 2."""
    ended, said = run(*arguments, payload=payload)
    assert ended == code, said
    assert words in said


def test_control_characters_never_reach_the_terminal(run: Any) -> None:
    """Known bad: a payload that moves the cursor; what a stranger sent is spelled out."""
    _, said = run("--topic", "telemetry/x", payload=b'{"a": "\\u001b[2J"}')
    assert "\x1b" not in said
    assert "\\u001b[2J" in said


def test_there_is_advice_for_every_reason() -> None:
    """Nobody is left with a word."""
    assert set(ADVICE) == set(Reason)
