"""`vorab understand` and `vorab bench understanding`: what is said on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vorab.cli import main


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


def test_a_reply_is_shown_with_what_decided(capsys: pytest.CaptureFixture[str]) -> None:
    """Intent, route, named time and why, for people and for programs."""
    code, page = called(capsys, "understand", "Bitte rufen Sie mich morgen um fünf an")
    assert code == 0
    assert [line.split()[0] for line in page.splitlines()][:6] == ["intent", "confidence", "flags", "route", "wished", "why"]

    code, line = called(capsys, "understand", "Who pays for this?", "--language", "en", "--json")
    assert (code, json.loads(line)["flags"], json.loads(line)["route"]) == (0, ["money"], "human")


def test_a_language_nobody_reads_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Named, with what it may be."""
    code, page = called(capsys, "understand", "oui", "--language", "fr")

    assert code == 2
    assert "it may be de or en" in page


def test_the_bench_ends_with_one_below_its_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of rows that are all wrong, and one that is right."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "Danke", "language": "de", "intent": "stop"}\n', encoding="utf-8")
    assert called(capsys, "bench", "understanding", "--data", str(file))[0] == 1

    file.write_text('{"text": "Danke", "language": "de", "intent": "thanks"}\n', encoding="utf-8")
    code, line = called(capsys, "bench", "understanding", "--data", str(file), "--json")
    assert (code, json.loads(line)["right"]) == (0, 1.0)
